"""What is compared: each recipe, what it is trained with, and whether all of them learn from the same."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from blocks import BlocksError, Coder, Plan, RecipeError
from blocks.canonical import training_tree
from blocks.diagnostics import Diagnostic, Problems
from blocks_train.comparing.command import MATCH
from blocks_train.comparing.sizing import NEAR, is_near, nearest_width
from blocks_train.evaluation.measure import complaints
from blocks_train.loop.request import STAND_IN, Request, request

SHARED = ("objective", "steps", "batch", "context", "packing", "carry", "validation", "seed")
"""Keys of `train:` that decide which tokens a model sees in which order, and how often."""


@dataclass(frozen=True)
class Entry:
    """A recipe in the comparison. `note` says how it was scaled; `target` are the parameters that it should have."""

    name: str
    made: Request
    plan: Plan
    target: int | None = None
    note: str = ""


def entries(args: Namespace) -> list[Entry]:
    """The recipes, planned, with a vocabulary of some size where that is open. Raises BlocksError with all problems."""
    problems = _Problems()
    found: list[Entry] = []
    for source in args.recipes:
        try:
            made = request(_of(args, source), None)
            size = _vocabulary(made, STAND_IN)
            plan = made.plan(*size)
            if args.tokens is not None:
                made = replace(made, settings=(*made.settings, f"train.steps={_steps(plan, args.tokens)}"))
                plan = made.plan(*size)
            plan.train  # noqa: B018  (defaults that do not fit are found here)
        except BlocksError as error:
            problems.take(error)
        else:
            found.append(Entry(plan.name, made, plan))
    problems.extend(_repeated(args.recipes, found))
    for entry in found:
        problems.extend(complaints(entry.plan))
    if found:
        problems.extend(_unlike(found))
    problems.raise_if_any(RecipeError)
    return found


def scaled(found: Sequence[Entry], wanted: int | str | None, coder: Coder) -> list[Entry]:
    """The recipes at so many parameters, or at those of the first. Raises RecipeError where one cannot have them."""
    problems = Problems()
    sized = [
        replace(entry, plan=entry.made.plan(*_vocabulary(entry.made, coder.vocab_size))) for entry in found
    ]
    for entry in sized:
        size = entry.plan.sizes.vocab_size
        if size is not None and size < coder.vocab_size:
            message = f"the text has {coder.vocab_size:,} ids and {entry.name} a vocabulary of {size:,}"
            problems.extend([Diagnostic("B1603", message, help="leave out vocab_size")])
    problems.raise_if_any(RecipeError)
    if wanted is None:
        return sized
    target = sized[0].plan.parameters if wanted == MATCH else int(wanted)
    after: list[Entry] = []
    for entry in sized:
        try:
            after.append(_scaled(entry, target, coder))
        except RecipeError as error:
            problems.extend(error.diagnostics)
    problems.raise_if_any(RecipeError)
    return after


def _scaled(entry: Entry, target: int, coder: Coder) -> Entry:
    """The recipe at another d_model, and another depth where that is not enough.

    Raises RecipeError where neither gives near enough to so many parameters.
    """
    made, plan = entry.made, entry.plan
    size = _vocabulary(made, coder.vocab_size)
    reasons: list[str] = []
    best: tuple[int, tuple[str, ...]] | None = None
    for depth in _depths(plan):

        def count(width: int, depth: tuple[str, ...] = depth) -> int | None:
            try:
                return made.plan(*size, *depth, f"d_model={width}").parameters
            except RecipeError as error:
                reasons.append(f"d_model={width}: {error.diagnostics[0].message}")
                return None

        found = nearest_width(count, plan.sizes.d_model, target)
        if found is not None and (best is None or abs(found[1] - target) < abs(best[0] - target)):
            width, parameters = found
            best = parameters, (*depth, *([f"d_model={width}"] if width != plan.sizes.d_model else []))
        if best is not None and is_near(best[0], target):
            break
    if best is None or not is_near(best[0], target):
        raise _unreachable(entry, target, best, reasons)
    parameters, changes = best
    if not changes:
        return replace(entry, target=target)
    note = f"{_changed(plan, changes)}, {plan.parameters:,} -> {parameters:,} parameters"
    made = replace(made, settings=(*made.settings, *changes))
    return replace(entry, made=made, plan=made.plan(*size), target=target, note=note)


def _depths(plan: Plan) -> Iterator[tuple[str, ...]]:
    """The recipe's own depth; where it has one in words, those from half of it to twice, the nearest first."""
    yield ()
    depth = plan.sizes.depth
    if depth is None:
        return
    for distance in range(1, depth + 1):
        for other in (depth - distance, depth + distance):
            if 2 * other >= depth:
                yield (f"depth={other}",)


