"""Which mixers to try: one by its name, in a recipe of one block, or all of a plan. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blocks import BlocksError, Mixer, Plan, Registry, load
from blocks.yaml_text import scalar

WIDTHS = (64, 128, 256, 512, 1024)
NO_MEMORY = "B0350"


@dataclass(frozen=True, slots=True)
class Trial:
    """One mixer to try: bound, with the width of its input and the names of the blocks that have it."""

    mixer: Mixer
    width: int
    blocks: tuple[str, ...] = ()


def of_name(
    name: str,
    settings: Sequence[str] = (),
    *,
    width: int | None = None,
    memory: bool = False,
    registry: Registry | None = None,
) -> Trial:
    """The mixer of a name, or of `distribution:name`, with options such as `n_heads=4`, as --set takes them.

    `width` None: the least of WIDTHS that its options fit. With `memory`, and where it cannot do without, it reads one
    as wide as the stream. Raises BlocksError.
    """
    block = name.rpartition(":")[2]
    changes = [f"blocks.{block}.{setting}" for setting in settings]

    def plan(width: int, memory: bool) -> Plan:
        text = _text(name, block, width, memory)
        try:
            return load(text, set=changes, origin="--set").plan(registry=registry)
        except BlocksError as error:
            if memory or NO_MEMORY not in {found.code for found in error.diagnostics}:
                raise
        return plan(width, memory=True)

    first: BlocksError | None = None
    for tried in WIDTHS if width is None else (width,):
        try:
            (trial,) = of_plan(plan(tried, memory))
            return Trial(trial.mixer, trial.width)
        except BlocksError as error:
            first = first or error
    assert first is not None
    raise first


def _text(name: str, block: str, width: int, memory: bool) -> str:
    """A recipe of one block."""
    reads = ", memory: memory" if memory else ""
    indent = "    " if memory else "  "
    return "\n".join(
        (
            f"recipe: {scalar(block)}",
            f"d_model: {width}",
            "blocks:",
            f"  {scalar(block)}: {{mixer: {scalar(name)}{reads}}}",
            "model:",
            *(["  memory:", "    - norm: rmsnorm", "  stream:"] if memory else []),
            f"{indent}- stack: {{layers: [{scalar(block)}], norm: none, residual: none}}",
            "",
        )
    )


def of_plan(plan: Plan) -> Iterator[Trial]:
    """The mixers of a plan, each once, and the blocks that have it."""
    found: list[tuple[Mixer, int, list[str]]] = []
    for kind in dict.fromkeys(layer.type for layer in plan.layers):
        used = [(branch.mixer, branch.entry or kind.name) for branch in kind.branches]
        if isinstance(kind.adapter, Mixer):
            used.append((kind.adapter, f"{kind.name}, adapter"))
        for mixer, block in used:
            same = [names for other, width, names in found if (other, width) == (mixer, kind.width)]
            if same:
                same[0].extend([block] * (block not in same[0]))
            else:
                found.append((mixer, kind.width, [block]))
    for mixer, width, names in found:
        yield Trial(mixer, width, tuple(names))
