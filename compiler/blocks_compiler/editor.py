"""The schema where an editor finds it: a file in the project, and the entry of VS Code's settings that names it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blocks import BuildError
from blocks_compiler.backends.write import check_output, write_bytes
from blocks_compiler.schema import DRAFT

SCHEMA = Path(".blocks") / "recipe.schema.json"
SETTINGS = Path(".vscode") / "settings.json"
MATCH = ("recipes/**/*.yaml", "*.recipe.yaml")
_KEY = "yaml.schemas"
_MINE = f"./{SCHEMA.as_posix()}"


def install(project: Path, schema: str, match: Sequence[str] = MATCH) -> tuple[Path, Path]:
    """Write the schema below `project`, and into its settings that files which `match` follow it.

    Returns both paths. Everything else in the settings stays as it is. Raises BuildError for settings that
    cannot be rewritten without loss, and for links, before anything is written; OSError.
    """
    if not project.is_dir():
        raise BuildError.of("B0801", f"there is no folder {project}", file=str(project))
    target, settings = project / SCHEMA, project / SETTINGS
    check_output(target)
    check_output(settings)
    text = _read(settings)
    changed = with_schema(text, match, str(settings))
    for path in (target, settings):
        path.parent.mkdir(exist_ok=True)
    write_bytes(target, schema.encode())
    if changed != text:
        write_bytes(settings, changed.encode())
    return target, settings


def check_replaceable(path: Path) -> None:
    """Refuse to write the schema over a file that is none. Raises BuildError; OSError."""
    if not path.is_file():
        return
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("$schema") != DRAFT:
        raise BuildError.of(
            "B0803",
            f"{path} exists, and is not a schema that was written before",
            file=str(path),
            help="name another file, or remove this one",
        )


def with_schema(text: str, match: Sequence[str], name: str) -> str:
    """The text of VS Code's settings with the schema for files that `match`; the same text where it has that.

    Raises BuildError for what is not plain JSON, such as comments, which VS Code allows and rewriting would lose.
    """
    settings = _parse(text, match, name)
    schemas = settings.setdefault(_KEY, {})
    if not isinstance(schemas, dict):
        raise _refusal(f"{_KEY!r} in {name} is not a mapping", match, name)
    there = schemas.get(_MINE, [])
    globs = there if isinstance(there, list) else [there]
    missing = [glob for glob in match if glob not in globs]
    if not missing:
        return text
    schemas[_MINE] = [*globs, *missing]
    found = re.search(r"^[{\[]\s*\n([ \t]+)\S", text.lstrip())
    return json.dumps(settings, indent=found[1] if found else 2, ensure_ascii=False) + "\n"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise BuildError.of("B0802", f"{path} is not UTF-8 text", file=str(path)) from None


def _parse(text: str, match: Sequence[str], name: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        settings = json.loads(text, object_pairs_hook=_mapping)
    except (ValueError, RecursionError) as error:
        raise _refusal(f"{name} cannot be rewritten without loss: {error}", match, name) from None
    if not isinstance(settings, dict):
        raise _refusal(f"{name} is not a mapping of settings", match, name)
    return settings


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _refusal(message: str, match: Sequence[str], name: str) -> BuildError:
    entry = json.dumps({_KEY: {_MINE: list(match)}})[1:-1]
    return BuildError.of("B0811", message, file=name, help=f"add by hand: {entry}")
