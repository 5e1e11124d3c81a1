"""Colours of diagrams, light and dark. Families of mixers keep their hue everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours by purpose; `families` holds (fill, line) shades of each family, the commonest first."""

    paper: str
    ink: str
    faint: str
    line: str
    stage: str
    card: str
    stream: str
    residual: str
    families: Mapping[str, tuple[tuple[str, str], ...]]

    def shade(self, family: str, index: int) -> tuple[str, str]:
        """Fill and line of the index-th kind of block of a family."""
        shades = self.families[family]
        return shades[index % len(shades)]


LIGHT = Theme(
    paper="#ffffff",
    ink="#1f2328",
    faint="#656d76",
    line="#afb8c1",
    stage="#f3f5f7",
    card="#fafbfc",
    stream="#6e7781",
    residual="#3f7fbf",
    families={
        "attention": (("#ffe3cc", "#d9731a"), ("#ffd0d0", "#c94a4a"), ("#fff0b8", "#b08800")),
        "recurrence": (("#d3e8fb", "#2f7fc4"), ("#cdeff0", "#1f8f95"), ("#d9defc", "#4f5fc9")),
        "convolution": (("#e9def9", "#7a50b8"), ("#f8daf0", "#ad3f8f")),
        "feed-forward": (("#dcf1dd", "#4b9a54"), ("#e9f2c8", "#7d9426"), ("#d0ede0", "#2d8f68")),
        "other": (("#e8eaed", "#7a828a"), ("#efe7de", "#8a7358")),
    },
)
DARK = Theme(
    paper="#0d1117",
    ink="#e6edf3",
    faint="#9aa4ae",
    line="#484f58",
    stage="#21262d",
    card="#151b23",
    stream="#8b949e",
    residual="#6cb0f5",
    families={
        "attention": (("#5a3312", "#f0883e"), ("#5a2020", "#f47067"), ("#4d3c05", "#d4a72c")),
        "recurrence": (("#12395c", "#58a6ff"), ("#0f4044", "#39c5cf"), ("#2a2f66", "#8c9bff")),
        "convolution": (("#3b2660", "#b392f0"), ("#52204a", "#f778ba")),
        "feed-forward": (("#17402a", "#56d364"), ("#363f12", "#b5cf4a"), ("#0f4034", "#3fc796")),
        "other": (("#30363d", "#8b949e"), ("#3d3428", "#b59a74")),
    },
)
THEMES = {"light": LIGHT, "dark": DARK}
