"""What goes on, on stderr and only where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from blocks_generate.pieces import Piece


@contextmanager
def status(what: str) -> Iterator[None]:
    """A line that says what is being done."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


@contextmanager
def progress(n_texts: int) -> Iterator[Callable[[Piece], None]]:
    """A bar of texts that have ended, with tokens a second; yields what is to be called with each piece."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("texts"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[tokens]:,} tokens"),
        TimeElapsedColumn(),
    )  # fmt: skip
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("texts", total=n_texts, tokens=0)
        tokens = 0

        def done(piece: Piece) -> None:
            nonlocal tokens
            tokens += len(piece.tokens)
            bar.update(task, advance=piece.reason is not None, tokens=tokens)

        yield done


def watched(pieces: Iterable[Piece], done: Callable[[Piece], None]) -> Iterator[Piece]:
    """The same pieces, each told to `done` as it passes."""
    for piece in pieces:
        done(piece)
        yield piece
