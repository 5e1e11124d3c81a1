"""What transformers' tools want to know of a plan: what kind of model it is, and its sizes. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blocks import Component, Plan, load

if TYPE_CHECKING:
    from blocks.planned import PlannedStage, PlannedStream

CLASSES = {
    "causal": "BlocksForCausalLM",
    "seq2seq": "BlocksForSeq2SeqLM",
    "masked": "BlocksForMaskedLM",
    "images": "BlocksForImageClassification",
    "sequences": "BlocksForSequenceClassification",
    "states": "BlocksModel",
}
"""Kind of a model -> its class. One with several heads is what comes first here."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What kind of model a recipe makes.

    kind    one of CLASSES
    head    the stage of the head that says so; None: the hidden states are the output
    pooler  the stage of a head that gives one vector a sequence besides
    """

    plan: Plan
    kind: str
    head: PlannedStage | None
    pooler: PlannedStage | None

    @property
    def streams(self) -> tuple[PlannedStream, ...]:
        """One, or that of an encoder and that of a decoder."""
        return self.plan.streams

    @property
    def main(self) -> str:
        """The name of what it reads first: tokens or pixels."""
        return self.streams[0].inputs[0].name

    @property
    def typed(self) -> tuple[bool, ...]:
        """Whether each stream takes token types."""
        return tuple(any(each.name == "types" for each in stream.inputs) for stream in self.streams)

    @property
    def remembers(self) -> bool:
        """Whether it can go on from a state."""
        types = dict.fromkeys(layer.type for stage in self.streams[-1].stages for layer in stage.layers)
        return all("cached" in branch.mixer.capabilities() for kind in types for branch in kind.branches)

    def __deepcopy__(self, memo: Any) -> Facts:
        return self


def facts_of(recipe: str) -> Facts:
    """What the text of a recipe is to transformers. Raises RecipeError; ValueError for what its calls cannot say."""
    plan = load(recipe).plan()
    if len(plan.streams) > 2:
        names = ", ".join(stream.name for stream in plan.streams)
        raise ValueError(
            f"{plan.name} has the streams {names}, and transformers calls a model with one, or with two of tokens"
        )
    for stream in plan.streams:
        known = ("tokens", "types", "pixels") if len(plan.streams) == 1 else ("tokens", "types")
        odd = next((each for each in stream.inputs if each.name not in known), None)
        if odd is not None:
            raise ValueError(f"{plan.name} reads {odd.name}, for which transformers' calls have no word")
    heads = reversed(plan.head_paths.values())
    kinds = {_kind(plan, stage): stage for stage in heads}  # the first of a kind stays
    kind = next((name for name in CLASSES if name in kinds), "states")
    return Facts(plan, kind, kinds.get(kind) if kind != "states" else None, kinds.get("pooled"))


def _kind(plan: Plan, stage: PlannedStage) -> str:
    """What a head makes of a model, by the shape of its output."""
    head = _head(stage)
    shape = head.shape()
    if len(shape) == 3:
        if shape[-1] == "d_model":
            return "states"
        if "causal" not in head.requires:
            return "masked"
        return "causal" if len(plan.streams) == 1 else "seq2seq"
    if shape[-1] == "d_model":
        return "pooled"
    return "images" if plan.streams[0].inputs[0].name == "pixels" else "sequences"


def sizes_of(facts: Facts) -> dict[str, Any]:
    """The fields of a BlocksConfig that follow from a plan; None where a model has no such thing."""
    plan = facts.plan
    mixers = [branch.mixer for layer in plan.layers for branch in layer.type.branches]
    embedding: Any = facts.streams[0].stages[0].component
    found = {
        "vocab_size": plan.sizes.vocab_size,
        "hidden_size": facts.streams[-1].stages[-1].width,
        "num_hidden_layers": len(plan.layers),
        "num_attention_heads": _first(mixers, "n_heads"),
        "num_key_value_heads": _first(mixers, "n_kv_heads"),
        "head_dim": _first(mixers, "head_dim"),
        "intermediate_size": _first(mixers, "d_ff"),
        "max_position_embeddings": _first(_components(plan), "max_len"),
        "is_encoder_decoder": len(plan.streams) == 2,
        "tie_word_embeddings": facts.head is not None and bool(_head(facts.head).ties()),
        "architectures": [CLASSES[facts.kind]],
    }
    if facts.kind in ("images", "sequences"):
        found["num_labels"] = _head(facts.head).shape()[-1]
    if facts.main == "pixels":
        _, channels, height, width = facts.streams[0].inputs[0].shape
        found |= {"num_channels": channels, "image_size": height if height == width else [height, width]}
        found |= {"patch_size": getattr(embedding, "patch_size", None)}
    return found


def _head(stage: PlannedStage | None) -> Any:
    assert stage is not None
    return stage.component


def _first(components: list[Any], option: str) -> Any:
    return next(
        (getattr(each, option) for each in components if getattr(each, option, None) is not None), None
    )


def _components(plan: Plan) -> list[Component]:
    return [part for component in _top(plan) for part in (component, *_inside(component))]


def _top(plan: Plan) -> Iterator[Component]:
    for stage in plan.stages:
        if stage.component is not None:
            yield stage.component
    for kind in dict.fromkeys(layer.type for layer in plan.layers):
        yield from (component for component, _ in kind.components())


def _inside(component: Component) -> Iterator[Component]:
    yield from (value for _, value in component if isinstance(value, Component))
