"""What the exporters declare. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from blocks.exporter import Exporter, Exporting


def _onnx(exporting: Exporting, folder: Path) -> Iterable[str]:
    from blocks_export.onnx import write

    return write(exporting, folder)


def _pt2(exporting: Exporting, folder: Path) -> Iterable[str]:
    from blocks_export.pt2 import write

    return write(exporting, folder)


ONNX = Exporter(_onnx, marks="model.onnx", suffix=".onnx", steps=3)
PT2 = Exporter(_pt2, marks="model.pt2", suffix=".pt2", steps=3)
