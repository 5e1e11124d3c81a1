"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Step: TypeAlias = Callable[[str, int, int | None], object]
"""Told what is being done, how many bytes of it are done, and of how many, where that is known."""


def quiet(what: str, done: int, total: int | None) -> None:
    """Say nothing."""
