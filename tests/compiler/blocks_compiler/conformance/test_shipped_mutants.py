"""The suite is tested by mutants of the mixers that are shipped: it kills at least 95% of them, and says which live."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from blocks_compiler.conformance.cases import CASES
from blocks_compiler.conformance.measure import Violation
from blocks_compiler.conformance.subject import Subject

HERE = Path(__file__).parent
PLUGINS = HERE.parents[3] / "plugins"
NAMES = ("attention", "feedforward", "norms", "positions", "recurrent", "ssm")
LEAST = 0.95


def load(path: Path) -> ModuleType:
    """A file without a package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


table = load(HERE / "mutants.py")
BY_NAME = {case.name: case for case in CASES}
numbers = count()


def source(place: str) -> tuple[str, str]:
    """The text of the file of a place, and the name in it."""
    file, _, name = place.partition(":")
    return (PLUGINS / f"blocks_{file}").read_text(), name


def changed(text: str, name: str, old: str, new: str) -> str:
    """The text of a file with one piece replaced, which stands once in the class, method or function called so."""
    first, last = 0, len(text.splitlines())
    body = ast.parse(text).body
    for part in filter(None, name.split(".")):
        named = [n for n in body if isinstance(n, ast.ClassDef | ast.FunctionDef) and n.name == part]
        if not named:
            raise LookupError(f"nothing is called {name}")
        node = named[0]
        first, last, body = node.lineno - 1, node.end_lineno or last, node.body
    lines = text.splitlines(keepends=True)
    inside = "".join(lines[first:last])
    if inside.count(old) != 1:
        raise LookupError(f"{old!r} stands {inside.count(old)} times in {name or 'the file'}")
    return "".join([*lines[:first], inside.replace(old, new), *lines[last:]])


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Subject]]:
    """The mixer of a mutant: its plugin copied under another name, one text changed; or the mixer as it is shipped."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(mixer: str, mutant: tuple[str, str, str] | None = None) -> Subject:
        found = {name: importlib.import_module(f"blocks_{name}.specs") for name in NAMES}
        if mutant is not None:
            place, old, new = mutant
            plugin, _, file = place.partition(":")[0].partition("/")
            package = f"mutant_{next(numbers)}_{plugin}"
            shutil.copytree(
                PLUGINS / f"blocks_{plugin}", tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
            )
            (tmp_path / package / file).write_text(changed(*source(place), old, new))
            for path in (tmp_path / package).glob("*.py"):
                path.write_text(path.read_text().replace(f"blocks_{plugin}", package))
            importlib.invalidate_caches()
            found[plugin] = importlib.import_module(f"{package}.specs")
        found["units"] = importlib.import_module(f"{found['recurrent'].__package__}.unit_specs")
        found["experts"] = importlib.import_module(f"{found['feedforward'].__package__}.moe_specs")
        return Subject(table.MIXERS[mixer](SimpleNamespace(**found)), table.WIDTH)

    yield make
    for name in [name for name in sys.modules if name.startswith("mutant_")]:
        del sys.modules[name]


def killer(subject: Subject, first: str) -> str | None:
    """The case that finds something wrong, the expected one tried first; None: the mutant lives."""
    for case in sorted(CASES, key=lambda case: case.name != first):
        if case.applies(subject) and case.name not in subject.bound.waivers():
            try:
                case.check(subject)
            except Violation:
                return case.name
    return None


def test_every_mutant_has_its_place():
    lost = {}
    for mutant in table.MUTANTS:
        try:
            changed(*source(mutant.place), mutant.old, mutant.new)
        except (LookupError, FileNotFoundError) as error:
            lost[f"{mutant.mixer}: {mutant.why}"] = str(error)
    assert not lost, f"the shipped code has changed, and mutants.py has not: {lost}"


def test_mutants_are_killed(subject):
    killed = {
        mutant: killer(subject(mutant.mixer, (mutant.place, mutant.old, mutant.new)), mutant.case)
        for mutant in table.MUTANTS
    }
    assert len(killed) >= 40
    alive = [f"{mutant.mixer}: {mutant.why}" for mutant, case in killed.items() if case is None]
    rate = 1 - len(alive) / len(killed)
    assert rate >= LEAST, f"{rate:.0%} of {len(killed)} mutants are killed; alive: {'; '.join(alive)}"
    others = [
        f"{mutant.mixer}: {mutant.why}: {case}"
        for mutant, case in killed.items()
        if case not in (None, mutant.case)
    ]
    assert not others, f"killed by other cases than the table says: {'; '.join(others)}"


@pytest.mark.parametrize("mixer", table.MIXERS)
def test_mixers_without_a_mistake_hold_what_kills_their_mutants(subject, mixer):
    sound = subject(mixer)
    for name in dict.fromkeys(mutant.case for mutant in table.MUTANTS if mutant.mixer == mixer):
        assert name not in sound.bound.waivers()
        if BY_NAME[name].applies(sound):  # it does not where the mutant declares too much
            BY_NAME[name].check(sound)
