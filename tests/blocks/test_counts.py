"""Depths, sizes and parts of the layers."""

from __future__ import annotations

import pytest

from blocks import Registry
from blocks.counts import SIZES, CountReader, said_sizes
from blocks.phrases import Meaning, Phrasebook, words_of
from blocks.said import Said

BOOK = Phrasebook(Registry.installed(), {})


def reader(text: str) -> CountReader:
    return CountReader(text, words_of(text), BOOK)


@pytest.mark.parametrize(
    ("text", "numbers", "unit", "rest"),
    [
        ("24 layers", (24,), "layers", ""),
        ("24-layer x", (24,), "layers", "x"),
        ("48 blocks, x", (48,), "blocks", ", x"),
        ("depth 48", (48,), "blocks", ""),
        ("depth of 48 x", (48,), "blocks", "x"),
        ("6 + 6 layers", (6, 6), "layers", ""),
        ("6+4 layers", (6, 4), "layers", ""),
        ("6 encoder and 4 decoder layers", (6, 4), "layers", ""),
        ("6 encoder layers, 4 decoder layers", (6, 4), "layers", ""),
        ("6 layers each", (6,), "layers", ""),
        ("6 layers, 8 layers", (6,), "layers", ", 8 layers"),
    ],
)
def test_depths(text: str, numbers: tuple[int, ...], unit: str, rest: str) -> None:
    found = reader(text)
    assert found.count()
    (count,) = found.counts
    assert (count.numbers, count.unit) == (numbers, unit)
    assert (text[found.words[found.at].start :] if found.at < len(found.words) else "") == rest


@pytest.mark.parametrize(
    "text", ["8 heads", "8%", "4 attention layers", "layers", "depth x", "6 + 6", "2.5 layers"]
)
def test_what_is_no_depth(text: str) -> None:
    found = reader(text)
    assert not found.count()
    assert (found.at, found.counts) == (0, [])


@pytest.mark.parametrize(
    ("text", "part", "rest"),
    [
        ("in 3 of 4 layers", (3, 4), False),
        ("in 3 out of 4", (3, 4), False),
        ("in every 4th layer", (-1, 4), False),
        ("every other layer", (-1, 2), False),
        ("in the others", None, True),
        ("in the other layers", None, True),
        ("in the remaining blocks", None, True),
        ("elsewhere", None, True),
        ("in 3 layers", None, False),
        ("every day", None, False),
        ("other", None, False),
    ],
)
def test_parts_of_the_layers(text: str, part: tuple[int, int] | None, rest: bool) -> None:
    found, said = reader(text), Said(Meaning("mixer", "m"), (0, 0), {})
    found.part(said)
    assert (said.part, said.rest) == (part, rest)
    assert (found.at == len(found.words)) == (part is not None or rest)


@pytest.mark.parametrize(("size", "name"), [(size, name) for size, names in SIZES.items() for name in names])
@pytest.mark.parametrize("form", ["{} 512", "{} of 512", "512 {}"])
def test_sizes(size: str, name: str, form: str) -> None:
    found = reader(form.format(name))
    assert found.size()
    assert [(one.name, one.value) for one in found.sizes] == [(size, 512)]


def test_sizes_of_a_whole_sentence() -> None:
    assert said_sizes("Transformer, d_model 512 and a vocabulary of 32k, width 9", BOOK) == {
        "d_model": 512, "vocab_size": 32_000,
    }  # fmt: skip
    assert said_sizes("Transformer", BOOK) == {}


@pytest.mark.parametrize(
    "text", ["8 heads", "window of 128 tokens", "no qkv bias", "QK-norm", "sliding window 128"]
)
def test_options_of_several_blocks(text: str) -> None:
    found = reader(text)
    assert found.wide_option()
    assert found.at == len(found.words)
    assert found.slice(found.wide[0].range) == text


@pytest.mark.parametrize(
    "text", ["attention", "2 sliding-window attention", "sliding window 128 in 3 of 4 layers", "x"]
)
def test_what_is_no_option_of_several(text: str) -> None:
    assert not reader(text).wide_option()
