"""BERT (Devlin et al. 2019, arXiv:1810.04805)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks_hf.families.common import Found, get
from blocks_hf.families.encoders import bert_body, bert_sizes, encoder, found_sizes, labels

DECODER = "cls.predictions.decoder"


class Bert(Importer):
    """An encoder with token types; heads for masked words, the next sentence, classes, or a pooled vector."""

    model_type = "bert"
    architectures = {  # noqa: RUF012
        "BertForMaskedLM": "masked",
        "BertForPreTraining": "both",
        "BertModel": "pooled",
        "BertForSequenceClassification": "classes",
    }
    prefix = "bert."
    outside = ("cls.", "classifier.")
    renamed = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}  # noqa: RUF012
    unused = ("embeddings.position_ids",)
    spare = ("bert.pooler.", "cls.seq_relationship.")
    harmless = (
        "directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers",
        "pooler_size_per_head", "pooler_type",  # of the multilingual files; nobody reads them
    )  # fmt: skip

    def recipe(self, config: Config) -> Tree:
        sizes = bert_sizes(config)
        config.only("tie_word_embeddings", True)
        config.same(f"{DECODER}.weight", "bert.embeddings.word_embeddings.weight")
        config.same(f"{DECODER}.bias", "cls.predictions.bias")
        masked = {"activation": sizes["activation"], "eps": sizes["eps"], "tied": True}
        head = self.head(config)
        ends: dict[str, Tree] = {
            "masked": {"head": {"masked_lm": masked}},
            "both": {"heads": {"words": {"masked_lm": masked}, "next": {"classifier": {"pooler": True}}}},
            "pooled": {"heads": {"states": "hidden", "pooled": "pooler"}},
            "classes": {"head": {"classifier": {"n_classes": labels(config), "pooler": True}}},
        }
        last = ends[head or "masked"]
        longest = config.size("max_position_embeddings", 512)
        made = encoder(**sizes, position={"learned": {"max_len": longest}})
        return {
            "d_model": sizes["d_model"],
            "vocab_size": config.size("vocab_size", 30522),
            "blocks": made["blocks"],
            "model": [*made["model"], last],
        }

    def weights(self, config: Config) -> Iterator[Rule]:
        yield from bert_body("bert.", config.depth("num_hidden_layers", 12))
        words = "heads.words" if self.head(config) == "both" else "head"
        yield Rule(f"{words}.in_proj", "cls.predictions.transform.dense")
        yield Rule(f"{words}.norm", "cls.predictions.transform.LayerNorm")
        yield Rule(f"{words}.bias", "cls.predictions.bias")
        yield Rule("heads.next.pooler", "bert.pooler.dense")
        yield Rule("heads.next.proj", "cls.seq_relationship")
        yield Rule("heads.pooled", "bert.pooler.dense")
        yield Rule("head.pooler", "bert.pooler.dense")
        yield Rule("head.proj", "classifier")

    def config(self, plan: Plan) -> dict[str, Any]:
        found = Found(plan)
        heads = {stage.name: stage.component for stage in found.stages if stage.role == "head"}
        first = next(iter(heads.values()), None)
        single = {"masked_lm": "BertForMaskedLM", "classifier": "BertForSequenceClassification"}
        several = {"words": "BertForPreTraining", "states": "BertModel"}
        name = next(iter(heads), "")
        classes = get(first, "n_classes") if first is not None and first.name == "classifier" else 2
        return {
            **found_sizes(plan),
            "architectures": [several[name] if name else single[first.name if first else ""]],
            "max_position_embeddings": get(found.stage("position"), "max_len"),
            "type_vocab_size": get(found.stage("embedding"), "n_types"),
            "id2label": {str(i): f"LABEL_{i}" for i in range(classes)},
        }
