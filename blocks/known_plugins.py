"""Components that live in distributions of their own: what to install for a name that no plugin here registers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """A component that is known and perhaps not installed; `install` completes "pip install ..."."""

    kind: str
    name: str
    distribution: str
    install: str


KNOWN = (
    Known(
        "mixer", "retention", "blocks-retention", "examples/blocks-retention (in the repository of blocks)"
    ),
)
