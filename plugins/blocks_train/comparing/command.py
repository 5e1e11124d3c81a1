"""`blocks compare`: which of several architectures learns most from the same tokens."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from blocks import UsageError
from blocks.command import Command
from blocks.diagnostics import Diagnostic, Problems
from blocks_train.loop.command import count
from blocks_train.options import add_data, add_place

MATCH = "match"


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "recipes",
        nargs="+",
        metavar="R",
        help="recipe files, or names of published architectures; two or more",
    )
    add_data(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="folder of the comparison, with a run for each recipe",
    )
    parser.add_argument(
        "--parameters", metavar="N|match",
        help="scale d_model of each recipe until it has so many parameters, or as many as the first one",
    )  # fmt: skip
    parser.add_argument("--steps", metavar="N", help="optimizer steps of each: train.steps")
    parser.add_argument("--tokens", metavar="N", help="in place of steps: tokens that each is trained on")
    parser.add_argument("--seed", metavar="S", help="of weights, order of the data and dropout: train.seed")
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE",
        help="change every recipe, such as tokenizer=char or train.batch=12; repeatable",
    )  # fmt: skip
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(args: Namespace) -> int:
    """Train and measure each; 0 when all are done, 130 or 143 when a signal ended it. Raises BlocksError."""
    _check(args)
    from blocks_train.comparing.compare import compare

    return compare(args)


def _check(args: Namespace) -> None:
    """Turn numbers into what they are. Raises UsageError with everything that is wrong with the arguments."""
    problems = Problems()

    def wrong(message: str, help: str) -> None:
        problems.extend([Diagnostic("B0805", message, help=help)])

    if len(args.recipes) < 2:
        wrong("one recipe is compared with nothing", "name two or more, or `blocks train` for one")
    if not args.data:
        wrong("nothing says what to learn from", "--data texts/*.txt")
    if args.output is None:
        wrong("nothing says where to", "-o DIR, a folder with a run for each recipe")
    if args.steps is not None and args.tokens is not None:
        wrong("steps and tokens are two measures of the same", "leave one of them out")
    for name, least in (("steps", 1), ("tokens", 1), ("seed", 0), ("parameters", 1)):
        text = getattr(args, name)
        if text is None or (name == "parameters" and text == MATCH):
            continue
        try:
            setattr(args, name, count(text, f"--{name}", least))
        except UsageError as error:
            problems.extend(error.diagnostics)
    problems.raise_if_any(UsageError)


COMMAND = Command(
    "Train several recipes on the same batches, and put what came of it side by side: a table, a plot, and the folder "
    "of each run. The same command once more goes on where it was interrupted, and leaves what is done alone.",
    "blocks compare gpt.yaml lstm.yaml --data shakespeare.txt --parameters match -o compared\n"
    "blocks compare gpt.yaml lstm.yaml mamba2.yaml --data texts/*.txt --parameters 800k --tokens 1.5M -o compared\n"
    "blocks compare gpt.yaml lstm.yaml --data shakespeare.txt --set tokenizer=char --steps 2000 -o compared --json",
    configure,
    run,
)
