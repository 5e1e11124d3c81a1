"""What an exported program is called with and what it gives, by the names that transformers has for them.

Inputs of one stream are input_ids, attention_mask, token_type_ids, pixel_values; the last of two streams has
`decoder_` in front, each of several others its name. A program reads whole sequences: it takes no state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blocks import Plan

if TYPE_CHECKING:
    from blocks.planned import PlannedStream

NAMES = {"tokens": "input_ids", "types": "token_type_ids", "pixels": "pixel_values"}
OUTPUTS = {"logits": "logits", "hidden states": "last_hidden_state", "pooled vectors": "pooler_output"}


@dataclass(frozen=True, slots=True)
class Argument:
    """One input: its name, its axes (a name for one that is left open), and its dtype.

    `ids` is the number of values that an int64 input can have. A mask is int64 here, 1 at real tokens.
    """

    name: str
    axes: tuple[int | str, ...]
    dtype: str
    ids: int = 0
    is_mask: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs in the order of the model's own call, in which a state stands after the `n_first` first ones.

    None among the arguments: what the model could be given there is left out.
    """

    n_first: int
    arguments: tuple[Argument | None, ...]
    outputs: tuple[str, ...]
    longest: int | None

    @property
    def open(self) -> tuple[str, ...]:
        """The axes that are left open."""
        axes = (axis for argument in self.inputs for axis in argument.axes if isinstance(axis, str))
        return tuple(dict.fromkeys(axes))

    @property
    def inputs(self) -> tuple[Argument, ...]:
        """The inputs."""
        return tuple(argument for argument in self.arguments if argument is not None)

    def described(self) -> Iterator[str]:
        """A line for the inputs, and one for the outputs."""
        each = (f"{a.name} {a.dtype} [{', '.join(map(str, a.axes))}]" for a in self.inputs)
        yield f"inputs   {', '.join(each)}"
        yield f"outputs  {', '.join(self.outputs)}"


def signature(plan: Plan) -> Signature:
    """The signature of a plan's program."""
    padded = _padded(plan)
    first: list[Argument | None] = []
    masks: list[Argument | None] = []
    rest: list[Argument | None] = []
    for index, stream in enumerate(plan.streams):
        before = _prefix(plan, index)
        length = f"{before}length"
        head, *besides = [_argument(plan, stream, each, before, length) for each in stream.inputs]
        first.append(head)
        rest += besides
        masked = padded and length in head.axes
        mask = Argument(f"{before}attention_mask", ("batch", length), "int64", is_mask=True)
        masks.append(mask if masked else None)
    return Signature(len(first), (*first, *masks, *rest), _outputs(plan), _longest(plan))


def _prefix(plan: Plan, index: int) -> str:
    if len(plan.streams) <= 2:
        return "decoder_" if index else ""
    return f"{plan.streams[index].name}_"


def _argument(plan: Plan, stream: PlannedStream, given: Any, before: str, length: str) -> Argument:
    axes = tuple({"B": "batch", "T": length}.get(size, size) for size in given.shape)
    embedding: Any = stream.stages[0].component
    ids = {"tokens": plan.sizes.vocab_size, "types": getattr(embedding, "n_types", None)}.get(given.name)
    return Argument(before + NAMES.get(given.name, given.name), axes, given.dtype, ids or 1)


def _outputs(plan: Plan) -> tuple[str, ...]:
    heads = [stage for stage in plan.streams[-1].stages if stage.role == "head"]
    if heads and heads[0].name:
        return tuple(stage.name for stage in heads)
    component: Any = heads[0].component if heads else None
    return (OUTPUTS.get(getattr(component, "gives", "hidden states"), "output"),)


def _padded(plan: Plan) -> bool:
    kinds = dict.fromkeys(layer.type for layer in plan.layers)
    return all("padded" in branch.mixer.capabilities() for kind in kinds for branch in kind.branches)


def _longest(plan: Plan) -> int | None:
    """The longest sequence, where a table of positions ends."""
    found = [getattr(stage.component, "max_len", None) for stage in plan.stages]
    return min((length for length in found if length is not None), default=None)
