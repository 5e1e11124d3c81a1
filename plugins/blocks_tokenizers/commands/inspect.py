"""`blocks tokenizer inspect`: what a vocabulary does to texts, so that a person can judge it."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path

from blocks import Coder, UsageError
from blocks.command import Command
from blocks_tokenizers.commands.source import SOURCE, coder_from, count
from blocks_tokenizers.commands.train import showing
from blocks_tokenizers.marking import marked, visible
from blocks_tokenizers.statistics import (
    RARE,
    SAMPLES,
    Figures,
    Token,
    figures,
    longest,
    rarest,
    tokens,
    usage,
)
from blocks_tokenizers.texts import Texts

SHOWN = 600
"""Characters of each text that are shown."""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("source", metavar="SOURCE", help=SOURCE)
    parser.add_argument(
        "--text", metavar="TEXT", help="a text to look at; default: a sentence in three languages"
    )
    parser.add_argument(
        "--file", nargs="+", default=[], type=Path, metavar="F", help="text files to look at, or .jsonl"
    )
    parser.add_argument(
        "--field", default="text", metavar="NAME", help="of a JSONL record, that holds the text (text)"
    )
    parser.add_argument(
        "--top", default="10", metavar="N", help="how many of the longest and rarest tokens (10)"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(args: Namespace) -> int:
    """Print the figures."""
    if args.text is not None and args.file:
        raise UsageError.of("B0805", "--text and --file are two texts", help="keep one of them")
    top = count(args.top, "--top")
    coder = coder_from(args.source, args.registry)
    named = _texts(args)
    found: dict[str, Figures] = {}
    with showing() as step:
        for name, texts in named.items():
            step(f"encode {name}")
            found[name] = figures(texts, coder)
    total = Figures()
    for some in found.values():
        total += some
    known = tokens(coder, total.uses)
    if args.json:
        print(json.dumps(_as_json(coder, found, total, known, top), indent=2, ensure_ascii=False))
        return 0
    print("\n".join(_page(coder, named, found, total, known, top, given=bool(args.file), color=args.color)))
    return 0


def _texts(args: Namespace) -> dict[str, Iterable[str]]:
    if args.text is not None:
        return {"text": [args.text]}
    if args.file:
        return {str(file): Texts([file], args.field) for file in args.file}
    return {name: [text] for name, text in SAMPLES.items()}


def _as_json(
    coder: Coder, found: dict[str, Figures], total: Figures, known: list[Token], top: int
) -> dict[str, object]:
    return {
        "vocab_size": coder.vocab_size,
        "roles": dict(coder.roles),
        "digest": coder.digest,
        "texts": {name: some.as_json() for name, some in found.items()},
        "total": total.as_json(),
        "usage": usage(known),
        "longest": [token.as_json() for token in longest(known, top)],
        "rarest": [token.as_json() for token in rarest(known, top)],
    }


def _page(
    coder: Coder,
    named: dict[str, Iterable[str]],
    found: dict[str, Figures],
    total: Figures,
    known: list[Token],
    top: int,
    *,
    given: bool,
    color: bool,
) -> Iterator[str]:
    roles = ", ".join(f"{role} {visible(coder.piece(id))} ({id})" for role, id in coder.roles.items())
    yield f"{coder.vocab_size:,} ids; special: {roles or 'none'}"
    for name, texts in named.items():
        text = next(iter(texts), "")
        cut = text[:SHOWN]
        yield f"\n{visible(name, spaces=False)}"
        yield marked(coder, coder.encode(cut), color=color)
        if found[name].characters > len(cut):
            yield f"… {found[name].characters - len(cut):,} more characters"
    yield ""
    yield from _table({**found, **({"together": total} if len(found) > 1 else {})})
    if not total.kept:
        yield "round trip: no, the text that comes back is another one"
    counts = usage(known)
    if given:
        share = counts["used"] / max(counts["ids"], 1)
        yield (
            f"\n{counts['used']:,} of {counts['ids']:,} ids are used ({share:.0%}), "
            f"{counts['seldom']:,} of them fewer than {RARE} times"
        )
        yield from _list("rarest", rarest(known, top), counts=True)
    else:
        yield ""
    yield from _list("longest", longest(known, top), counts=given)


def _table(found: dict[str, Figures]) -> Iterator[str]:
    heads = ("", "words", "tokens", "tokens a word", "bytes a token", "characters a token", "unknown")
    rows: list[tuple[str, ...]] = [heads]
    for name, some in found.items():
        ratios = some.as_json()
        shown = [ratios[key] for key in ("fertility", "bytes_per_token", "characters_per_token")]
        rows.append((
            visible(name, spaces=False), f"{some.words:,}", f"{some.tokens:,}",
            *("-" if ratio is None else f"{ratio:.2f}" for ratio in shown),
            f"{some.unknown / some.tokens:.1%}" if some.tokens else "-",
        ))  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield "  ".join([row[0].ljust(widths[0]), *cells])


def _list(name: str, some: list[Token], *, counts: bool) -> Iterator[str]:
    shown = [
        visible(token.text if "\ufffd" not in token.text else token.piece)
        + (f" ×{token.count:,}" if counts else "")
        for token in some
    ]
    yield f"{name:<8} {'   '.join(shown) or 'none'}"


ACTION = Command(
    "Show texts with their tokens marked, tokens a word, bytes a token, the longest and the rarest tokens.",
    "blocks tokenizer inspect byte\n"
    "blocks tokenizer inspect words --file text.txt --top 20\n"
    "blocks tokenizer inspect words --text 'The cat sat.' --json",
    configure,
    run,
)
