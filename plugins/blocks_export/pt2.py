"""`blocks export --to pt2`: a program that torch.export.load reads, in Python or in C++."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from blocks.exporter import Exporting
from blocks_export.program import check, refused, trace


def write(exporting: Exporting, folder: Path) -> Iterator[str]:
    """Write model.pt2. Raises BuildError where torch.export refuses the model, or what it made is something else."""
    exporting.step("trace the model")
    whole, program = trace(exporting)
    exporting.step("write the program")
    path = folder / "model.pt2"
    try:
        torch.export.save(program, path)
    except Exception as error:
        raise refused(exporting, "torch.export", error) from error
    exporting.step("check the program")
    again: Any = torch.export.load(path).module()

    def run(inputs: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = again(**inputs)
        return found

    checked = check(exporting, whole, run, "the program")
    yield from whole.given.described()
    yield checked
