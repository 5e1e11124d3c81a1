"""Which mixers are tried."""

import pytest

from blocks import RecipeError, Registry
from blocks_compiler.conformance.trials import of_name


def test_every_shipped_mixer_can_be_tried_by_its_name():
    names = Registry.installed(plugins=False).names("mixer")
    trials = {name: of_name(name) for name in names}
    assert [trial.mixer.name for trial in trials.values()] == names
    assert {name for name, trial in trials.items() if trial.mixer.memory_width is not None} == {"bahdanau"}


def test_a_mixer_is_as_narrow_as_its_options_let_it_be():
    assert of_name("multi_head").width == 64
    assert of_name("grouped_query").width == 512  # eight key/value heads of 64 channels
    assert of_name("grouped_query", ["n_kv_heads=2"]).width == 128
    assert of_name("grouped_query", ["n_kv_heads=2", "head_dim=8"], width=48).width == 48
    with pytest.raises(RecipeError, match="8 key/value heads cannot serve 1 query heads"):
        of_name("grouped_query", width=64)
    with pytest.raises(RecipeError, match="5 heads do not divide d_model = 64"):
        of_name("multi_head", ["n_heads=5"])


def test_options_are_those_of_a_recipe():
    trial = of_name(
        "blocks-dsl:multi_head", ["n_heads=2", "qk_norm={rmsnorm: {eps: 0.1}}"], width=16, memory=True
    )
    assert (trial.mixer.memory_width, trial.mixer.n_heads, trial.mixer.qk_norm.eps) == (16, 2, 0.1)
    with pytest.raises(RecipeError, match="rope relates tokens of one stream"):
        of_name("multi_head", ["position=rope"], memory=True)
