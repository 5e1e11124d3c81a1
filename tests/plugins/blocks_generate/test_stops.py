"""Stop strings: found across any boundary, never shown, not even in part; what is not one comes through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks_generate.stops import Stops

ALPHABET = st.text("ab", max_size=12)


def first_end(text, strings):
    """Where the text is cut: before the stop string that is whole first, the longest of those."""
    for end in range(len(text) + 1):
        starts = [end - len(s) for s in strings if text[:end].endswith(s)]
        if starts:
            return min(starts)
    return None


@given(
    pieces=st.lists(ALPHABET, max_size=6), strings=st.lists(st.text("ab", min_size=1, max_size=4), max_size=3)
)
def test_any_pieces_give_the_text_before_the_first_stop(pieces, strings):
    stops = Stops(strings)
    whole = "".join(pieces)
    cut = first_end(whole, strings)
    shown = ""
    for piece in pieces:
        shown += stops.feed(piece)
        assert whole.startswith(shown)
        assert cut is None or len(shown) <= cut
    assert stops.found == (cut is not None)
    shown += stops.close()
    assert shown == (whole if cut is None else whole[:cut])


def test_no_more_is_held_than_may_become_a_stop():
    stops = Stops(["\n\nUser:", "END"])
    assert stops.feed("Hello E") == "Hello "
    assert stops.feed("V") == "EV"
    assert stops.feed("\n") == ""
    assert stops.feed("\n") == ""
    assert stops.feed("\n") == "\n"
    assert stops.feed("\nUser") == "\n"
    assert not stops.found
    assert stops.feed(": hi") == ""
    assert stops.found
    assert stops.feed("more") + stops.close() == ""


@pytest.mark.parametrize("strings", [[], ["xyz"]])
def test_without_a_stop_all_comes(strings):
    stops = Stops(strings)
    assert stops.feed("abx") + stops.feed("y") + stops.close() == "abxy"
