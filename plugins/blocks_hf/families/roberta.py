"""RoBERTa (Liu et al. 2019, arXiv:1907.11692)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks_hf.families.common import Found, get
from blocks_hf.families.encoders import bert_body, bert_sizes, encoder, found_sizes


class Roberta(Importer):
    """BERT's encoder; the positions' table begins with the rows up to the padding's, which none of ours reads.

    transformers counts positions over tokens that are not the padding's, and not over the mask. Here the mask says
    what is real, so both agree where padding is masked, as tokenizers do it.
    """

    model_type = "roberta"
    architectures = {"RobertaForMaskedLM": "masked", "RobertaModel": "pooled"}  # noqa: RUF012
    prefix = "roberta."
    outside = ("lm_head.",)
    unused = ("embeddings.position_ids",)
    spare = ("roberta.pooler.",)

    def recipe(self, config: Config) -> Tree:
        sizes = bert_sizes(config)
        offset = self.offset(config)
        table = config.size("max_position_embeddings", 512)
        config.only("tie_word_embeddings", True)
        config.same("lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight")
        config.same("lm_head.decoder.bias", "lm_head.bias")
        masked = {"eps": sizes["eps"], "tied": True}
        ends: dict[str, Tree] = {
            "masked": {"head": {"masked_lm": masked}},
            "pooled": {"heads": {"states": "hidden", "pooled": "pooler"}},
        }
        last = ends[self.head(config) or "masked"]
        made = encoder(**sizes, position={"learned": {"max_len": table - offset, "offset": offset}})
        return {
            "d_model": sizes["d_model"],
            "vocab_size": config.size("vocab_size", 50265),
            "blocks": made["blocks"],
            "model": [*made["model"], last],
        }

    def offset(self, config: Config) -> int:
        """Rows of the positions' table before that of the first token: up to the padding's, and it."""
        padding = config.get("pad_token_id", 1)
        if type(padding) is not int or padding < 0:
            config.refuse(
                "pad_token_id", "positions are counted from pad_token_id, which is no token", "1 is usual"
            )
            return 2
        return padding + 1

    def weights(self, config: Config) -> Iterator[Rule]:
        yield from bert_body("roberta.", config.depth("num_hidden_layers", 12))
        yield Rule("head.in_proj", "lm_head.dense")
        yield Rule("head.norm", "lm_head.layer_norm")
        yield Rule("head.bias", "lm_head.bias")
        yield Rule("heads.pooled", "roberta.pooler.dense")

    def config(self, plan: Plan) -> dict[str, Any]:
        found = Found(plan)
        heads = {stage.name: stage.component for stage in found.stages if stage.role == "head"}
        position = found.stage("position")
        offset = get(position, "offset")
        return {
            **found_sizes(plan),
            "architectures": ["RobertaModel" if "states" in heads else "RobertaForMaskedLM"],
            "max_position_embeddings": get(position, "max_len") + offset,
            "pad_token_id": offset - 1,
            "type_vocab_size": get(found.stage("embedding"), "n_types"),
        }
