"""Scopes: which names of a text mean something of its module."""

import ast
from itertools import chain

import pytest

from blocks_compiler.backends.scopes import module_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def f(a, b=c, *d, e: g = h, **i) -> j:\n    return a, k", "cghjk"),
        ("def f():\n    import a\n    from b import c as d\n    return a, b, c, d", "bc"),
        ("def f():\n    a = b\n    for c in a:\n        c += d\n    return a, c", "bd"),
        ("def f():\n    global a\n    a = b", "ab"),
        ("def f():\n    try:\n        a()\n    except b as c:\n        c()", "ab"),
        ("def f():\n    def a(): return b\n    class c(d): pass\n    return a, c", "bd"),
        ("def f(x):\n    match x:\n        case [a, *b]: return a, b, c", "c"),
        ("def f(x):\n    return {a: b for a, c in x for b in d(c) if e(a)}", "de"),
        ("def f(a):\n    return lambda b: (a, b, c)", "c"),
        ("class A(b):\n    c = d\n    e: g\n    def f(self): return c, h", "bdgch"),
        ("@a\nclass B(metaclass=c):\n    @d\n    def e(self): pass", "acd"),
        ("a = [b for b in c]", "ac"),
    ],
)
def test_names_of_the_module(text, names):
    found = chain.from_iterable(module_names(node) for node in ast.parse(text).body)
    assert {name.id for name in found} == set(names)
