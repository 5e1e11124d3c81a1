"""The config.json of published checkpoints, as they are on the Hub: read without a word, with the right total and text.

`published/NAME.json` is the config, `published/NAME.yaml` the recipe that it becomes.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

import blocks
from blocks.foreign_config import HARMLESS, Config
from blocks.published import published
from blocks_compiler.foreign import family_of, importer_of, recipe_of
from blocks_hf import FAMILIES

FOLDER = Path(__file__).parent / "published"

TOTALS = {
    "bamba-9b": 9_780_235_392,
    "bloom": 176_247_271_424,
    "bloom-560m": 559_214_592,
    "gemma-2-2b": 2_614_341_888,
    "gemma-2-27b": 27_227_128_320,
    "gpt-neox-20b": 20_554_567_680,
    "gpt2": 124_439_808,
    "llama-2-7b-hf": 6_738_415_616,
    "llama-3.1-8b": 8_030_261_248,
    "mamba-130m-hf": 129_135_360,
    "mamba-codestral-7b-v0.1": 7_285_403_648,
    "mistral-7b-v0.1": 7_241_732_096,
    "mistral-7b-v0.3": 7_248_023_552,
    "mistral-nemo-base-2407": 12_247_782_400,
    "mixtral-8x7b-v0.1": 46_702_792_704,
    "nemotron-3-nano-30b-a3b-base": 31_577_937_344,
    "nemotron-h-8b-base-8k": 8_100_852_736,
    "olmo-2-1124-7b": 7_298_617_344,
    "phi-3-mini-128k-instruct": 3_821_079_552,
    "phi-3-mini-4k-instruct": 3_821_079_552,
    "phi-4-mini-instruct": 3_836_021_760,
    "pythia-160m": 162_322_944,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-7b-instruct-yarn": 7_615_616_512,
    "qwen3-0.6b": 596_049_920,
    "redpajama-incite-base-3b-v1": 2_775_864_320,
}
"""Parameters as the model cards and the files' headers count them."""


@pytest.fixture(scope="module")
def registry() -> blocks.Registry:
    return blocks.Registry.installed()


def read(values: dict[str, Any], registry: blocks.Registry, name: str = "r") -> tuple[str, blocks.Recipe]:
    """The recipe of a config, as text and read."""
    importer = importer_of(values["model_type"], registry)
    return recipe_of(importer, Config(values, defaults=importer.defaults), registry, name=name)


def test_every_config_has_a_total() -> None:
    assert sorted(TOTALS) == sorted(path.stem for path in FOLDER.glob("*.json"))


@pytest.mark.parametrize("name", TOTALS)
def test_the_recipe_is_the_one_that_a_person_would_write(name: str, registry: blocks.Registry) -> None:
    text, recipe = read(json.loads((FOLDER / f"{name}.json").read_text()), registry, name)
    assert text == (FOLDER / f"{name}.yaml").read_text()
    assert recipe.plan(registry=registry).parameters == TOTALS[name]


@pytest.mark.parametrize("name", TOTALS)
def test_the_way_back_names_the_family(name: str, registry: blocks.Registry) -> None:
    values = json.loads((FOLDER / f"{name}.json").read_text())
    plan = read(values, registry)[1].plan(registry=registry)
    found = family_of(plan, registry, prefer=values["model_type"])
    assert found is not None
    importer, written = found
    assert importer.model_type == values["model_type"]
    assert read(written, registry)[1].plan(registry=registry).parameters == TOTALS[name]


LINEAR = {"type": "linear", "factor": 2.0}

REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    # Rotary positions, whatever the family
    ("llama-2-7b-hf", {"rope_scaling": {"type": "su", "factor": 2.0}}, "type"),
    ("llama-2-7b-hf", {"rope_scaling": {"type": "longrope", "factor": 2.0}}, "short_factor"),
    ("llama-2-7b-hf", {"rope_scaling": {"rope_type": "proportional", "factor": 2.0}}, "rope_type"),
    ("llama-2-7b-hf", {"rope_scaling": {"type": "yarn", "factor": 4.0, "mscale": 0.7}}, "mscale"),
    ("llama-2-7b-hf", {"rope_scaling": {"type": "yarn", "factor": 4.0, "truncate": False}}, "truncate"),
    ("llama-2-7b-hf", {"rope_scaling": {"type": "linear"}}, "factor"),
    ("llama-2-7b-hf", {"rope_scaling": {"type": "linear", "factor": "2"}}, "factor"),
    ("llama-2-7b-hf", {"rope_scaling": LINEAR, "rope_parameters": LINEAR}, "rope_parameters"),
    ("llama-2-7b-hf", {"rope_scaling": "linear"}, "rope_scaling"),
    ("llama-2-7b-hf", {"rope_parameters": {"full_attention": LINEAR}}, "full_attention"),
    (  # transformers stretches from max_position_embeddings on, whatever this says
        "llama-2-7b-hf",
        {"rope_scaling": {"type": "dynamic", "factor": 2.0, "original_max_position_embeddings": 2048}},
        "original_max_position_embeddings",
    ),
    ("llama-2-7b-hf", {"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
    ("llama-2-7b-hf", {"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor"),
    ("llama-2-7b-hf", {"rope_theta": float("inf")}, "rope_theta"),
    # Llama and its kind
    ("llama-2-7b-hf", {"hidden_act": "quick_gelu"}, "hidden_act"),
    ("llama-2-7b-hf", {"rms_norm_eps": "1e-5"}, "rms_norm_eps"),
    ("llama-2-7b-hf", {"num_hidden_layers": 0}, "num_hidden_layers"),
    ("llama-2-7b-hf", {"num_attention_heads": 30}, "30 query heads"),
    ("llama-2-7b-hf", {"quantization_config": {"quant_method": "gptq"}}, "quantization_config"),
    ("llama-2-7b-hf", {"architectures": ["LlamaForSequenceClassification"]}, "LlamaForSequenceClassification"),
    ("llama-2-7b-hf", {"attention_multiplier": 0.01}, "attention_multiplier"),
    ("mistral-7b-v0.1", {"sliding_window": 0}, "sliding_window"),
    ("mistral-7b-v0.1", {"layer_types": ["sliding_attention", "full_attention"] * 16}, "layer_types"),
    ("mistral-7b-v0.1", {"attention_bias": True}, "attention_bias"),
    ("mixtral-8x7b-v0.1", {"hidden_act": "relu2"}, "hidden_act"),
    ("mixtral-8x7b-v0.1", {"num_experts_per_tok": 9}, "9 of 8 experts"),
    ("mixtral-8x7b-v0.1", {"num_local_experts": 0}, "num_local_experts"),
    ("mixtral-8x7b-v0.1", {"sliding_window": "4096"}, "sliding_window"),
    ("mixtral-8x7b-v0.1", {"attention_bias": True}, "attention_bias"),
    ("mixtral-8x7b-v0.1", {"num_shared_experts": 1}, "num_shared_experts"),
    ("qwen2.5-0.5b", {"use_mrope": True}, "use_mrope"),
    ("qwen2.5-0.5b", {"layer_types": ["sliding_attention"] * 24}, "layer_types"),
    ("qwen2.5-0.5b", {"layer_types": ["full_attention"] * 23}, "layer_types"),
    ("qwen2.5-0.5b", {"use_sliding_window": True, "layer_types": ["chunked_attention"] * 24}, "layer_types"),
    ("qwen2.5-0.5b", {"use_sliding_window": True, "max_window_layers": "12"}, "max_window_layers"),
    ("qwen2.5-0.5b", {"rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}}, "type"),
    ("qwen3-0.6b", {"attention_bias": "true"}, "attention_bias"),
    ("qwen3-0.6b", {"num_experts": 128}, "num_experts"),
    ("gemma-2-2b", {"use_bidirectional_attention": True}, "use_bidirectional_attention"),
    ("gemma-2-2b", {"hidden_act": "gelu"}, "hidden_act"),
    ("gemma-2-2b", {"hidden_activation": None}, "hidden_activation"),
    ("gemma-2-2b", {"sliding_window": None}, "sliding_window"),
    ("gemma-2-27b", {"sliding_window": 2048}, "sliding_window_size"),
    ("gemma-2-2b", {"attn_logit_softcapping": "50"}, "attn_logit_softcapping"),
    ("olmo-2-1124-7b", {"clip_qkv": 8.0}, "clip_qkv"),
    ("phi-3-mini-4k-instruct", {"attention_bias": True}, "attention_bias"),
    ("phi-3-mini-4k-instruct", {"lm_head_bias": True}, "lm_head_bias"),
    ("phi-3-mini-4k-instruct", {"mlp_bias": True}, "mlp_bias"),
    ("phi-3-mini-4k-instruct", {"full_attn_mod": 2}, "full_attn_mod"),
    ("phi-3-mini-4k-instruct", {"rope_scaling": LINEAR}, "type"),
    ("phi-3-mini-4k-instruct", {"rope_scaling": {"type": "yarn", "factor": 4.0}}, "short_factor"),
    ("phi-4-mini-instruct", {"partial_rotary_factor": 0.5}, "48 numbers"),
    ("phi-4-mini-instruct", {"rope_scaling": {"type": "longrope", "original_max_position_embeddings": 512}}, "512"),
    ("phi-3-mini-4k-instruct", {"partial_rotary_factor": 0.33}, "31 of 96 channels"),
    # GPT-NeoX, BLOOM, GPT-2
    ("pythia-160m", {"rope_theta": 5e5}, "rope_theta"),  # transformers reads rotary_emb_base
    ("pythia-160m", {"hidden_act": "quick_gelu"}, "hidden_act"),
    ("pythia-160m", {"use_parallel_residual": "yes"}, "use_parallel_residual"),
    ("pythia-160m", {"rotary_pct": None}, "rotary_pct"),
    ("pythia-160m", {"num_key_value_heads": 4}, "num_key_value_heads"),
    ("bloom-560m", {"apply_residual_connection_post_layernorm": True}, "apply_residual_connection_post_layernorm"),
    ("bloom-560m", {"n_inner": 1000}, "n_inner"),
    ("bloom-560m", {"hidden_size": 512}, "n_embed"),
    ("bloom-560m", {"n_head": 8}, "num_attention_heads"),
    ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
    ("gpt2", {"scale_attn_weights": False}, "scale_attn_weights"),
    ("gpt2", {"add_cross_attention": True}, "add_cross_attention"),
    ("gpt2", {"activation_function": "tanh"}, "activation_function"),
    # State spaces
    ("mamba-130m-hf", {"rms_norm": False}, "rms_norm"),
    ("mamba-130m-hf", {"ssm_cfg": {"layer": "Mamba2"}}, "ssm_cfg"),
    ("mamba-130m-hf", {"hidden_act": "gelu"}, "hidden_act"),
    ("mamba-130m-hf", {"intermediate_size": 2048}, "intermediate_size"),
    ("mamba-130m-hf", {"d_inner": 2048}, "d_inner"),
    ("mamba-130m-hf", {"d_model": 1024}, "d_model"),
    ("mamba-130m-hf", {"n_layer": 48}, "n_layer"),
    ("mamba-130m-hf", {"time_step_rank": "half"}, "time_step_rank"),
    ("mamba-130m-hf", {"time_step_limit": [0.01, 0.1]}, "time_step_limit"),
    ("mamba-codestral-7b-v0.1", {"rms_norm": False}, "rms_norm"),
    ("mamba-codestral-7b-v0.1", {"hidden_act": "relu"}, "hidden_act"),
    ("mamba-codestral-7b-v0.1", {"expand": 3}, "expand"),
    ("mamba-codestral-7b-v0.1", {"intermediate_size": 4096}, "intermediate_size"),
    ("mamba-codestral-7b-v0.1", {"n_groups": 3}, "3 groups"),
    ("mamba-codestral-7b-v0.1", {"time_step_limit": [0.01]}, "time_step_limit"),
    ("mamba-codestral-7b-v0.1", {"time_step_limit": [0.2, 0.1]}, "time_step_limit"),
    ("mamba-codestral-7b-v0.1", {"time_step_limit": [0.0, 0.0]}, "time_step_limit"),
    ("mamba-codestral-7b-v0.1", {"time_step_limit": [0.0, {"__float__": "NaN"}]}, "time_step_limit"),
    ("mamba-codestral-7b-v0.1", {"time_step_limit": "0, inf"}, "time_step_limit"),
    ("nemotron-h-8b-base-8k", {"attention_bias": True}, "attention_bias"),
    ("nemotron-h-8b-base-8k", {"mamba_proj_bias": True}, "mamba_proj_bias"),
    ("nemotron-h-8b-base-8k", {"sliding_window": 4096}, "sliding_window"),
    ("nemotron-h-8b-base-8k", {"rms_norm_eps": 1e-6}, "rms_norm_eps"),
    ("nemotron-h-8b-base-8k", {"mamba_hidden_act": "gelu"}, "mamba_hidden_act"),
    ("nemotron-h-8b-base-8k", {"mlp_hidden_act": "quick_gelu"}, "mlp_hidden_act"),
    ("nemotron-h-8b-base-8k", {"tie_word_embeddings": True}, "tie_word_embeddings"),
    ("nemotron-3-nano-30b-a3b-base", {"n_group": 8}, "n_group"),
    ("nemotron-3-nano-30b-a3b-base", {"topk_group": 4}, "topk_group"),
    ("nemotron-3-nano-30b-a3b-base", {"n_shared_experts": 2}, "n_shared_experts"),
    ("nemotron-3-nano-30b-a3b-base", {"mlp_bias": True}, "mlp_bias"),
    ("nemotron-3-nano-30b-a3b-base", {"mlp_hidden_act": "quick_gelu"}, "mlp_hidden_act"),
    ("nemotron-3-nano-30b-a3b-base", {"norm_topk_prob": "yes"}, "norm_topk_prob"),
    ("nemotron-3-nano-30b-a3b-base", {"moe_latent_size": 0}, "moe_latent_size"),
    ("nemotron-3-nano-30b-a3b-base", {"num_experts_per_tok": 129}, "129 of 128 experts"),
    ("nemotron-h-8b-base-8k", {"num_hidden_layers": 54}, "num_hidden_layers"),
    ("nemotron-h-8b-base-8k", {"hybrid_override_pattern": "M-" * 25 + "MX"}, "hybrid_override_pattern"),
    ("nemotron-h-8b-base-8k", {"layers_block_type": ["mamba", "mlp"] * 26}, "hybrid_override_pattern"),
    ("nemotron-h-8b-base-8k", {"head_dim": 64}, "attention_head_dim"),
    ("nemotron-h-8b-base-8k", {"mamba_n_groups": 4}, "mamba_n_groups"),
    ("nemotron-h-8b-base-8k", {"mamba_dt_limit": [0.001, 0.1]}, "mamba_dt_limit"),
    ("bamba-9b", {"attn_rotary_emb": 128}, "attn_rotary_emb"),
    ("bamba-9b", {"partial_rotary_factor": 1.0, "attn_rotary_emb": 128}, "partial_rotary_factor"),
    ("bamba-9b", {"attn_layer_indices": [9, 32]}, "attn_layer_indices"),
    ("bamba-9b", {"attn_layer_indices": ["9"]}, "attn_layer_indices"),
    ("bamba-9b", {"mamba_d_head": 32}, "mamba_d_head"),
    ("bamba-9b", {"mamba_expand": 3}, "mamba_expand"),
    ("bamba-9b", {"hidden_act": "gelu"}, "hidden_act"),
    ("bamba-9b", {"time_step_limit": [0.01]}, "time_step_limit"),
    ("bamba-9b", {"layers_block_type": ["attention"] * 32}, "layers_block_type"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "key"), REFUSALS, ids=lambda value: str(value)[:50])
def test_what_would_change_the_numbers_is_an_error_that_names_it(
    name: str, change: dict[str, Any], key: str, registry: blocks.Registry
) -> None:
    values = json.loads((FOLDER / f"{name}.json").read_text())
    with pytest.raises(blocks.BuildError) as caught:
        read(values | change, registry)
    found = caught.value.diagnostics
    assert {problem.code for problem in found} <= {"B1002", "B1003"}
    assert len(found) == 1 or name == "gemma-2-2b"  # where hidden_act is compared too
    assert any(key in problem.message for problem in found)


SAID_OTHERWISE: list[tuple[str, dict[str, Any], str, str]] = [
    ("llama-2-7b-hf", {"rope_scaling": LINEAR}, "position: rope}", "scaling: linear, factor: 2"),
    ("llama-2-7b-hf", {"rope_scaling": None, "rope_parameters": {"rope_theta": 5e5}}, "rope}", "theta: 500000"),
    ("llama-2-7b-hf", {"rope_parameters": {"rope_theta": 5e5}, "rope_theta": 1e6}, "rope}", "theta: 500000"),
    ("llama-2-7b-hf", {"num_key_value_heads": 1}, "multi_head", "multi_query"),
    ("llama-2-7b-hf", {"tie_word_embeddings": True}, "head: lm", "head: {lm: {tied: true}}"),
    ("llama-2-7b-hf", {"architectures": ["LlamaModel"]}, "head: lm", "norm: rmsnorm"),
    ("mistral-7b-v0.1", {"num_key_value_heads": None}, "n_kv_heads", "mixer: sliding_window, window: 4096"),
    ("mistral-7b-v0.1", {"num_key_value_heads": 1}, "n_kv_heads: 8", "n_kv_heads: 1"),
    ("mixtral-8x7b-v0.1", {"sliding_window": 4096}, "grouped_query", "mixer: sliding_window, window: 4096"),
    ("mixtral-8x7b-v0.1", {"num_experts_per_tok": 3}, "top_k: 2", "top_k: 3"),
    ("qwen2.5-0.5b", {"use_sliding_window": True}, "sliding", "grouped_query"),  # no layer is that high
    ("qwen2.5-0.5b", {"use_sliding_window": True, "max_window_layers": 0}, "grouped_query", "window: 32768"),
    (
        "qwen2.5-0.5b",
        {"use_sliding_window": True, "max_window_layers": 20},
        "cycle",
        "layers: 20 x [global, ffn], 4 x [local, ffn]",
    ),
    (
        "gemma-2-2b",
        {"layer_types": (["sliding_attention"] * 12 + ["full_attention"]) * 2},
        "[local, ffn, global, ffn]",
        "layers: 2 x [12 x [local, ffn], global, ffn]",
    ),
    ("gemma-2-2b", {"attn_logit_softcapping": None}, "score_cap", "logit_cap: 30"),
    ("gemma-2-2b", {"final_logit_softcapping": None}, "logit_cap", "score_cap: 50"),
    ("phi-3-mini-4k-instruct", {"partial_rotary_factor": 0.75}, "rope}}", "rotary_dim: 72"),
    ("pythia-160m", {"rotary_pct": 1.0}, "rotary_dim", "position: rope"),
    ("pythia-160m", {"rotary_pct": 1.0, "rope_parameters": {"partial_rotary_factor": 0.5}}, "rope}", "rotary_dim: 32"),
    ("pythia-160m", {"rotary_emb_base": 20000}, "rope}", "theta: 20000"),
    ("gpt2", {"n_inner": 1024}, "rope", "d_ff: 1024"),
    ("mamba-130m-hf", {"time_step_rank": "auto"}, "dt_lower", "dt_rank: 48"),
    ("mamba-codestral-7b-v0.1", {"time_step_limit": [0.0, 0.1]}, "dt_lower", "dt_upper: 0.1"),
    ("mamba-codestral-7b-v0.1", {"time_step_limit": [0.01, {"__float__": "Infinity"}]}, "dt_upper", "dt_lower: 0.01"),
    ("mamba-codestral-7b-v0.1", {"time_step_limit": None}, "dt_upper", "n_groups: 8"),
    ("nemotron-h-8b-base-8k", {"time_step_min": 0.0}, "# Time steps", "n_groups: 8"),
    ("nemotron-h-8b-base-8k", {"mamba_dt_min": 0.001, "time_step_limit": [0.0, 0.1]}, "rope", "transformers has none"),
    ("mamba-codestral-7b-v0.1", {"time_step_limit": [0.0, 0.1]}, "rope", "# Time steps keep to their limits"),
    ("nemotron-h-8b-base-8k", {"time_step_limit": [0.001, 0.1]}, "rope", "dt_lower: 0.001, dt_upper: 0.1"),
    (
        "nemotron-h-8b-base-8k",
        {"hybrid_override_pattern": "M-" * 24 + "M*M-", "num_hidden_layers": 52},
        "cycle",
        "layers: 24 x [mamba2, ffn], mamba2, attention, mamba2, ffn",
    ),
    ("nemotron-3-nano-30b-a3b-base", {"norm_topk_prob": False}, "latent", "renormalise: false"),
    ("nemotron-3-nano-30b-a3b-base", {"moe_latent_size": 1024}, "renormalise", "latent: 1024"),
    ("bamba-9b", {"attn_layer_indices": None, "attn_rotary_emb": 64}, "attention:", "cycle: [mamba2, ffn]"),
    ("bamba-9b", {"mamba_d_head": "auto"}, "dt_lower", "n_heads: 128, head_dim: 64"),
]  # fmt: skip
"""A change of a config, what its recipe no longer says, and what it says instead."""


@pytest.mark.parametrize(
    ("name", "change", "gone", "said"), SAID_OTHERWISE, ids=lambda value: str(value)[:50]
)
def test_what_a_recipe_can_say_is_said(
    name: str, change: dict[str, Any], gone: str, said: str, registry: blocks.Registry
) -> None:
    text, _ = read(json.loads((FOLDER / f"{name}.json").read_text()) | change, registry)
    assert gone not in text
    assert said in text


ELSEWHERE = {"rope_scaling", "max_position_embeddings", "original_max_position_embeddings"}
"""A mapping, whose keys are refused above, and lengths that count where it says so."""


@pytest.mark.parametrize("name", TOTALS)
def test_nothing_that_is_read_is_passed_over(name: str, registry: blocks.Registry) -> None:
    """Every key of a config has a wrong value that is refused, or is one that changes no result."""
    values = json.loads((FOLDER / f"{name}.json").read_text())
    harmless = importer_of(values["model_type"], registry).harmless
    for key in values.keys() - HARMLESS - {*harmless, *ELSEWHERE}:
        with pytest.raises(blocks.BuildError) as caught:
            read(values | {key: {"wrong": [1]}}, registry)
        assert any(found.message.startswith(f"{key} = ") for found in caught.value.diagnostics), key


SHIPPED = {
    "gpt2": "gpt2",
    "gpt2-xl": "gpt2",
    "gpt2-tiny": "gpt2",
    "codestral-mamba-7b": "mamba2",
    "hybrid-tiny": None,
    "llama-3.1-8b": "llama",
    "llama-3.1-70b": "llama",
    "llama-3.1-tiny": "llama",
    "mamba-130m": "mamba",
    "mamba-2.8b": "mamba",
    "mamba-tiny": "mamba",
    "mamba2-130m": "mamba2",
    "mamba2-tiny": "mamba2",
    "mistral-7b": "mistral",
    "mistral-tiny": "mistral",
    "nemotron-h-8b": "nemotron_h",
    "nemotron-h-47b": "nemotron_h",
    "nemotron-h-56b": "nemotron_h",
    "nemotron-h-tiny": "nemotron_h",
    "qwen2.5-7b": "qwen2",
    "qwen2.5-72b": "qwen2",
    "qwen2.5-tiny": "qwen2",
    "zoo/bloom-like": "bloom",
    "zoo/gemma-2-like": "gemma2",
    "zoo/mixtral-like": "mixtral",
    "zoo/gpt-neox-like": "gpt_neox",
    "zoo/gpt-j-like": None,
    "zoo/macaron": None,
    "zoo/deepnorm": None,
    "zoo/kv-sharing": None,
    "zoo/albert": None,
    "transformer-base": None,
    "rnnsearch-50": None,
}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes_are_of_their_families(name: str, registry: blocks.Registry) -> None:
    found = family_of(blocks.load(name).plan(registry=registry), registry)
    assert (found and found[0].model_type) == SHIPPED[name]


def test_every_family_answers_for_every_recipe(registry: blocks.Registry) -> None:
    """A guess, none, or a LookupError, whatever the recipe."""
    importers = [importer_of(entry.name, registry) for entry in registry.of_kind("importer")]
    for name in published():
        plan = blocks.load(name).plan(registry=registry)
        for importer in importers:
            with contextlib.suppress(LookupError):
                importer.config(plan)


def test_branches_by_other_names_are_not_the_same_modules(registry: blocks.Registry) -> None:
    text = published()["zoo/gpt-neox-like"].read_text().replace("ffn", "mlp")
    assert family_of(blocks.load(text).plan(registry=registry), registry) is None


@pytest.mark.parametrize("name", [n for n in FAMILIES if n != "blocks"])
def test_defaults_are_those_of_transformers(name: str, registry: blocks.Registry) -> None:
    transformers = pytest.importorskip("transformers")
    usual = type(transformers.AutoConfig.for_model(name))
    for key, value in importer_of(name, registry).defaults.items():
        assert getattr(usual, key, None) == value, key
