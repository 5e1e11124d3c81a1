"""For plugin authors: one line holds a mixer to what it declares.

from blocks.testing import conformance

test_retention = conformance(Retention(n_heads=2))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blocks.component import Mixer

__all__ = ["conformance"]


def conformance(
    mixer: Mixer, *, waive: Mapping[str, str] | None = None, d_model: int = 64, seed: int = 0
) -> Callable[..., Any]:
    """A parametrised pytest with one case a property; the mixer's capabilities choose the cases.

    `waive` maps a case to the reason why it does not hold, which pytest shows: {"padding_content": "…"}; what
    the declaration waives itself, in `Mixer.waivers`, need not be said again.
    `d_model` is the width that the mixer is tried at, `seed` that of its weights and inputs. Needs pytest and
    torch. Raises ValueError for a waiver without a reason or of a case that does not exist, and BuildError
    for options that are wrong at this width.
    """
    from blocks_compiler.conformance.suite import make_test

    return make_test(mixer, waive=waive or {}, d_model=d_model, seed=seed)
