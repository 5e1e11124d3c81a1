"""20,000 recipes with mistakes: what comes out is a model or the project's own refusal, never another exception.

benchmarks/fuzz_recipes.py does the same with 200,000 and says what they were.
"""

from collections import Counter
from contextlib import suppress
from random import Random

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import blocks
from blocks import BlocksError, Registry

EXAMPLES, EACH = 400, 50
SEEDS = st.lists(st.integers(0, 2**32 - 1), min_size=EACH, max_size=EACH)


@pytest.fixture(scope="module")
def registry():
    return Registry.installed()


@pytest.fixture(scope="module")
def seeds(mutations):
    return mutations.seeds()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(numbers=SEEDS)
def test_only_our_own_refusals_come_out(mutations, registry, seeds, numbers):
    for number in numbers:
        text, changes = mutations.mutated(Random(number), seeds)
        try:
            mutations.attempt(text, changes, registry)
        except Exception:
            note(f"python benchmarks/fuzz_recipes.py --show {number}\n{text}\n{changes}")
            raise


@pytest.mark.parametrize("text", ["RICH", "STREAMS", "SENTENCES"])
def test_what_is_changed_is_nearly_right(mutations, registry, text):
    """The seeds say what the language says now; else their changes would all end at the first key."""
    whole = getattr(mutations, text)
    for recipe in [whole] if isinstance(whole, str) else whole:
        assert mutations.attempt(recipe, (), registry) == "compiled"


def test_many_of_them_are_still_good(mutations, registry, seeds):
    """What gets past the reader is what tries the planner and the compiler."""
    results = Counter()
    for number in range(400):
        results[mutations.attempt(*mutations.mutated(Random(number), seeds), registry)] += 1
    assert results["planned"] + results["compiled"] > 60
    assert len(results) > 25


@settings(max_examples=100, deadline=None)
@given(text=st.text())
def test_any_text_at_all(text):
    with suppress(BlocksError):
        blocks.load(text + "\n").plan()
