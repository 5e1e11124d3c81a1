"""The published architectures that come with blocks, by name."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from blocks.diagnostics import RecipeError
from blocks.suggest import did_you_mean


def published() -> dict[str, Path]:
    """Name -> file of the architectures that come with blocks."""
    folder = Path(str(files("blocks_recipes")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def locate(name: str) -> Path:
    """The file that `name` means: a path, or else the name of a published architecture. Raises RecipeError."""
    if Path(name).exists() or name.endswith((".yaml", ".yml")):
        return Path(name)
    known = published()
    if name in known:
        return known[name]
    near = did_you_mean(name, known)
    raise RecipeError.of(
        "B0801",
        f"there is no recipe file {name!r}, and no published architecture of that name",
        help=f"did you mean {near!r}?" if near else "`blocks recipes` lists the published ones",
    )
