"""`blocks generate`: a model continues texts, and they appear as they are written."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from blocks import BuildError, Diagnostic, UsageError, find_build, from_pretrained, open_tokenizer
from blocks.command import Command
from blocks.expressions import ExpressionError, evaluate
from blocks_generate.asked import prompts_of
from blocks_generate.beside import options_beside
from blocks_generate.options import Options
from blocks_generate.pieces import Piece, complete
from blocks_generate.printer import Printer
from blocks_generate.progress import progress, status, watched

NUMBERS: dict[str, tuple[type, str, str]] = {
    "max_new_tokens": (int, "N", "tokens that a text grows by at most (128)"),
    "temperature": (float, "T", "0 takes the likeliest token, 1 draws as the model says (1)"),
    "top_k": (int, "K", "draw among the K likeliest tokens"),
    "top_p": (float, "P", "draw among the likeliest tokens that hold a share P of the probability"),
    "min_p": (float, "P", "leave out tokens below P times the probability of the likeliest"),
    "repetition_penalty": (float, "R", "divide the logits of tokens that the text has already (1)"),
    "beams": (int, "K", "search for the likeliest text with K beams, and draw nothing"),
    "length_penalty": (float, "A", "of beam search: longer texts are preferred as A grows (0.6)"),
    "samples": (int, "N", "texts a prompt (1); with --beams the best N"),
    "seed": (int, "S", "of what is drawn (0)"),
    "batch": (int, "N", "texts that are computed at once (16)"),
    "chunk": (int, "N", "tokens of a prompt that are read at once (512)"),
    "start": (int, "ID", "token that the output of an encoder-decoder begins with"),
}
"""Option -> type, metavar and help."""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "build", type=Path, metavar="BUILD", help="a build folder, a run, or a Hugging Face checkpoint"
    )
    parser.add_argument(
        "--prompt",
        nargs="+",
        action="extend",
        default=[],
        metavar="TEXT",
        help="texts to continue; repeatable",
    )
    parser.add_argument(
        "--file", type=Path, metavar="F",
        help="a text to continue, or .jsonl: the `prompt` of each line; without either, what comes on stdin",
    )  # fmt: skip
    parser.add_argument("--lines", action="store_true", help="each line of the file or of stdin is a prompt")
    for name, (_, metavar, help) in NUMBERS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", dest=name, metavar=metavar, help=help)
    parser.add_argument(
        "--stop",
        nargs="+",
        action="extend",
        default=[],
        metavar="STR",
        help="strings that end a text; not shown",
    )
    parser.add_argument("--ignore-eos", action="store_true", help="go on where the model would end a text")
    parser.add_argument(
        "--slide", action="store_true",
        help="where learned positions run out, go on with the last half of them, read anew",
    )  # fmt: skip
    parser.add_argument(
        "--compile", action="store_true", help="decode in one compiled graph: slow to start, then faster"
    )
    parser.add_argument("--echo", action="store_true", help="show each prompt before its text")
    parser.add_argument("--device", default="cpu", help="where to compute (cpu)")
    parser.add_argument("--dtype", metavar="NAME", help="of the weights; default: as they are")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(args: Namespace) -> int:
    """Read the prompts, load the model, and print what it writes."""
    options = _options(args)
    prompts = prompts_of(args.prompt, args.file, lines=args.lines)
    if not args.build.exists():
        raise BuildError.of("B0801", f"there is no folder {args.build}", help="blocks build RECIPE -o DIR")
    with status(f"load {args.build}"):
        coder = open_tokenizer(args.build, registry=args.registry)
        is_run = (args.build / "checkpoints").is_dir()
        beside = options_beside(find_build(args.build).folder if is_run else args.build, coder.roles)
        model = from_pretrained(args.build, device=args.device, dtype=args.dtype, registry=args.registry)
        from blocks_generate.iterator import generate

        pieces = generate(model, coder, prompts, registry=args.registry, **(beside | options))
    n_texts = len(prompts) * options.get("samples", 1)
    if args.json:
        with progress(n_texts) as done:
            found = [*watched(pieces, done)]
        print(json.dumps(_as_json(found, prompts), indent=2, ensure_ascii=False))
        return 0
    printer = Printer(sys.stdout, prompts, options.get("samples", 1), echo=args.echo, color=args.color)
    with nullcontext(lambda piece: None) if sys.stdout.isatty() else progress(n_texts) as done:
        try:
            for piece in watched(pieces, done):
                printer.add(piece)
        finally:
            printer.close()
    return 0


def _options(args: Namespace) -> dict[str, Any]:
    """The options that were given. Raises UsageError with everything that is wrong with them."""
    found: dict[str, Any] = {"stop": tuple(args.stop), "slide": args.slide, "compile": args.compile}
    problems: list[Diagnostic] = []
    for name, (kind, _, _) in NUMBERS.items():
        text = getattr(args, name)
        if text is None:
            continue
        try:
            found[name] = _whole(text) if kind is int else float(text)
        except (ExpressionError, ValueError):
            what = "a whole number" if kind is int else "a number"
            option = f"--{name.replace('_', '-')}"
            problems.append(Diagnostic("B0805", f"{option} {text!r} is not {what}", help="such as 4"))
    if args.ignore_eos:
        found["eos"] = ()
    try:
        Options(**found).check()
    except UsageError as error:
        problems += error.diagnostics
    if problems:
        raise UsageError(problems)
    return found


def _whole(text: str) -> int:
    """A whole number, in the notation of recipes: 512, 32k."""
    value = evaluate(text, {})
    if not isinstance(value, int):
        raise ValueError(text)
    return value


def _as_json(pieces: Sequence[Piece], prompts: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "prompt": prompts[each.prompt],
            "sample": each.sample,
            "text": each.text,
            "tokens": list(each.tokens),
            "reason": each.reason,
            "score": each.score,
        }
        for each in complete(pieces)
    ]


COMMAND = Command(
    "Continue texts with a model: greedy, drawn, or searched for with beams.",
    'blocks generate model --prompt "To be, or" --max-new-tokens 100 --temperature 0.8 --top-p 0.9\n'
    'blocks generate model --prompt "To be, or" Once --beams 4 --json\n'
    "blocks generate model --file prompts.txt --lines --samples 3 --seed 1",
    configure,
    run,
)
