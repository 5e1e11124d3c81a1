"""Families: told from the operations inside, so that names do not matter."""

import pytest

from blocks import Inside, Mixer, Op
from blocks_compiler.families import FAMILIES, family


def stranger(*kinds):
    """A mixer with operations of these kinds inside."""

    class Stranger(Mixer):
        def inside(self):
            return Inside(tuple(Op(f"op{i}", kind, ("x",), ("B",)) for i, kind in enumerate(kinds)))

    return Stranger()


@pytest.mark.parametrize(
    ("kinds", "name"),
    [
        (("linear", "scores", "linear"), "attention"),
        (("linear", "conv", "scan"), "recurrence"),
        (("scan", "scores"), "attention"),
        (("linear", "conv"), "convolution"),
        (("linear", "gate"), "feed-forward"),
        ((), "other"),
    ],
)
def test_families(kinds, name):
    assert family(stranger(*kinds)) == name
    assert name in FAMILIES


def test_a_box_without_a_lid_is_other():
    assert family(Mixer()) == "other"
