"""Inlining: definitions with all that they use, names of several packages kept apart."""

import importlib
from pathlib import Path

import pytest

from blocks import BuildError
from blocks_compiler.backends.inline import Inliner, defaults, rename

FIRST = '''
import math
from typing import NamedTuple

import torch
from torch import nn

from .kernels import scale as times

# How much, in all.
AMOUNT = 2 * math.pi


class Cache(NamedTuple):
    """What is kept."""

    keys: torch.Tensor


def helper(x):
    return times(x, AMOUNT)


def unused(x):
    return x


class One(nn.Module):
    """The first."""

    def __init__(self, d_model: int, *, eps: float = 1e-5, words: tuple[str, ...] = ("a",), f=helper) -> None:
        super().__init__()

    def forward(self, x, state: Cache | None = None, mask=None):
        helper_of = [helper(x) for helper in [helper]]
        return helper(x=helper_of), Cache(x)
'''
KERNELS = """
def scale(x, by):
    return deep(x) * by


def deep(x):
    return x if x is None else shallow(x)


def shallow(x):
    return x or deep(x)
"""
SECOND = """
from torch import nn


def helper(x):
    return -x


class Two(nn.Module):
    def forward(self, x, helper=helper):
        return self.helper(helper(x)), {"helper": helper}

    def helper(self, x):
        return x
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two plugins whose helpers have one name, and some that no file can stand on."""
    texts = {
        "inline_first": {"module": FIRST, "kernels": KERNELS},
        "inline_second": {"module": SECOND, "same": SECOND.replace("Two", "Same")},
        "inline_third": {"module": SECOND.replace("-x", "x + 3").replace("Two", "Three")},
        "inline_bad": {"module": "import numpy\n\n\nclass Bad:\n    pass\n", "empty": ""},
    }
    for package, files in texts.items():
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
        for name, text in files.items():
            (tmp_path / package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()


@pytest.mark.usefixtures("packages")
class TestAdd:
    def test_dependencies_come_first_and_nothing_else(self):
        inliner = Inliner()
        assert inliner.add("inline_first.module:One") == "One"
        names = list(inliner.texts)
        assert set(names) == {"One", "Cache", "helper", "AMOUNT", "scale", "deep", "shallow"}
        assert names.index("AMOUNT") < names.index("helper") < names.index("One")
        assert inliner.texts["AMOUNT"].startswith("# How much, in all.\n")
        assert {"import math", "import torch", "from torch import nn"} <= inliner.imports

    def test_names_under_which_a_sibling_was_imported(self):
        inliner = Inliner()
        inliner.add("inline_first.module:One")
        assert "scale(x, AMOUNT)" in inliner.texts["helper"]

    def test_a_name_that_two_packages_use_is_kept_apart(self):
        inliner = Inliner()
        inliner.add("inline_first.module:One")
        inliner.add("inline_second.module:Two")
        inliner.add("inline_third.module:Three")
        assert {"helper", "helper_inline_second", "helper_inline_third"} <= inliner.texts.keys()
        assert inliner.texts["helper_inline_second"].startswith("def helper_inline_second(x):")
        two = inliner.texts["Two"]
        assert "helper=helper_inline_second" in two
        assert "def helper(self, x):" in two
        assert '{"helper": helper}' in two
        assert "self.helper(helper(x))" in two

    def test_the_same_text_of_two_files_is_one_definition(self):
        inliner = Inliner()
        inliner.add("inline_second.module:Two")
        inliner.add("inline_second.same:Same")
        assert [name for name in inliner.texts if name.startswith("helper")] == ["helper"]

    def test_a_chosen_kernel_takes_the_place_of_a_function(self):
        inliner = Inliner(replace={"inline_first.kernels:scale": "fast.kernels:quick"})
        inliner.add("inline_first.module:One")
        assert "from fast.kernels import quick as scale" in inliner.imports
        assert not {"scale", "deep"} & inliner.texts.keys()

    def test_modules_of_torch_are_named_not_copied(self):
        inliner = Inliner()
        assert inliner.add("torch.nn:Linear") == "nn.Linear"
        assert not inliner.texts

    @pytest.mark.parametrize(
        ("target", "message"),
        [
            ("inline_bad.module:Bad", "imports numpy, and a generated model can import torch alone"),
            ("inline_bad.empty:Bad", "defines no 'Bad'"),
            ("inline_bad.nowhere:Bad", "cannot be found"),
            ("inline_nowhere.module:Bad", "cannot be found"),
        ],
    )
    def test_what_cannot_be_inlined(self, target, message):
        with pytest.raises(BuildError, match=message):
            Inliner().add(target)


@pytest.mark.usefixtures("packages")
def test_defaults_are_the_literal_ones():
    assert defaults("inline_first.module:One") == {"eps": 1e-5, "words": ("a",)}
    assert defaults("inline_second.module:Two") == {}
    assert defaults("torch.nn:Linear") == {}


def test_defaults_of_a_base_class():
    assert defaults("blocks_attention.module:Attention")["causal"] is True


def test_rename_leaves_what_only_looks_alike():
    text = 'def f(x):\n    """f é."""\n    return f(x.f, f=1, g="f é") + f(y)\n'
    wanted = 'def h(x):\n    """f é."""\n    return h(x.f, f=1, g="f é") + h(y)\n'
    assert rename(text, {"f": "h"}) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("def g(f):\n    return f(1)\n", "def g(f):\n    return f(1)\n"),
        ("def g(x, y=f):\n    return f(y)\n", "def g(x, y=h):\n    return h(y)\n"),
        ("def g(x):\n    f = x\n    return f\n", "def g(x):\n    f = x\n    return f\n"),
        ("def g(x):\n    return [f for f in f(x)]\n", "def g(x):\n    return [f for f in h(x)]\n"),
        ("g = lambda f: f\n", "g = lambda f: f\n"),
        ("g = lambda x: f(x)\n", "g = lambda x: h(x)\n"),
        (
            "class G(f):\n    f: int\n\n    def g(self) -> f:\n        return f(self.f)\n",
            "class G(h):\n    f: int\n\n    def g(self) -> h:\n        return h(self.f)\n",
        ),
        ("def g(x):\n    def k():\n        return f(x)\n    return k\n",
         "def g(x):\n    def k():\n        return h(x)\n    return k\n"),
        ("def g(f):\n    def k():\n        return f\n    return k\n",
         "def g(f):\n    def k():\n        return f\n    return k\n"),
        ("f = 1\n", "h = 1\n"),
    ],
)  # fmt: skip
def test_rename_knows_scopes(text, wanted):
    assert rename(text, {"f": "h"}) == wanted


