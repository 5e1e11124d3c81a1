"""Which parts of a model cannot keep documents apart, or take padding."""

from __future__ import annotations

import pytest

import blocks
from blocks.packing import lacking


@pytest.mark.parametrize("name", ["gpt2-tiny", "hybrid-tiny", "mamba2-tiny", "zoo/mixtral-like"])
def test_language_models_lack_nothing(name: str) -> None:
    streams = blocks.load(name).plan().streams
    assert lacking(streams) == []
    assert lacking(streams, "padded") == []


def test_each_part_that_cannot_is_named_once() -> None:
    streams = blocks.load("rnnsearch-tiny").plan().streams
    names = lacking(streams)
    assert names
    assert len(names) == len(set(names))
    assert lacking(streams, "padded") == []
