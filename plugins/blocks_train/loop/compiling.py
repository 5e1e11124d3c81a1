"""torch.compile, and what to say where it refuses a model.

It refuses the gradients of a scan, with which Mamba-2 loops over tokens. The setting `capture_scalar_outputs` would let
them pass, and in torch 2.13 gives wrong gradients of what the scan's body captures (A_log), so it stays off.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from blocks import BuildError

_COMPILER = ("torch._dynamo", "torch._inductor", "torch._functorch")


@contextlib.contextmanager
def compiled(name: str, *, wanted: bool) -> Iterator[None]:
    """Turn the compiler's refusal of a model into a BuildError, where compilation was wanted."""
    try:
        yield
    except Exception as error:
        homes = [cls.__module__ for cls in type(error).__mro__]
        if not wanted or not any(home.startswith(_COMPILER) for home in homes):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise BuildError.of(
            "B1508", f"torch.compile cannot compile {name}: {reason}", help="--set train.compile=false"
        ) from None
