"""Where a coder comes from: a folder, a file, a recipe, or a name that needs no training."""

from __future__ import annotations

from pathlib import Path

from blocks import BuildError, Coder, Registry, load, open_tokenizer
from blocks.diagnostics import UsageError
from blocks.expressions import ExpressionError, evaluate
from blocks.published import locate

SOURCE = (
    "a build folder, a run, a tokenizer's folder or file, a recipe whose tokenizer needs no training, or byte"
)


def coder_from(source: str, registry: Registry) -> Coder:
    """The coder of a SOURCE. Raises BlocksError."""
    path = Path(source)
    if path.is_dir() or (path.is_file() and path.suffix in (".json", ".model")):
        return open_tokenizer(path, registry=registry)
    if not path.exists() and declared(source, registry):
        tokenizer = registry.find("tokenizer", source).load()().named(source)
        made: Coder = tokenizer.open(None)
        return made
    plan = load(locate(source)).plan(registry=registry)
    if plan.tokenizer is None:
        raise BuildError.of(
            "B1201", f"{plan.name} names no tokenizer", help="tokenizer: byte, or another one"
        )
    return plan.tokenizer.open(None)


def declared(name: str, registry: Registry) -> bool:
    """Whether a tokenizer has that name and no option that has to be given."""
    entries = {entry.name: entry for entry in registry.of_kind("tokenizer")}
    if name not in entries:
        return False
    fields = registry.find("tokenizer", name).load().model_fields.values()
    return not any(field.is_required() for field in fields)


def count(text: str, option: str) -> int:
    """A positive whole number such as 512 or 32k. Raises UsageError."""
    try:
        value = evaluate(text, {})
    except ExpressionError:
        value = 0
    if not isinstance(value, int) or value < 1:
        raise UsageError.of(
            "B0805", f"{option} {text!r} is not a positive whole number", help="such as 512 or 32k"
        )
    return value
