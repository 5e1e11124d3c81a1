"""`blocks eval`: loss, perplexity and bits per byte of a language model on texts."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

from blocks import BlocksError, BuildError, Coder, Plan, UsageError, open_tokenizer
from blocks.command import Command
from blocks.diagnostics import Diagnostic, Problems
from blocks.expressions import ExpressionError, evaluate

if TYPE_CHECKING:
    from torch import nn

    from blocks_train.evaluation.measure import Evaluation

_Found = TypeVar("_Found")


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "build", type=Path, metavar="BUILD", help="a build folder, a run, or a Hugging Face checkpoint"
    )
    parser.add_argument(
        "--data", required=True, nargs="+", metavar="F",
        help="texts: files, folders or globs of .txt, .jsonl and .parquet, or hf:NAME",
    )  # fmt: skip
    parser.add_argument(
        "--field", default="text", metavar="NAME", help="of a record, that holds the text (text)"
    )
    parser.add_argument(
        "--split", metavar="HOW",
        help="what stands between the texts of a file: lines, paragraphs, or any other text; default: nothing",
    )  # fmt: skip
    parser.add_argument(
        "--context", metavar="N",
        help="tokens that the model reads at once (those that it was trained on, or has positions for; else 1024)",
    )  # fmt: skip
    parser.add_argument(
        "--stride", metavar="N",
        help="tokens from one window to the next (half the context; a state that stays small is carried instead)",
    )  # fmt: skip
    parser.add_argument("--batch", default="8", metavar="B", help="windows or texts at once (8)")
    parser.add_argument("--device", default="cpu", help="where to compute (cpu)")
    parser.add_argument("--dtype", metavar="NAME", help="of the weights; default: as they are")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(args: Namespace) -> int:
    """Load the model, read the texts, score every token once, and print what came of it."""
    from blocks_train.evaluation.measure import measure

    sizes = _sizes(args)
    model, plan, coder = _opened(args)
    from blocks_train.data import prepare, progress

    with TemporaryDirectory(prefix="blocks-eval-") as cache:
        with progress() as step:
            corpus = prepare(
                args.data, coder, cache, field=args.field, split=args.split, eos=False, step=step
            )
        with scoring(len(corpus.tokens) - len(corpus)) as scored:
            found = measure(model, plan, corpus, **sizes, step=scored, registry=args.registry)
    print(json.dumps(found.as_json(), indent=2) if args.json else _said(plan.name, found))
    return 0


def _sizes(args: Namespace) -> dict[str, int]:
    """The options that are counts and were given. Raises UsageError with everything that is wrong with them."""
    found: dict[str, int] = {}
    problems = Problems()
    for name in ("context", "stride", "batch"):
        text = getattr(args, name)
        if text is None:
            continue
        try:
            value = evaluate(text, {})
        except ExpressionError:
            value = 0
        if not isinstance(value, int) or value < 1:
            message = f"--{name} {text!r} is not a positive whole number"
            problems.extend([Diagnostic("B0805", message, help="such as 512 or 1k")])
        else:
            found[name] = value
    if found.get("stride", 0) > found.get("context", found.get("stride", 0)):
        message = f"a stride of {found['stride']} leaves out tokens between windows of {found['context']}"
        problems.extend([Diagnostic("B0805", message, help=f"--stride {found['context']}, or less")])
    problems.raise_if_any(UsageError)
    return found


def _opened(args: Namespace) -> tuple[nn.Module, Plan, Coder]:
    """The model and its tokenizer. Raises BuildError with everything that is wrong with them, or with names of data."""
    from blocks import from_pretrained, load
    from blocks_train.data import find
    from blocks_train.evaluation.measure import complaints

    if not args.build.exists():
        raise BuildError.of("B0801", f"there is no folder {args.build}", help="blocks build RECIPE -o DIR")
    problems = Problems()
    _tried(problems, lambda: find(args.data))
    coder = _tried(problems, lambda: open_tokenizer(args.build, registry=args.registry))
    model = _tried(
        problems,
        lambda: from_pretrained(args.build, device=args.device, dtype=args.dtype, registry=args.registry),
    )
    if model is not None:
        plan = load(str(model.recipe)).plan(registry=args.registry)
        problems.extend(complaints(plan))
    problems.raise_if_any(BuildError)
    assert model is not None
    assert coder is not None
    return model, plan, coder


def _tried(problems: Problems, work: Callable[[], _Found]) -> _Found | None:
    try:
        return work()
    except BlocksError as error:
        problems.extend(error.diagnostics)
        return None


@contextmanager
def scoring(tokens: int, what: str = "score") -> Iterator[Callable[[int], None]]:
    """A bar on stderr of the tokens that are scored; nothing where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=tokens)
        yield lambda scored: bar.update(task, advance=scored)


def _said(name: str, found: Evaluation) -> str:
    """The figures as lines."""
    way = (
        f"the state carried on, {found.context:,} tokens at a time"
        if found.stride is None
        else f"windows of {found.context:,} tokens, every {found.stride:,}"
    )
    texts = f"{found.texts:,} {'text' if found.texts == 1 else 'texts'}"
    rows = {
        "loss": f"{found.loss:.4f} nats a token",
        "perplexity": f"{found.perplexity:,.4g}" if found.perplexity is not None else "beyond a float",
        "bits per byte": f"{found.bits_per_byte:.4f}",
        "scored": f"{found.scored:,} of {found.tokens:,} tokens in {found.bytes:,} bytes, {texts}",
        "read": way,
    }
    return "\n".join([name, *(f"{key:<14} {value}" for key, value in rows.items())])


COMMAND = Command(
    "Score texts with a language model: loss, perplexity and bits per byte.",
    "blocks eval builds/hybrid-tiny --data texts/*.txt\n"
    "blocks eval model --data held-out.jsonl --context 512 --stride 128 --json",
    configure,
    run,
)