# What would give wrong source without a word -------------------------------------------------------------------------


def package(folder: Path, monkeypatch: pytest.MonkeyPatch, **modules: str) -> None:
    """Write single-file modules that can be imported."""
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()


def test_equal_texts_with_other_helpers_are_kept_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "def outer(x):\n    return inner(x)\n\n\ndef inner(x):\n    return x + {}\n"
    package(tmp_path, monkeypatch, equal_a=text.format(1), equal_b=text.format(2), equal_c=text.format(1))
    inliner = Inliner()
    names = [inliner.add(f"equal_{letter}:outer") for letter in "abc"]
    assert names == ["outer", "outer_equal_b", "outer"]
    scope: dict[str, object] = {}
    exec("\n".join(inliner.texts.values()), scope)
    assert [scope[name](0) for name in names] == [1, 2, 1]  # type: ignore[operator]


def test_one_name_for_two_imports_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(
        tmp_path,
        monkeypatch,
        clash_a="import torch.nn.functional as F\n\n\ndef one(x):\n    return F.relu(x)\n",
        clash_b="import torch.fft as F\n\n\ndef two(x):\n    return F.fft(x)\n",
    )
    inliner = Inliner()
    inliner.add("clash_a:one")
    with pytest.raises(BuildError, match="one file cannot have both"):
        inliner.add("clash_b:two")


@pytest.mark.parametrize(
    "made", ["A, B = 1, 2", "try:\n    A = 1\nfinally:\n    pass", "if True:\n    A = 1"]
)
def test_a_name_that_cannot_be_copied_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: str
) -> None:
    name = f"uncopied_{abs(hash(made))}"
    package(tmp_path, monkeypatch, **{name: f"{made}\n\n\ndef f(x):\n    return x + A\n"})
    with pytest.raises(BuildError, match="refers to A, which no plain definition"):
        Inliner().add(f"{name}:f")


def test_lines_are_counted_as_python_counts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(
        tmp_path, monkeypatch, feeds='"""A page\x0c, and \u2028 another."""\n\n\ndef f(x):\n    return x\n'
    )
    inliner = Inliner()
    inliner.add("feeds:f")
    assert inliner.texts["f"] == "def f(x):\n    return x\n"
