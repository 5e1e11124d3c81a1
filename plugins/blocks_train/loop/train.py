"""`blocks train` from its arguments to its exit code, in one process or in each of several."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console

from blocks import BlocksError
from blocks_train.loop.asked import prepare_run, unpacked
from blocks_train.loop.begun import begin
from blocks_train.loop.request import request
from blocks_train.loop.resume import changes, check_same
from blocks_train.loop.run_folder import locked
from blocks_train.loop.session import Session, say
from blocks_train.scale.ranks import ElsewhereError, Ranks, joined


def train(args: Namespace) -> int:
    """Train as the arguments say; the exit code. Raises BlocksError."""
    try:
        with joined(args.device, args.shard) as (ranks, device):
            args.device = device
            return _train(args, ranks)
    except ElsewhereError as error:
        return error.exit_code


def _train(args: Namespace, ranks: Ranks) -> int:
    console = Console(stderr=True, soft_wrap=True, quiet=not ranks.leads)
    begun = ranks.led(lambda: begin(args, lambda note: say(console, note)))
    made = request(args, begun.before)
    asked = ranks.first(
        lambda files: prepare_run(made, begun.before, begun.found, unpacked(files, args.registry)),
        lambda asked: asked.packed(),
    )
    before, changed = begun.before, []
    with ExitStack() as stack:
        if before is not None:
            ranks.led(lambda: check_same(begun.run, before, asked.record))
            changed = changes(before, asked.record)
        stack.enter_context(_said_once(ranks))
        session = Session(begun.run, asked, args, console, ranks)
        ranks.alone(lambda: stack.enter_context(locked(begun.run)))
        session.start(begun.found, changed)
        code = session.go()
        if not code:
            session.summary()
        return code


@contextmanager
def _said_once(ranks: Ranks) -> Iterator[None]:
    """What is wrong with a run that is under way is wrong on all ranks: the first one says it."""
    try:
        yield
    except BlocksError as error:
        if ranks.leads:
            raise
        raise ElsewhereError(error.exit_code) from None
