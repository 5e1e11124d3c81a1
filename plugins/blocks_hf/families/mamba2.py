"""Mamba-2 (Dao and Gu 2024, arXiv:2405.21060)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks_hf.families import states
from blocks_hf.families.common import Found, get

_KEYS = states.KEYS | {"n_heads": "num_heads", "head_dim": "head_dim", "d_state": "state_size"}


class Mamba2(Importer):
    """One block again and again, a decay a head; its norm stands after the gate and keeps to its group.

    Codestral's config.json says `norm_before_gate: true`. Neither transformers nor its own code does so, and the
    weights are trained without: the key is passed over.
    """

    model_type = "mamba2"
    architectures = {"Mamba2ForCausalLM": "lm", "Mamba2Model": ""}  # noqa: RUF012
    defaults = {  # noqa: RUF012
        "vocab_size": 32768, "hidden_size": 4096, "num_hidden_layers": 64, "num_heads": 128, "head_dim": 64,
        "expand": 2, "state_size": 128, "n_groups": 8, "conv_kernel": 4, "use_bias": False, "use_conv_bias": True,
        "hidden_act": "silu", "layer_norm_epsilon": 1e-5, "tie_word_embeddings": False,
    }  # fmt: skip
    prefix = "backbone."
    renamed = {"embedding.": "embeddings."}  # noqa: RUF012
    harmless = (*states.HARMLESS, "norm_before_gate")

    def recipe(self, config: Config) -> Tree:
        d_model, layers = config.size("hidden_size"), config.depth("num_hidden_layers")
        mamba2 = states.mamba2(config, _KEYS)
        width, eps = mamba2["n_heads"] * mamba2["head_dim"], mamba2["eps"]
        config.only("rms_norm", True)
        config.only("intermediate_size", width)
        if int(config.number("expand") * d_model) != width:
            message = f"expand = {config.get('expand')} times {d_model:,} is not the {width:,} channels of all heads"
            config.refuse("expand", message)
        return states.backbone(self, config, {"mamba2": mamba2}, ["mamba2"] * layers, eps=eps)

    def weights(self, config: Config) -> Iterator[Rule]:
        layers = config.depth("num_hidden_layers")
        yield from states.backbone_rules(layers)
        for i in range(layers):
            yield from states.scan_rules(f"layers.{i}.mixer", f"backbone.layers.{i}.mixer", "norm")

    def config(self, plan: Plan) -> dict[str, Any] | None:
        found = Found(plan)
        mamba2 = found.mixer("mamba2")
        expand, rest = divmod(get(mamba2, "n_heads") * get(mamba2, "head_dim"), plan.sizes.d_model)
        if rest:  # transformers multiplies by a whole number
            return None
        return {
            **states.found_backbone(self, found),
            **states.found_mamba2(mamba2, _KEYS),
            "num_hidden_layers": len(found.layers),
            "expand": expand,
        }