def _changed(plan: Plan, changes: Sequence[str]) -> str:
    """`depth 13 -> 11, d_model 128 -> 112`."""
    said = []
    for change in changes:
        name, _, value = change.partition("=")
        said.append(f"{name} {getattr(plan.sizes, name)} -> {value}")
    return ", ".join(said)


def _unreachable(
    entry: Entry, target: int, best: tuple[int, tuple[str, ...]] | None, reasons: Sequence[str]
) -> RecipeError:
    said = f"{entry.name} cannot have {target:,} parameters within {NEAR:.0%} by its d_model or depth alone"
    if best is not None:
        said += f": {best[0]:,} are the nearest"
        said += f", with {' and '.join(best[1])}" if best[1] else ""
    why = f"; {reasons[0]}" if reasons else ""
    return RecipeError.of(
        "B1604", f"{said}{why}", help="sizes that follow d_model, such as d_ff: 4 * d_model"
    )


def _of(args: Namespace, source: str) -> Namespace:
    """The arguments of `blocks train` for one of the recipes."""
    more = [
        f"train.{name}={value}" for name in ("steps", "seed") if (value := getattr(args, name)) is not None
    ]
    known = vars(args) | {
        "recipe": source, "sentence": None, "set": [*args.set, *more], "keep": 1, "tensorboard": False,
    }  # fmt: skip
    return Namespace(**known)


def _steps(plan: Plan, tokens: int) -> int:
    """Steps that train on so many tokens, or on the rows of a step less. Raises RecipeError for less than one."""
    training = plan.train
    steps = tokens // (training.batch * training.context)
    if not steps:
        raise RecipeError.of(
            "B0805",
            f"--tokens {tokens:,} is less than a step of {plan.name}, {training.batch} x {training.context} tokens",
            help=f"--tokens {training.batch * training.context}, or more",
        )
    return steps


def _vocabulary(made: Request, size: int) -> list[str]:
    return [f"vocab_size={size}"] if made.recipe().vocab_size is None else []


def _repeated(sources: Sequence[str], found: Sequence[Entry]) -> Iterator[Diagnostic]:
    names = [entry.name for entry in found]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        message = f"{names.count(name)} recipes are called {name!r}, which is the name of a run"
        yield Diagnostic("B1602", message, help="another `recipe:` in each file")


def _unlike(found: Sequence[Entry]) -> Iterator[Diagnostic]:
    """In what they would not learn from the same."""
    first = found[0]
    trees = [training_tree(entry.plan.train) for entry in found]
    for key in SHARED:
        values = [tree[key] for tree in trees]
        for entry, value in zip(found[1:], values[1:], strict=True):
            if value != values[0]:
                message = (
                    f"train.{key} is {_shown(values[0])} in {first.name} and {_shown(value)} in {entry.name}"
                )
                yield Diagnostic(
                    "B1601", message, help=f"--set train.{key}={_shown(values[0])} for all of them"
                )
                break
    if not first.plan.train.validation and all(not tree["validation"] for tree in trees):
        message = "train.validation is 0, so nothing is kept to compare by"
        yield Diagnostic("B1605", message, help="--set train.validation=0.1")
    for entry in found[1:]:
        if _differ(first.plan, entry.plan):
            message = f"{first.name} reads {_tokenizer(first.plan)} and {entry.name} {_tokenizer(entry.plan)}"
            yield Diagnostic("B1603", message, help="--set tokenizer=char, or another one for all of them")


def _differ(a: Plan, b: Plan) -> bool:
    """Whether two plans read a text as other ids; a vocabulary that is still open is what the tokenizer makes it."""
    assert a.tokenizer is not None
    assert b.tokenizer is not None
    sizes = {a.sizes.vocab_size, b.sizes.vocab_size} - {STAND_IN}
    same = a.tokenizer.name == b.tokenizer.name and a.tokenizer.model_dump() == b.tokenizer.model_dump()
    return not same or len(sizes) > 1


def _tokenizer(plan: Plan) -> str:
    """The tokenizer with the options that are set, and the size of its vocabulary where it is said."""
    assert plan.tokenizer is not None
    set = plan.tokenizer.model_dump(exclude_unset=True)
    options = f" ({', '.join(f'{name}: {value}' for name, value in set.items())})" if set else ""
    size = plan.sizes.vocab_size
    return f"{plan.tokenizer.name}{options}" + (f" of {size:,} ids" if size and size != STAND_IN else "")


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Problems(Problems):
    """Problems of several files, each with its text."""

    def take(self, error: BlocksError) -> None:
        """Take over an error with the texts that it is about."""
        self.others.update(error.sources)
        self.extend(error.diagnostics)


def run_of(folder: Path, entry: Entry) -> Path:
    """The folder of its run."""
    return folder / entry.name
