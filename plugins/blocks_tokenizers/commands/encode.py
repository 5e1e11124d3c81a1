"""`blocks tokenizer encode`: a text as ids."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from blocks import BuildError, UsageError
from blocks.command import Command
from blocks_tokenizers.bytewise import no_text
from blocks_tokenizers.commands.source import SOURCE, coder_from
from blocks_tokenizers.marking import visible
from blocks_tokenizers.texts import Texts


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("source", metavar="SOURCE", help=SOURCE)
    parser.add_argument("text", nargs="?", metavar="TEXT", help="what to encode; default: standard input")
    parser.add_argument("--file", type=Path, metavar="F", help="a text file to encode")
    parser.add_argument("--pieces", action="store_true", help="a line for each id, with its piece")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(args: Namespace) -> int:
    """Print the ids."""
    if args.text is not None and args.file is not None:
        raise UsageError.of("B0805", "TEXT and --file are two texts", help="keep one of them")
    coder = coder_from(args.source, args.registry)
    ids = coder.encode(_text(args))
    if args.json:
        pieces = [coder.piece(id) for id in ids]
        print(json.dumps({"ids": ids, "pieces": pieces, "digest": coder.digest}, ensure_ascii=False))
    elif args.pieces:
        for id in ids:
            print(f"{id:>7}  {visible(coder.piece(id))}")
    else:
        print(*ids)
    return 0


def _text(args: Namespace) -> str:
    if args.file is not None:
        return "".join(Texts([args.file]))
    try:
        text: str = args.text if args.text is not None else sys.stdin.read()
        text.encode()
    except UnicodeDecodeError as error:
        raise BuildError.of(
            "B1207", f"standard input is not UTF-8: {error.reason}", help="give it as UTF-8"
        ) from None
    except UnicodeEncodeError:
        raise no_text(text) from None
    return text


ACTION = Command(
    "Print a text as ids.",
    "blocks tokenizer encode byte 'All human beings are born free.'\n"
    "blocks tokenizer encode words --file text.txt --json",
    configure,
    run,
)
