"""Scopes of Python text: which names of a definition mean something of its module, and which are its own.

A name is hidden by a parameter, an assignment, an import or a definition of the function around it, as Python
resolves names; class bodies hide names from their own statements alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, *Comprehension.__args__)


def module_names(node: ast.AST, hidden: frozenset[str] = frozenset()) -> Iterator[ast.Name]:
    """The `Name` nodes below a node that refer to its module, or to Python's built-in names."""
    if isinstance(node, ast.Name):
        if node.id not in hidden:
            yield node
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        yield from _function(node, hidden)
    elif isinstance(node, ast.ClassDef):
        yield from _each([*node.decorator_list, *node.bases, *node.keywords], hidden)
        inside = hidden | _bound(node.body)
        for statement in node.body:
            is_function = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from module_names(statement, hidden if is_function else inside)
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        yield from module_names(node.generators[0].iter, hidden)
        inside = hidden | _bound([generator.target for generator in node.generators])
        rest = [part for part in ast.iter_child_nodes(node) if part is not node.generators[0]]
        yield from _each([*rest, *node.generators[0].ifs], inside)
    else:
        yield from _each(ast.iter_child_nodes(node), hidden)


def _function(node: Function, hidden: frozenset[str]) -> Iterator[ast.Name]:
    arguments = node.args
    listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    listed += [extra for extra in (arguments.vararg, arguments.kwarg) if extra is not None]
    outside: list[ast.AST | None] = [*arguments.defaults, *arguments.kw_defaults]
    outside += [argument.annotation for argument in listed]
    body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else [*node.body]
    if not isinstance(node, ast.Lambda):
        outside += [*node.decorator_list, node.returns]
    yield from _each([part for part in outside if part is not None], hidden)
    yield from _each(body, hidden | {argument.arg for argument in listed} | _bound(body))


def _each(nodes: Iterable[ast.AST], hidden: frozenset[str]) -> Iterator[ast.Name]:
    return chain.from_iterable(module_names(node, hidden) for node in nodes)


def _bound(nodes: Iterable[ast.AST]) -> frozenset[str]:
    """Names that statements bind in their own scope; what nested scopes bind stays theirs."""
    found: set[str] = set()
    shared: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Global):
            shared |= set(node.names)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            found.add(node.name)
        if not isinstance(node, NESTED):
            waiting += ast.iter_child_nodes(node)
    return frozenset(found - shared)
