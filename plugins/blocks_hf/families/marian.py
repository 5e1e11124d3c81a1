"""Marian (Junczys-Dowmunt et al. 2018, arXiv:1804.00344), as OPUS-MT publishes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks_hf.families.common import Found, get
from blocks_hf.families.seq2seq import STREAMS, blocks_of, found_sizes, head, layer_rules, scale, stacks


class Marian(Importer):
    """Encoder and decoder with sinusoids, all sines before all cosines; one vocabulary, or one each.

    Files may hold the sinusoids; here they are computed, and compared with those of the file.
    """

    model_type = "marian"
    architectures = {"MarianMTModel": "lm"}  # noqa: RUF012
    prefix = "model."
    outside = ("lm_head.", "final_logits_bias")
    computed = {  # noqa: RUF012
        "model.encoder.embed_positions.weight": "encoder.position",
        "model.decoder.embed_positions.weight": "decoder.position",
    }
    harmless = (
        "num_hidden_layers",  # encoder_layers again
        "max_position_embeddings",  # of a table that is computed
        "classif_dropout", "classifier_dropout", "add_bias_logits",
    )  # fmt: skip

    def recipe(self, config: Config) -> Tree:
        self.head(config)
        config.only("normalize_embedding", False)
        config.only("static_position_embeddings", True)
        size = config.size("vocab_size", 58101)
        other = config.get("decoder_vocab_size", None) or size
        shared = config.flag("share_encoder_decoder_embeddings", True)
        if shared:
            for stream in STREAMS:
                config.same(f"model.{stream}.embed_tokens.weight", "model.shared.weight")
            config.only("tie_word_embeddings", True)
        source = "model.shared.weight" if shared else "model.decoder.embed_tokens.weight"
        tied = config.tied("lm_head.weight", source)
        vocabulary = blocks_of(config)
        table: Tree = {"share": "vocabulary" if shared else None, "scale": scale(config)}
        own = {"vocab_size": other if other != size else None}
        places = {"position": {"sinusoidal": {"halves": True}}}
        reading, writing = stacks(config, vocabulary)
        return {
            "d_model": config.size("d_model", 1024),
            "vocab_size": size,
            "blocks": vocabulary,
            "model": {
                "encoder": [{"embed": {"tokens": table}}, places, reading],
                "decoder": [
                    {"embed": {"tokens": table | own}},
                    places,
                    writing,
                    head(config, tied=tied, **own),
                ],
            },
        }

    def weights(self, config: Config) -> Iterator[Rule]:
        shared = config.flag("share_encoder_decoder_embeddings", True)
        yield Rule("encoder.embed", "model.shared" if shared else "model.encoder.embed_tokens")
        yield Rule("decoder.embed", "model.decoder.embed_tokens")
        yield from layer_rules(config)

    def config(self, plan: Plan) -> dict[str, Any]:
        reads, writes = (Found(plan, stream).stage("embedding") for stream in STREAMS)
        return {
            **found_sizes(plan),
            "architectures": ["MarianMTModel"],
            "vocab_size": get(reads, "vocab_size"),
            "decoder_vocab_size": get(writes, "vocab_size"),
            "pad_token_id": get(reads, "vocab_size") - 1,  # as OPUS-MT's vocabularies have it
            "share_encoder_decoder_embeddings": get(reads, "share") is not None,
        }
