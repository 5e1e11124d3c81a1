"""`blocks tokenizer train`: a vocabulary from texts."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from blocks import BuildError, Coder, Tokenizer, UsageError, load
from blocks.command import Command
from blocks.diagnostics import RecipeError
from blocks.published import locate
from blocks.tokenizer import has_files
from blocks.values import MAX_SIZE
from blocks_tokenizers.commands.source import count, declared
from blocks_tokenizers.texts import Texts


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "what",
        metavar="NAME_OR_RECIPE",
        help="bpe, unigram, wordpiece, word or char; or a recipe that names one",
    )
    parser.add_argument(
        "--data", required=True, nargs="+", type=Path, metavar="F", help="text files, or .jsonl; .gz too"
    )
    parser.add_argument(
        "--field", default="text", metavar="NAME", help="of a JSONL record, that holds the text (text)"
    )
    parser.add_argument(
        "--vocab-size", metavar="N", help="number of ids, special tokens included; default: the recipe's"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="OPTION=VALUE",
        help="an option of the tokenizer, such as lowercase=true or eos=<end>; of a recipe, a path; repeatable",
    )  # fmt: skip
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="folder to write")
    parser.add_argument("--force", action="store_true", help="replace the tokenizer that is in the folder")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(args: Namespace) -> int:
    """Train, write the folder, and say what came of it."""
    tokenizer, named = _tokenizer(args)
    texts = Texts(args.data, args.field)
    check_folder(args.output, force=args.force)
    with showing() as step:
        coder = tokenizer.train(texts, step=step)
        step("write the folder")
        write_files(coder, args.output)
    said = {
        "tokenizer": tokenizer.name,
        "vocab_size": coder.vocab_size,
        "roles": dict(coder.roles),
        "digest": coder.digest,
        "folder": str(args.output),
    }
    if args.json:
        print(json.dumps(said, indent=2, ensure_ascii=False))
        return 0
    files = f"{len(args.data):,} {'file' if len(args.data) == 1 else 'files'}"
    print(f"{tokenizer.name}: {coder.vocab_size:,} ids from {files}")
    asked = tokenizer.vocab_size or named
    if asked is not None and coder.vocab_size < asked:
        print(f"asked    {asked:,} ids: the text has no more that are frequent enough")
    roles = ", ".join(f"{role} {coder.piece(id)} ({id})" for role, id in coder.roles.items())
    print(f"special  {roles or 'none'}")
    print(f"digest   {coder.digest}")
    print(f"written  {args.output / 'tokenizer.json'}")
    print(f"recipe   tokenizer: {{file: {{path: {args.output.name}}}}}")
    return 0


def _tokenizer(args: Namespace) -> tuple[Tokenizer, int | None]:
    """What is to be trained, bound to its number of ids, and that number where it is said. Raises BlocksError."""
    size = count(args.vocab_size, "--vocab-size") if args.vocab_size is not None else None
    if not Path(args.what).exists() and declared(args.what, args.registry):
        cls = args.registry.find("tokenizer", args.what).load()
        if size is None and getattr(cls, "needs_size", True) and cls.needs_training:
            own = any(text.partition("=")[0] == "size" for text in args.set)
            if not own:
                raise UsageError.of(
                    "B0805", f"{args.what} is trained up to a number of ids", help="add --vocab-size 4k"
                )
        text = (
            f"recipe: tokenizer\nd_model: 1\nvocab_size: {size or MAX_SIZE}\n"
            f"tokenizer: {{{args.what}: {{}}}}\nmodel: [{{embed: tokens}}]\n"
        )
        changed = [f"tokenizer.{args.what}.{setting}" for setting in args.set]
        plan = load(text, set=changed, origin="--set").plan(registry=args.registry)
        said = size
    else:
        changed = [*args.set, *([f"vocab_size={size}"] if size is not None else [])]
        plan = load(locate(args.what), set=changed, origin="--set").plan(registry=args.registry)
        said = plan.sizes.vocab_size
    if plan.tokenizer is None:
        raise RecipeError.of(
            "B1201", f"{plan.name} names no tokenizer", help="tokenizer: bpe, or another one"
        )
    if not plan.tokenizer.needs_training:
        raise UsageError.of(
            "B0805",
            f"{plan.tokenizer.name} needs no training",
            help="bpe, unigram, wordpiece, word and char do",
        )
    return plan.tokenizer, said


def check_folder(target: Path, *, force: bool) -> None:
    """Raise BuildError where something is in the way that is not to be replaced."""
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists() and not (
        target.is_dir() and has_files(target) and not (target / "manifest.json").exists()
    ):
        raise BuildError.of(
            "B0803", f"{target} exists and is not a tokenizer's folder", help="choose another folder with -o"
        )
    if target.exists() and not force:
        raise BuildError.of("B0803", f"{target} exists", help="choose another folder with -o, or add --force")


def write_files(coder: Coder, target: Path) -> None:
    """Write a tokenizer's files beside the folder, then put each in its place at once."""
    target.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        coder.save(Path(folder))
        for file in sorted(Path(folder).iterdir()):
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
            file.replace(target / file.name)


@contextmanager
def showing() -> Iterator[Callable[[str], None]]:
    """A line on stderr with what is being done and for how long; nothing where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda name: bar.update(task, description=name)


ACTION = Command(
    "Train a tokenizer on texts: the same texts always give the same one.",
    "blocks tokenizer train bpe --data text.txt --vocab-size 4k -o words\n"
    "blocks tokenizer train wordpiece --data a.txt b.jsonl --vocab-size 8k --set lowercase=true -o words",
    configure,
    run,
)
