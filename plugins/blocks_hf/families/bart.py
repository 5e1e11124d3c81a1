"""BART (Lewis et al. 2020, arXiv:1910.13461)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks_hf.families.common import Found, get
from blocks_hf.families.seq2seq import STREAMS, blocks_of, found_sizes, head, layer_rules, scale, stacks

OFFSET = 2
"""Rows of the positions' tables before that of the first token."""


class Bart(Importer):
    """Encoder and decoder over normalised embeddings with learned positions; one table for both and the head."""

    model_type = "bart"
    architectures = {"BartForConditionalGeneration": "lm"}  # noqa: RUF012
    prefix = "model."
    outside = ("lm_head.", "final_logits_bias")
    unused = (".version",)
    harmless = (
        "num_hidden_layers",  # encoder_layers again
        "classif_dropout", "classifier_dropout", "add_bias_logits", "force_bos_token_to_be_generated",
    )  # fmt: skip

    def recipe(self, config: Config) -> Tree:
        self.head(config)
        config.only("normalize_embedding", True)
        config.only("static_position_embeddings", False)
        config.only("extra_pos_embeddings", OFFSET)
        for stream in STREAMS:
            config.same(f"model.{stream}.embed_tokens.weight", "model.shared.weight")
        config.only("tie_word_embeddings", True)
        config.same("lm_head.weight", "model.shared.weight")
        vocabulary = blocks_of(config)
        table = {"tokens": {"share": "vocabulary", "scale": scale(config)}}
        places = {"learned": {"max_len": config.size("max_position_embeddings", 1024), "offset": OFFSET}}
        first: list[Tree] = [{"embed": table}, {"position": places}, {"norm": "layernorm"}]
        reading, writing = stacks(config, vocabulary)
        return {
            "d_model": config.size("d_model", 1024),
            "vocab_size": config.size("vocab_size", 50265),
            "blocks": vocabulary,
            "model": {"encoder": [*first, reading], "decoder": [*first, writing, head(config, tied=True)]},
        }

    def weights(self, config: Config) -> Iterator[Rule]:
        yield Rule("encoder.embed", "model.shared")
        for stream in STREAMS:
            yield Rule(f"{stream}.position", f"model.{stream}.embed_positions")
            yield Rule(f"{stream}.norm", f"model.{stream}.layernorm_embedding")
        yield from layer_rules(config)

    def config(self, plan: Plan) -> dict[str, Any]:
        return {
            **found_sizes(plan),
            "architectures": ["BartForConditionalGeneration"],
            "vocab_size": plan.sizes.vocab_size,
            "max_position_embeddings": get(Found(plan, "encoder").stage("position"), "max_len"),
        }
