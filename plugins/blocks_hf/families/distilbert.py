"""DistilBERT (Sanh et al. 2019, arXiv:1910.01108)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks_hf.families.common import ACTIVATIONS, Found, get, swapped
from blocks_hf.families.encoders import encoder, encoder_rules

EPS = 1e-12
"""Of every norm, whatever a config says."""
LAYER = {
    "qkv": "attention.q_lin attention.k_lin attention.v_lin",
    "out": "attention.out_lin",
    "attention_norm": "sa_layer_norm",
    "up": "ffn.lin1",
    "down": "ffn.lin2",
    "ffn_norm": "output_layer_norm",
}


class DistilBert(Importer):
    """BERT's encoder without token types and pooled vectors."""

    model_type = "distilbert"
    architectures = {"DistilBertForMaskedLM": "masked", "DistilBertModel": ""}  # noqa: RUF012
    prefix = "distilbert."
    outside = ("vocab_",)
    unused = ("embeddings.position_ids",)
    harmless = ("sinusoidal_pos_embds", "tie_weights_")  # how the table started; an old spelling

    def recipe(self, config: Config) -> Tree:
        d_model, activation = config.size("dim", 768), config.choice("activation", ACTIVATIONS, "gelu")
        made = encoder(
            d_model=d_model,
            depth=config.depth("n_layers", 6),
            n_heads=config.size("n_heads", 12),
            d_ff=config.size("hidden_dim", 3072),
            activation=activation,
            eps=EPS,
            embed="tokens",
            position={"learned": {"max_len": config.size("max_position_embeddings", 512)}},
        )
        table = "distilbert.embeddings.word_embeddings.weight"
        masked = {"activation": activation, "eps": EPS, "tied": config.tied("vocab_projector.weight", table)}
        head = [{"head": {"masked_lm": masked}}] if self.head(config) else []
        return {
            "d_model": d_model,
            "vocab_size": config.size("vocab_size", 30522),
            "blocks": made["blocks"],
            "model": [*made["model"], *head],
        }

    def weights(self, config: Config) -> Iterator[Rule]:
        yield Rule("embed", "distilbert.embeddings.word_embeddings")
        yield Rule("position", "distilbert.embeddings.position_embeddings")
        yield Rule("norm", "distilbert.embeddings.LayerNorm")
        yield from encoder_rules(config.depth("n_layers", 6), "distilbert.transformer.layer.{i}", LAYER)
        yield Rule("head.in_proj", "vocab_transform")
        yield Rule("head.norm", "vocab_layer_norm")
        yield Rule("head", "vocab_projector")

    def config(self, plan: Plan) -> dict[str, Any]:
        found = Found(plan)
        attention, ffn = found.attention(), found.mixer("mlp")
        headed = any(stage.role == "head" for stage in found.stages)
        return {
            "architectures": ["DistilBertForMaskedLM" if headed else "DistilBertModel"],
            "dim": plan.sizes.d_model,
            "vocab_size": plan.sizes.vocab_size,
            "n_layers": len(found.layers) // 2,
            "n_heads": get(attention, "n_heads"),
            "hidden_dim": get(ffn, "d_ff"),
            "activation": swapped(ACTIVATIONS)[get(ffn, "activation")],
            "max_position_embeddings": get(found.stage("position"), "max_len"),
            "tie_word_embeddings": found.tied() if headed else True,
        }
