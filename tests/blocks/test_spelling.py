"""Lists of blocks as a person would write them, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import blocks
from blocks.spelling import spelled


def laid_out(names: list[str]) -> list[str]:
    """The blocks of a recipe whose stack is spelled so."""
    recipe = blocks.Recipe(
        recipe="r",
        d_model=8,
        vocab_size=8,
        blocks={name: {"mixer": "mlp", "d_ff": 8 + ord(name)} for name in "abc"},
        model=[{"embed": "tokens"}, {"stack": spelled(names)}, {"head": "lm"}],
    )
    return [layer.type.name for layer in recipe.plan().layers]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40))
def test_what_is_spelled_lays_out_to_the_same_list(names: list[str]) -> None:
    assert laid_out(names) == names


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("abababab", {"depth": 8, "cycle": ["a", "b"]}),
        ("aaaa", {"depth": 4, "cycle": ["a"]}),
        ("aba", {"layers": "a, b, a"}),
        ("abab" + "cbcbcb", {"layers": "2 x [a, b], 3 x [c, b]"}),
        ("a" * 5 + "b", {"layers": "5 x [a], b"}),
        ("ac" + "bcbc", {"layers": "a, c, 2 x [b, c]"}),
        (("ac" * 3 + "bc") * 2, {"depth": 16, "cycle": list("acacacbc")}),
        (("ac" * 12 + "bc") * 2, {"layers": "2 x [12 x [a, c], b, c]"}),
    ],
)
def test_the_shortest_words_are_found(names: str, said: dict[str, object]) -> None:
    assert spelled(list(names)) == said


@pytest.mark.parametrize(
    ("name", "scatter"),
    [
        ("nemotron-h-8b", {"attention": "8%", "before": "ffn"}),
        ("nemotron-h-56b", {"attention": 10, "before": "ffn"}),
    ],
)
def test_published_hybrids_are_woven(name: str, scatter: dict[str, object]) -> None:
    names = [layer.type.name for layer in blocks.load(name).plan().layers]
    assert spelled(names) == {"depth": len(names), "interleave": ["mamba2", "ffn"], "scatter": scatter}
