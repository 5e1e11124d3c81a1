"""What was said, compared."""

from blocks.phrases import Meaning
from blocks.said import Said


def test_saying_the_same_elsewhere_is_the_same() -> None:
    rope = Meaning("position", "rope")
    assert Said(rope, (0, 4), {}).same(Said(rope, (9, 13), {}))
    assert not Said(rope, (0, 4), {}).same(Said(rope, (0, 4), {"theta": 5}))
    assert not Said(rope, (0, 4), {}).same(Said(Meaning("position", "alibi"), (0, 4), {}))
