"""Inlining: the text of a class and of everything it uses, taken from the files that define them.

A class is named "package.module:Class". Its module may import the standard library, torch, and its own package;
names from its own package are followed, so that the result stands alone. Only text is read: nothing is imported
but the parent packages, which import no torch.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from blocks import BuildError
from blocks_compiler.backends.scopes import module_names


@dataclass(frozen=True, slots=True)
class Definition:
    """One top-level definition: its text, and the names that the text refers to."""

    name: str
    text: str
    uses: frozenset[str]


@dataclass(frozen=True, slots=True)
class ModuleText:
    """One file, taken apart: definitions, names it imports from its own package, and other import lines."""

    name: str
    definitions: Mapping[str, Definition]
    siblings: Mapping[str, tuple[str, str]]  # local name -> (module, name there)
    imports: Mapping[str, str]  # local name -> import statement


@lru_cache(maxsize=256)
def read_module(name: str) -> ModuleText:
    """Take a module's file apart. Raises BuildError if it cannot be found or imports what it may not."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError) as error:
        raise BuildError.of("B0602", f"the module {name} cannot be found: {error}") from None
    if spec is None or spec.origin is None:
        raise BuildError.of(
            "B0602", f"the module {name} cannot be found", help="reinstall the plugin it belongs to"
        )
    text = Path(spec.origin).read_text(encoding="utf-8")
    lines = source_lines(text)
    definitions: dict[str, Definition] = {}
    siblings: dict[str, tuple[str, str]] = {}
    imports: dict[str, str] = {}
    end = 0
    for node in ast.parse(text, spec.origin).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            _read_import(node, name, siblings, imports)
        for defined in _defined(node):
            definitions[defined] = Definition(defined, _segment(lines, node, end), _uses(node))
        end = node.end_lineno or end
    return ModuleText(name, definitions, siblings, imports)


def source_lines(text: str) -> list[str]:
    """Lines as Python's parser counts them: a form feed or U+2028 ends none."""
    *whole, rest = text.split("\n")
    return [line + "\n" for line in whole] + ([rest] if rest else [])


def _read_import(
    node: ast.Import | ast.ImportFrom,
    module: str,
    siblings: dict[str, tuple[str, str]],
    imports: dict[str, str],
) -> None:
    package = module.split(".")[0]
    for alias in node.names:
        local = alias.asname or alias.name
        if isinstance(node, ast.Import):
            imports[local.split(".")[0] if alias.asname is None else local] = ast.unparse(ast.Import([alias]))
            root = alias.name
        else:
            source = "." * node.level + (node.module or "")
            absolute = (
                importlib.util.resolve_name(source, module.rpartition(".")[0]) if node.level else source
            )
            root = absolute
            if absolute.split(".")[0] == package:
                siblings[local] = (absolute, alias.name)
                continue
            imports[local] = ast.unparse(ast.ImportFrom(node.module, [alias], 0))
        if root.split(".")[0] not in sys.stdlib_module_names | {"torch", "triton"}:
            raise BuildError.of(
                "B0705",
                f"{module} imports {root}, and a generated model can import torch alone",
                help="a mixer's module imports the standard library, torch, and its own package",
            )


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def _segment(lines: list[str], node: ast.stmt, end: int) -> str:
    """The text of a definition with its decorators and the comment lines directly above it."""
    decorators = getattr(node, "decorator_list", [])
    start = min([node.lineno, *(d.lineno for d in decorators)]) - 1
    while start > end and lines[start - 1].startswith("#"):
        start -= 1
    return "".join(lines[start : node.end_lineno]).rstrip() + "\n"


def _uses(node: ast.stmt) -> frozenset[str]:
    return frozenset(name.id for name in module_names(node)) - frozenset(dir(builtins))


