"""Packed documents in a generated model: what its forward pass refuses up front, and what its docstring says."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence

from blocks_compiler.backends.text import WIDTH


def refusal(names: Sequence[str], masks: Sequence[str]) -> Iterator[str]:
    """The lines of a forward pass that raise ValueError where one of `masks` numbers documents; none without names."""
    if not names:
        return
    indent = " " * 8
    if len(masks) > 1:
        yield f"{indent}for mask in ({', '.join(masks)}):"
        indent += " " * 4
    yield f"{indent}if mask is not None and mask.dtype != torch.bool:"
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    message = f"{names[0]} cannot keep packed documents apart{more}: a mask has to be bool"
    line = f"{indent}    raise ValueError({json.dumps(message, ensure_ascii=False)})"
    if len(line) <= WIDTH:
        yield line
        return
    rows = textwrap.wrap(message, WIDTH - len(indent) - 12, drop_whitespace=False)
    yield f"{indent}    raise ValueError("
    yield from (f"{indent}        {json.dumps(row, ensure_ascii=False)}" for row in rows)
    yield f"{indent}    )"
