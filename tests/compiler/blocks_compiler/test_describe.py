"""Components in a few words: what was written first, then what is not a default."""

from blocks_attention.specs import MultiHead
from blocks_compiler.describe import block_options, first_line, options, sentence
from blocks_feedforward.specs import MLP
from blocks_positions.specs import RoPE


def test_defaults_are_left_out_and_what_was_written_comes_first():
    mixer = MLP(d_ff=64, bias=True, activation="gelu")
    assert options(mixer) == {"d_ff": "64", "bias": "true"}
    assert list(options(mixer, ["bias"])) == ["bias"]
    assert list(options(mixer, ["bias", "d_ff", "unknown"])) == ["bias", "d_ff"]
    assert options(mixer, ["activation"]) == {"bias": "true"}
    assert options(MLP(d_ff=64), ["activation", "bias", "d_ff"]) == {"d_ff": "64"}


def test_what_fills_a_slot_has_its_own_options_where_it_goes_deep():
    mixer = MultiHead(n_heads=4, position=RoPE(theta=500000.0).named("rope"))
    assert options(mixer)["position"] == "rope (theta 500000)"
    assert options(mixer, deep=False)["position"] == "rope"
    assert options(MultiHead(position=RoPE().named("rope")))["position"] == "rope"


def test_a_sentence_names_a_true_option_by_its_name():
    assert sentence({"n_heads": "32", "bias": "true", "gate": "false"}) == "n_heads 32, bias, gate false"
    assert sentence({}) == ""


def test_a_block_is_told_as_the_recipe_wrote_it(planned):
    plan = planned()
    attention, ffn = plan.layers[0].type, plan.layers[1].type
    assert block_options(plan, attention) == {"n_heads": "2"}
    assert block_options(plan, ffn) == {"d_ff": "24"}


def test_an_override_tells_all_that_matters(planned):
    plan = planned(("norm: rmsnorm, residual: pre", "override: {attention: {n_heads: 4}}"))
    told = block_options(plan, plan.layers[0].type)
    assert told["n_heads"] == "4"
    assert told["head_dim"] == "4"


def test_the_first_sentence_of_a_description():
    assert first_line(RoPE()).startswith("Rotary position embedding (Su et al. 2021")
    assert first_line(MultiHead()).endswith("(Vaswani et al. 2017, arXiv:1706.03762, section 3.2)")
    assert "\n" not in first_line(MLP())
