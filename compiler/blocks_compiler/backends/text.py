"""Names and layout of generated text: identifiers, tables, sums of lists, import statements."""

from __future__ import annotations

import ast
import keyword
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator

from blocks.fold import Folded, Repeat

WIDTH = 110


def identifier(name: str) -> str:
    """A Python name made of a recipe's name: `mamba-2` -> mamba_2."""
    text = re.sub(r"\W", "_", name, flags=re.ASCII)
    if not text or text[0].isdigit() or keyword.iskeyword(text):
        text = f"block_{text}"
    return text


def camel(name: str) -> str:
    """A class name made of a recipe's name: nemotron-h-8b -> NemotronH8B."""
    words = re.split(r"[^A-Za-z0-9]+", name)
    words = [re.sub(r"(\d)([a-z])", lambda m: m[1] + m[2].upper(), w[:1].upper() + w[1:]) for w in words]
    text = "".join(words)
    return text if text and not text[0].isdigit() else f"Model{text}"


def row(name: str, text: str, left: int) -> Iterator[str]:
    """A line of a two-column table, wrapped; `left` is the width of the first column."""
    start = f"    {name:<{left}}  "
    room = WIDTH - len(start)
    while len(text) > room:
        cut = text.rfind(" ", 0, room)
        cut = room if cut <= 0 else cut
        yield start + text[:cut]
        text, start = text[cut:].lstrip(), " " * (left + 8)
        room = WIDTH - len(start)
    yield start + text


def wrapped(text: str) -> list[str]:
    """A person's text as lines that can stand in a docstring."""
    safe = text.replace("\\", "/").replace('"""', "'''")
    safe = "".join(c if c.isprintable() or c == "\n" else " " for c in safe)
    return [line for part in safe.splitlines() for line in textwrap.wrap(part, WIDTH) or [""]]


def docstring(said: str, indent: str) -> list[str]:
    """The lines of a docstring of one sentence, on one line where there is room."""
    if len(indent) + len(said) + 7 <= WIDTH:
        return [f'{indent}"""{said}."""']
    first, *rest = textwrap.wrap(said + ".", WIDTH - len(indent) - 3, break_long_words=False)
    return [f'{indent}"""{first}', *(f"{indent}{line}" for line in rest), f'{indent}"""']


def terms(folded: Folded[str]) -> list[str]:
    """`3 * [a, b]`, `[c]`: the terms of a sum of lists."""
    found: list[str] = []
    plain: list[str] = []
    for item in folded:
        if isinstance(item, Repeat):
            if plain:
                found.append(f"[{', '.join(plain)}]")
                plain = []
            inner = terms(item.items)
            body = inner[0] if len(inner) == 1 and inner[0].startswith("[") else f"({' + '.join(inner)})"
            found.append(f"{item.times} * {body}")
        else:
            plain.append(item)
    if plain:
        found.append(f"[{', '.join(plain)}]")
    return found


def sum_of(terms: list[str]) -> str:
    """The terms with plus signs between, on as many lines as they need."""
    flat = " + ".join(terms)
    if len(flat) < WIDTH - 20:
        return flat
    lines: list[str] = []
    for index, term in enumerate(terms):
        word = term if not index else f"+ {term}"
        if lines and len(lines[-1]) + len(word) + 5 < WIDTH and len(term) < WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "(\n" + "".join(f"    {line}\n" for line in lines) + ")"


def imports(statements: Iterable[str]) -> str:
    """Import statements merged by module and sorted as isort does: the standard library, then the rest."""
    plain: set[str] = set()
    members: dict[str, set[str]] = {}
    for statement in statements:
        node = ast.parse(statement).body[0]
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None
            members.setdefault(node.module, set()).update(ast.unparse(alias) for alias in node.names)
        else:
            plain.add(statement)
    lines = sorted(plain, key=lambda s: s.split()[1])
    for module in sorted(members):
        lines.append(f"from {module} import {', '.join(sorted(members[module], key=_member))}")
    third = [line for line in lines if not _is_stdlib(line)]
    return "\n".join([*(x for x in lines if x not in third), "", *third]).strip("\n") + "\n"


def imported(statements: Iterable[str]) -> Iterable[str]:
    """The names that import statements bind."""
    for statement in statements:
        node = ast.parse(statement).body[0]
        assert isinstance(node, ast.Import | ast.ImportFrom)
        yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)


def _is_stdlib(line: str) -> bool:
    return line.split()[1].split(".")[0] in sys.stdlib_module_names


def _member(name: str) -> tuple[int, str]:
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, name
