"""What cannot be is said at once, and what can be is not refused."""

import pytest

from blocks import UsageError
from blocks_generate import Options


def wrong(**options):
    with pytest.raises(UsageError) as caught:
        Options(**options).check()
    assert {d.code for d in caught.value.diagnostics} == {"B1701"}
    assert all(d.help for d in caught.value.diagnostics)
    return [d.message for d in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_p": 0.0}, "top-p 0 is no share"),
        ({"top_p": 1.1}, "top-p 1.1 is no share"),
        ({"top_p": float("nan")}, "top-p nan"),
        ({"top_k": 0}, "top-k 0: there is no less than 1"),
        ({"min_p": -0.1}, "min-p -0.1"),
        ({"temperature": -1.0}, "temperature -1 is not a number from 0 on"),
        ({"temperature": float("inf")}, "temperature inf"),
        ({"repetition_penalty": 0.0}, "repetition penalty 0"),
        ({"max_new_tokens": 0}, "max-new-tokens 0"),
        ({"batch": 0}, "batch 0"),
        ({"chunk": -1}, "chunk -1"),
        ({"samples": 0}, "samples 0"),
        ({"seed": -1}, "seed -1"),
        ({"stop": ["a", ""]}, "an empty stop string"),
        ({"length_penalty": 1.0}, "a length penalty is for beam search"),
        ({"beams": 2, "length_penalty": float("nan")}, "length penalty nan"),
        ({"beams": 4, "temperature": 0.8}, "beams 4 search for the likeliest text"),
        ({"beams": 4, "top_k": 2}, "top-k chooses what is drawn"),
        ({"beams": 4, "top_k": 2, "min_p": 0.1}, "top-k and min-p choose what is drawn"),
        ({"beams": 2, "samples": 3}, "2 beams cannot give 3 samples"),
        ({"temperature": 0.0, "samples": 2}, "2 samples at temperature 0"),
    ],
)
def test_each_mistake_is_named(options, message):
    (found,) = wrong(**options)
    assert message in found


def test_all_mistakes_come_at_once():
    assert len(wrong(top_p=0.0, temperature=-1.0, beams=0, max_new_tokens=0, stop=[""], seed=-2)) == 6


@pytest.mark.parametrize(
    ("options", "heat"),
    [
        ({}, 1),
        ({"beams": 4}, 0),
        ({"beams": 4, "temperature": 0.0, "samples": 4}, 0),
        ({"temperature": 0.0, "top_k": 5, "top_p": 1.0, "min_p": 0.0}, 0),
        ({"temperature": 0.7, "samples": 9, "repetition_penalty": 0.5}, 0.7),
        ({"beams": 3, "length_penalty": -1.0, "repetition_penalty": 1.1}, 0),
    ],
)
def test_what_goes_together(options, heat):
    Options(**options).check()
    assert Options(**options).heat == heat
