"""Suggestions: the name that was probably meant, or none."""

import pytest

from blocks.suggest import did_you_mean


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("d_modle", "d_model"), ("dmodel", "d_model"), ("D-Model", "d_model"), ("n_head", "n_heads"),
        ("mamba_2", "mamba2"), ("mamba3", "mamba2"), ("vocab", "vocab_size"), ("", None), ("x", None), ("_", None),
        ("d" * 10**5, None), ("n_haeds", "n_heads"),
    ],
)  # fmt: skip
def test_did_you_mean(word: str, meant: str | None) -> None:
    assert did_you_mean(word, ["d_model", "n_heads", "mamba2", "vocab_size"]) == meant


def test_did_you_mean_never_suggests_the_word_itself() -> None:
    assert did_you_mean("depth", ["depth"]) is None
    assert did_you_mean("abc", []) is None
