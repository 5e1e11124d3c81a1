"""`blocks train`: a recipe learns from data, in a folder whose newest state is a build folder."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from blocks import BlocksError, UsageError
from blocks.command import Command
from blocks.expressions import ExpressionError, evaluate
from blocks_train.options import add_data, add_place

NUMBERS = {"steps": "train.steps", "save_every": "train.save_every", "seed": "train.seed"}
"""Option -> what of the recipe it sets."""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "recipe", nargs="?", metavar="R",
        help="a recipe file, or the name of a published architecture; with --resume, that of the run may be left out",
    )  # fmt: skip
    parser.add_argument(
        "--sentence", metavar="TEXT", help="in place of a recipe: what the model is, in words"
    )
    add_data(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder of the run (runs/NAME)")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the newest checkpoint of the folder"
    )
    parser.add_argument("--steps", metavar="N", help="optimizer steps in all: train.steps")
    parser.add_argument(
        "--save-every", metavar="N", help="steps from one checkpoint to the next: train.save_every"
    )
    parser.add_argument("--seed", metavar="S", help="of weights, order of the data and dropout: train.seed")
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE",
        help="change the recipe, such as train.batch=32, train.optimizer.adamw.lr=3e-4 or d_model=512; repeatable",
    )  # fmt: skip
    parser.add_argument("--keep", default="2", metavar="N", help="checkpoints that are kept, the newest (2)")
    parser.add_argument(
        "--shard", metavar="N",
        help="under torchrun: processes that share one copy of the weights; the others hold further copies (all)",
    )  # fmt: skip
    add_place(parser)
    parser.add_argument("--tensorboard", action="store_true", help="write metrics for TensorBoard as well")


def run(args: Namespace) -> int:
    """Train; 0 when all steps are done, 130 or 143 when a signal ended it and it was saved. Raises BlocksError."""
    try:
        _check(args)
    except BlocksError as error:
        if os.environ.get("RANK", "0") != "0":  # under torchrun the first process says it
            return error.exit_code
        raise
    from blocks_train.loop.train import train

    return train(args)


def _check(args: Namespace) -> None:
    """Read the options that are numbers, and raise UsageError where they do not go together."""
    args.set = [*args.set, *_numbers(args)]
    args.keep = count(args.keep, "--keep")
    args.shard = None if args.shard is None else count(args.shard, "--shard")
    if args.recipe is not None and args.sentence is not None:
        raise UsageError.of("B0805", "a recipe and a sentence are two models", help="leave one of them out")
    if args.recipe is None and args.sentence is None and not args.resume:
        raise UsageError.of(
            "B0805",
            "nothing says what to train",
            help='a recipe, or --sentence "Transformer, RoPE, 6 layers"',
        )
    if args.resume and args.output is None and args.recipe is None and args.sentence is None:
        raise UsageError.of("B0805", "nothing says which run to resume", help="-o DIR, its folder")
    if not args.data and not args.resume:
        raise UsageError.of("B0805", "nothing says what to learn from", help="--data texts/*.txt")


def _numbers(args: Namespace) -> list[str]:
    """Options that are parts of the `train:` section, as settings."""
    found = []
    for name, path in NUMBERS.items():
        text = getattr(args, name)
        if text is not None:
            option = f"--{name.replace('_', '-')}"
            found.append(f"{path}={count(text, option, 0 if name == 'seed' else 1)}")
    return found


def count(text: str, option: str, least: int = 1) -> int:
    """A whole number such as 512, 32k or 1M. Raises UsageError."""
    try:
        value = evaluate(text, {})
    except ExpressionError as error:
        help = error.help or "such as 512 or 32k"
        raise UsageError.of("B0805", f"{option} {text!r}: {error.message}", help=help) from None
    if not isinstance(value, int) or value < least:
        kind = "a positive whole number" if least else "a whole number, 0 or more"
        raise UsageError.of("B0805", f"{option} {text!r} is not {kind}", help="such as 512 or 32k")
    return value


COMMAND = Command(
    "Train a recipe on text. The folder of the run holds its newest checkpoints, each of them a build folder, and the "
    "metrics; one that was interrupted at any point goes on with --resume as if it had not been.",
    "blocks train hybrid-tiny --data shakespeare.txt -o runs/hybrid\n"
    "blocks train hybrid-tiny --data shakespeare.txt -o runs/hybrid --resume\n"
    "torchrun --nproc-per-node 2 --no-python blocks train hybrid-tiny --data shakespeare.txt -o runs/hybrid\n"
    'blocks train --sentence "8% attention, interleaved Mamba-2 and FFN, pre-norm, RoPE" --data shakespeare.txt',
    configure,
    run,
)
