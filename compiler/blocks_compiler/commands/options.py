"""Arguments that several commands share."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from blocks import Plan, UsageError, load
from blocks.expressions import ExpressionError, evaluate
from blocks.plan import MAX_PARAMS
from blocks.published import locate


def add_recipe(parser: ArgumentParser, *, many: bool = False, or_build: bool = False) -> None:
    """The recipe argument: a file, or the name of a published architecture; with --set and --max-params.

    `or_build`: or a folder that `blocks build` wrote.
    """
    text = "a recipe file, or the name of a published architecture (see `blocks recipes`)"
    if or_build:
        parser.add_argument("recipe", metavar="R_OR_BUILD", help=f"{text}, or a build folder")
    elif many:
        parser.add_argument("recipes", nargs="+", metavar="RECIPE", help=text)
    else:
        parser.add_argument("recipe", metavar="RECIPE", help=text)
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE",
        help="change the recipe, such as d_model=512, stack.depth=24, encoder.stack.depth=6 or blocks.ffn.d_ff=2k; "
        "repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--max-params", default=str(MAX_PARAMS), metavar="N", help="refuse more parameters (2T)"
    )


def add_json(parser: ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def plan_of(name: str, args: Namespace) -> Plan:
    """The plan of a recipe argument, changed by --set. Raises RecipeError."""
    recipe = load(locate(name), set=args.set, origin="--set")
    return recipe.plan(registry=args.registry, max_params=count(args.max_params, "--max-params"))


def count(text: str, option: str) -> int:
    """A positive whole number such as 512, 32k or 1M. Raises UsageError."""
    try:
        value = evaluate(text, {})
    except ExpressionError as error:
        help = error.help or "such as 512 or 32k"
        raise UsageError.of("B0805", f"{option} {text!r}: {error.message}", help=help) from None
    if not isinstance(value, int) or value < 1:
        raise UsageError.of(
            "B0805", f"{option} {text!r} is not a positive whole number", help="such as 512 or 32k"
        )
    return value
