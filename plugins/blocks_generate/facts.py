"""What generation wants to know of a model: what it reads, which head speaks, how far its positions reach. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks import BuildError, Head, Plan

if TYPE_CHECKING:
    from blocks.planned import PlannedStage, PlannedStream

SILENT = "B1702"


@dataclass(frozen=True, slots=True)
class Facts:
    """A language model.

    plan        its plan
    head        the stage of the head that gives logits of the next token
    vocab_size  their number
    padded      whether rows of several lengths can stand in one batch
    source      tokens that positions of the source's stream reach, None: any; without a source too
    target      the same of the stream that is continued
    """

    plan: Plan
    head: PlannedStage
    vocab_size: int
    padded: bool
    source: int | None
    target: int | None

    @property
    def translates(self) -> bool:
        """Whether an encoder reads the prompt, and what is written is another text."""
        return len(self.plan.streams) == 2


def facts_of(plan: Plan) -> Facts:
    """Raises BuildError for a model that writes no tokens."""
    streams = plan.streams
    if len(streams) > 2:
        names = ", ".join(stream.name for stream in streams)
        raise BuildError.of(
            SILENT,
            f"{plan.name} has the streams {names}, and only one or two can be given a prompt",
            help=_HELP,
        )
    odd = next((stream.inputs[0] for stream in streams if stream.inputs[0].name != "tokens"), None)
    if odd is not None:
        raise BuildError.of(SILENT, f"{plan.name} reads {odd.what}, and a prompt is text", help=_HELP)
    for stage in plan.head_paths.values():
        head = stage.component
        assert isinstance(head, Head)
        size = head.shape()[-1]
        if "causal" in head.requires and len(head.shape()) == 3 and isinstance(size, int):
            reaches = [_reach(stream) for stream in streams]
            source = reaches[0] if len(streams) == 2 else None
            return Facts(plan, stage, size, _padded(plan), source, reaches[-1])
    heads = (
        ", ".join(stage.component.name for stage in plan.head_paths.values() if stage.component) or "no head"
    )
    raise BuildError.of(SILENT, f"{plan.name} has {heads}, which writes no tokens", help=_HELP)


_HELP = "a language model reads tokens and ends in head: lm"


def _padded(plan: Plan) -> bool:
    kinds = dict.fromkeys(layer.type for layer in plan.layers)
    mixers = [branch.mixer for kind in kinds for branch in kind.branches]
    mixers += [kind.adapter for kind in kinds if kind.adapter is not None]
    return all("padded" in mixer.capabilities() for mixer in mixers)


def _reach(stream: PlannedStream) -> int | None:
    """The most tokens that all components of a stream have positions for."""
    parts = [stage.component for stage in stream.stages if stage.component is not None]
    kinds = dict.fromkeys(layer.type for stage in stream.stages for layer in stage.layers)
    parts += [component for kind in kinds for component, _ in kind.components()]
    return min((limit for limit in (part.longest() for part in parts) if limit is not None), default=None)
