"""Saving and loading: the same bits, ties, shards, dtypes, device maps, Auto classes."""

import copy
import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
)

import blocks
import blocks_hf
from blocks_hf.body import ties

AUTO = {
    "gpt2-tiny": AutoModelForCausalLM,
    "nemotron-h-tiny": AutoModelForCausalLM,
    "transformer-tiny": AutoModelForSeq2SeqLM,
    "zoo/albert": AutoModelForMaskedLM,
    "zoo/zamba2-like": AutoModelForCausalLM,
}
SMALL = {"zoo/albert": {"d_model": 192, "vocab_size": 300}, "zoo/zamba2-like": {}}


def built(name: str):
    recipe = blocks.load(name, set=SMALL.get(name, {}))
    return blocks.build(recipe, seed=5).eval()


@pytest.mark.parametrize("name", AUTO)
def test_there_and_back_bit_by_bit(name, tmp_path):
    model = built(name)
    run = blocks_hf.to_transformers(model)
    run.save_pretrained(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    assert len(stored) == len({id(parameter) for parameter in model.parameters()})
    again, info = AUTO[name].from_pretrained(tmp_path, output_loading_info=True)
    assert type(again) is type(run)
    assert not any(info.values())
    state = again.state_dict()
    assert all(torch.equal(state[key], value) for key, value in run.state_dict().items())
    assert ties(again) == ties(run)
    assert again.config.recipe == model.recipe
    bare, info = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert type(bare) is blocks_hf.BlocksModel
    assert not any(info.values())


def test_config_says_what_tools_look_for(hf, tmp_path):
    hf("nemotron-h-tiny").save_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    assert values["model_type"] == "blocks"
    assert values["architectures"] == ["BlocksForCausalLM"]
    assert (values["vocab_size"], values["hidden_size"], values["num_hidden_layers"]) == (256, 64, 13)
    config = AutoConfig.from_pretrained(tmp_path)
    assert (config.num_attention_heads, config.num_key_value_heads, config.head_dim) == (8, 2, 16)
    assert config.max_position_embeddings is None
    assert config.use_cache
    assert hf("gpt2-tiny").config.max_position_embeddings == 256
    assert hf("gpt2-tiny").config.tie_word_embeddings
    assert not hf("nemotron-h-tiny").config.tie_word_embeddings
    assert hf("transformer-tiny").config.is_encoder_decoder


def test_shards(hf, tmp_path):
    hf("gpt2-tiny").save_pretrained(tmp_path, max_shard_size="100KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert all(
        torch.equal(a, b) for a, b in zip(again.parameters(), hf("gpt2-tiny").parameters(), strict=True)
    )


def test_dtypes(hf, ids, tmp_path):
    hf("nemotron-h-tiny").save_pretrained(tmp_path)
    half = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in half.parameters()} == {torch.bfloat16}
    wanted = copy.deepcopy(hf("nemotron-h-tiny")).to(torch.bfloat16)(ids).logits
    assert torch.equal(half(ids).logits, wanted)
    half.save_pretrained(tmp_path / "half")
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "half").dtype == torch.bfloat16


def test_a_missing_weight_is_drawn_and_named(hf, tmp_path, caplog):
    run = hf("nemotron-h-tiny")
    state = run.state_dict()
    lost = {"model.layers.0.mixer.A_log", "model.layers.1.mixer.out_proj.weight", "head.weight"}
    run.save_pretrained(tmp_path, state_dict={k: v for k, v in state.items() if k not in lost})
    again, info = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert info["missing_keys"] == lost
    for key, value in again.state_dict().items():
        assert torch.isfinite(value).all()
        assert torch.equal(value, state[key]) == (key not in lost)
    fresh = blocks.build("nemotron-h-tiny").layers[1].mixer.out_proj.weight.std()
    assert again.model.layers[1].mixer.out_proj.weight.std() == pytest.approx(float(fresh), rel=0.05)


def test_from_a_config_weights_are_drawn_by_torchs_seed(hf):
    config = hf("gpt2-tiny").config
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(AutoModelForCausalLM.from_config(config).model.embed.weight)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert drawn[0].std() == pytest.approx(0.02, rel=0.05)


def test_copies_are_whole_and_apart(hf, ids):
    run = hf("gpt2-tiny")
    again = copy.deepcopy(run)
    assert again.head.weight is again.model.embed.weight
    assert again.head.weight is not run.head.weight
    assert torch.equal(again(ids).logits, run(ids).logits)


def test_device_map_auto(hf, ids, left, tmp_path):
    pytest.importorskip("accelerate")
    run = hf("nemotron-h-tiny")
    run.save_pretrained(tmp_path)
    whole = AutoModelForCausalLM.from_pretrained(tmp_path, device_map="auto")
    assert torch.equal(whole(ids, left).logits, run(ids, left).logits)
    split = AutoModelForCausalLM.from_pretrained(
        tmp_path, device_map="auto", max_memory={"cpu": 1_200_000}, offload_folder=tmp_path / "off"
    )
    assert set(split.hf_device_map.values()) == {"cpu", "disk"}
    assert {name.count(".") for name in split.hf_device_map if "layers" in name} == {2}  # no block is split
    assert torch.equal(split(ids, left).logits, run(ids, left).logits)
    options = {"attention_mask": left, "max_new_tokens": 3, "do_sample": False}
    assert torch.equal(split.generate(ids, **options), run.generate(ids, **options))


def test_a_recipe_that_cannot_be(hf, tmp_path):
    hf("gpt2-tiny").save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"recipe": "recipe: broken\nd_model: many\n"}))
    with pytest.raises(blocks.RecipeError):
        AutoModelForCausalLM.from_pretrained(tmp_path)