@dataclass
class Inliner:
    """Collects definitions, dependencies first. `replace` maps "module:function" to an import in its place."""

    replace: Mapping[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)  # name in the file -> text
    imports: set[str] = field(default_factory=set)
    _seen: dict[tuple[str, str], str] = field(default_factory=dict)
    _imported: dict[str, tuple[str, str]] = field(default_factory=dict)  # local name -> statement, module

    def add(self, target: str) -> str:
        """Take in "module:Name" and what it uses; returns the name it has in the file."""
        module, _, name = target.partition(":")
        if module.split(".")[0] == "torch":
            return self._torch(module, name)
        return self._add(module, name)

    def _torch(self, module: str, name: str) -> str:
        if module == "torch.nn":
            self.imports.add("from torch import nn")
            return f"nn.{name}"
        self.imports.add(f"import {module}")
        return f"{module}.{name}"

    def _add(self, module: str, name: str) -> str:
        key = (module, name)
        if key in self._seen:
            return self._seen[key]
        if (other := self.replace.get(f"{module}:{name}")) is not None:
            source, _, function = other.partition(":")
            self.imports.add(f"from {source} import {function}" + (f" as {name}" if function != name else ""))
            self._seen[key] = name
            return name
        found = read_module(module)
        if name in found.siblings:
            self._seen[key] = self._add(*found.siblings[name])
            return self._seen[key]
        if name not in found.definitions:
            raise BuildError.of(
                "B0602", f"{module} defines no {name!r}", help="the plugin names it in `module`"
            )
        definition = found.definitions[name]
        local = self._free_name(definition, module)
        self._seen[key] = local
        renamed = {name: local} if local != name else {}
        for used in sorted(definition.uses - {name}):
            if used in found.definitions or used in found.siblings:
                inner = self._add(module, used)
                if inner != used:
                    renamed[used] = inner
            elif used in found.imports:
                self._import(used, found)
            else:
                raise BuildError.of(
                    "B0705",
                    f"{name} in {module} refers to {used}, which no plain definition or import of that file makes",
                    help="define it at the top level, alone on its line",
                )
        self.texts[local] = rename(definition.text, renamed) if renamed else definition.text
        return local

    def _import(self, local: str, found: ModuleText) -> None:
        """Take in one import. Raises BuildError where another file imports something else under this name."""
        statement = found.imports[local]
        first = self._imported.setdefault(local, (statement, found.name))
        if first[0] != statement:
            raise BuildError.of(
                "B0705",
                f"{found.name} writes `{statement}` and {first[1]} writes `{first[0]}`: one file cannot have both",
                help="import one of them under another name",
            )
        self.imports.add(statement)

    def _free_name(self, definition: Definition, module: str) -> str:
        """Its own name, or one with the package's where another package has taken that name for something else."""
        taken = {local: key for key, local in self._seen.items()}
        owner = taken.get(definition.name)
        if owner is None or same((module, definition.name), owner):
            return definition.name
        base = name = f"{definition.name}_{module.split('.')[0]}"
        count = 1
        while name in taken:
            count += 1
            name = f"{base}_{count}"
        return name


def same(
    one: tuple[str, str], other: tuple[str, str], seen: frozenset[tuple[str, str]] = frozenset()
) -> bool:
    """Whether two (module, name) mean the same: equal texts, whose names mean the same in turn."""
    first, second = (read_module(module) for module, _ in (one, other))
    if one[1] in first.siblings:
        return same(first.siblings[one[1]], other, seen)
    if other[1] in second.siblings:
        return same(one, second.siblings[other[1]], seen)
    if one == other or one in seen:
        return True
    a, b = first.definitions.get(one[1]), second.definitions.get(other[1])
    if a is None or b is None:
        return first.imports.get(one[1]) == second.imports.get(other[1]) is not None
    return a.text == b.text and all(same((one[0], n), (other[0], n), seen | {one}) for n in a.uses)


def rename(text: str, names: Mapping[str, str]) -> str:
    """The same definition with free names replaced; attributes and keywords stay."""
    lines = source_lines(text)
    for line, column, old in sorted(_places(ast.parse(text), lines, names), reverse=True):
        row = lines[line - 1].encode()
        lines[line - 1] = (row[:column] + names[old].encode() + row[column + len(old.encode()) :]).decode()
    return "".join(lines)


def _places(tree: ast.Module, lines: list[str], names: Mapping[str, str]) -> Iterator[tuple[int, int, str]]:
    for name in module_names(tree):
        if name.id in names:
            yield name.lineno, name.col_offset, name.id
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in names:
            keyword = "class " if isinstance(node, ast.ClassDef) else "def "
            yield node.lineno, lines[node.lineno - 1].index(keyword) + len(keyword), node.name


def defaults(target: str) -> dict[str, object]:
    """Literal defaults of the constructor of "module:Class", its bases in the same package included."""
    module, _, name = target.partition(":")
    if module.split(".")[0] == "torch":
        return {}
    found = read_module(module)
    if name in found.siblings:
        return defaults(":".join(found.siblings[name]))
    tree = ast.parse(found.definitions[name].text).body[0]
    assert isinstance(tree, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            return dict(_literals(node.args))
    for base in tree.bases:
        if isinstance(base, ast.Name) and (base.id in found.definitions or base.id in found.siblings):
            return defaults(f"{module}:{base.id}")
    return {}


def _literals(arguments: ast.arguments) -> Iterator[tuple[str, object]]:
    positional = arguments.posonlyargs + arguments.args
    pairs = list(zip(reversed(positional), reversed(arguments.defaults), strict=False))
    pairs += [
        (a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None
    ]
    for argument, default in pairs:
        try:
            yield argument.arg, ast.literal_eval(default)
        except ValueError:
            continue
