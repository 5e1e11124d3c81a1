"""The published architectures that come with blocks, by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from blocks.diagnostics import RecipeError
from blocks.suggest import did_you_mean

ZOO = "zoo/"
"""What names in the zoo begin with: small recipes, each with something special to say."""


@cache
def published() -> Mapping[str, Path]:
    """Name -> file of the architectures that come with blocks: gpt2, …, and those of the zoo: zoo/albert, …"""
    folder = Path(str(files("blocks_recipes")))
    paths = [*sorted(folder.glob("*.yaml")), *sorted(folder.glob(f"{ZOO}*.yaml"))]
    found = {path.relative_to(folder).as_posix().removesuffix(".yaml"): path for path in paths}
    return MappingProxyType(found)


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except OSError:  # a name too long for the system
        return False


def locate(name: str) -> Path:
    """The file that `name` means: a path, or else the name of a published architecture. Raises RecipeError."""
    if name.endswith((".yaml", ".yml")) or _exists(name):
        return Path(name)
    known = published()
    if name in known:
        return known[name]
    near = f"{ZOO}{name}" if f"{ZOO}{name}" in known else did_you_mean(name, known)
    raise RecipeError.of(
        "B0801",
        f"there is no recipe file {name[:80]!r}, and no published architecture of that name",
        help=f"did you mean {near!r}?" if near else "`blocks recipes` lists the published ones",
    )
