"""Reading options: with words between, in brackets, of tokens, and where they end."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from blocks import Mixer, Norm, Position, Registry
from blocks.options import OptionReader, slot_of
from blocks.phrases import Meaning, Phrasebook, words_of
from blocks.said import DEFAULT, Said


class Mixed(Mixer):
    n_heads: int = 2
    window: int | None = None
    bias: bool = False
    activation: Literal["relu", "gelu"] = "relu"
    qk_norm: Norm | None = None
    position: Position | None = None


def read(text: str) -> tuple[dict[str, Any], str, tuple[int, int] | None]:
    """The options after the first word, what is left, and the words that are no option."""
    reader = OptionReader(text, words_of(text), Phrasebook(Registry.installed(), {}))
    said = Said(Meaning("mixer", "mixed", Mixed), reader.place(0, 1), {})
    reader.at = 1
    wrong = reader.options(said, Mixed)
    rest = text[reader.words[reader.at].start :] if reader.at < len(reader.words) else ""
    return said.options, rest, wrong


@pytest.mark.parametrize(
    ("text", "options", "rest"),
    [
        ("it", {}, ""),
        ("it with 8 heads, x", {"n_heads": 8}, ", x"),
        ("it with 8 heads and window of 16 and FFN", {"n_heads": 8, "window": 16}, "and FFN"),
        ("it of 4096 tokens with 8 heads", {"window": 4096, "n_heads": 8}, ""),
        ("it 128, x", {"window": 128}, ", x"),
        ("it of 8 heads", {"n_heads": 8}, ""),
        ("it with a window of 16 tokens and x", {"window": 16}, "and x"),
        ("it with bias", {"bias": True}, ""),
        ("it without bias", {"bias": False}, ""),
        ("it with GELU", {"activation": "gelu"}, ""),
        ("it with activation gelu", {"activation": "gelu"}, ""),
        ("it with GELU activation and x", {"activation": "gelu"}, "and x"),
        ("it with QK-norm", {"qk_norm": DEFAULT}, ""),
        ("it with QK-norm RMSNorm (eps 0.5)", {"qk_norm": {"rmsnorm": {"eps": 0.5}}}, ""),
        ("it with no QK-norm", {"qk_norm": "none"}, ""),
        ("it with no window", {"window": None}, ""),
        ("it with RoPE theta 5 and 8 heads", {"position": {"rope": {"theta": 5}}, "n_heads": 8}, ""),
        ("it with 8 heads and RoPE", {"n_heads": 8}, "and RoPE"),
        ("it with LayerNorm", {}, "LayerNorm"),
        (
            "it (8 heads, RoPE (theta 5), no bias) and x",
            {"n_heads": 8, "position": {"rope": {"theta": 5}}, "bias": False},
            "and x",
        ),
        ("it (16, no positions), x", {"window": 16, "position": "none"}, ", x"),
    ],
)
def test_options(text: str, options: dict[str, Any], rest: str) -> None:
    assert read(text) == (options, rest, None)


@pytest.mark.parametrize(
    ("text", "options", "wrong"),
    [
        ("it with 3 wings, x", {}, "3 wings"),
        ("it (3 wings, 8 heads), x", {"n_heads": 8}, "3 wings"),
        ("it with", {}, "with"),
    ],
)
def test_what_is_no_option(text: str, options: dict[str, Any], wrong: str) -> None:
    found, _, place = read(text)
    assert found == options
    assert place is not None
    words = words_of(text)
    assert text[words[place[0]].start : words[place[1] - 1].end] == wrong


def test_slots() -> None:
    said = Said(Meaning("position", "rope"), (0, 4), {})
    assert slot_of(said) == "rope"
    said.options["theta"] = 5
    assert slot_of(said) == {"rope": {"theta": 5}}
