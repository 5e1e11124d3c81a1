"""ViT (Dosovitskiy et al. 2021, arXiv:2010.11929)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks.spelling import spelled
from blocks_hf.families.common import ACTIVATIONS, Found, get, swapped
from blocks_hf.families.encoders import encoder_rules, labels

LAYER = {
    "qkv": "attention.attention.query attention.attention.key attention.attention.value",
    "out": "attention.output.dense",
    "attention_norm": "layernorm_before",
    "up": "intermediate.dense",
    "down": "output.dense",
    "ffn_norm": "layernorm_after",
}


class ViT(Importer):
    """An encoder of patches and a learned first vector, pre-norm."""

    model_type = "vit"
    architectures = {"ViTForImageClassification": "classes", "ViTModel": "pooled"}  # noqa: RUF012
    prefix = "vit."
    outside = ("classifier.",)
    spare = ("vit.pooler.",)
    harmless = ("encoder_stride",)  # of the decoder that masked images are trained with

    def recipe(self, config: Config) -> Tree:
        d_model, depth = config.size("hidden_size", 768), config.depth("num_hidden_layers", 12)
        image, patch = config.size("image_size", 224), config.size("patch_size", 16)
        norm = {"layernorm": {"eps": config.number("layer_norm_eps", 1e-12)}}
        config.only("pooler_output_size", d_model)
        config.only("pooler_act", "tanh")
        ends: dict[str, Tree] = {
            "classes": {"head": {"classifier": {"n_classes": labels(config)}}},
            "pooled": {"heads": {"states": "hidden", "pooled": "pooler"}},
        }
        patches = {"image_size": image, "patch_size": patch, "channels": config.size("num_channels", 3)}
        return {
            "d_model": d_model,
            "blocks": {
                "attention": {
                    "mixer": "multi_head",
                    "n_heads": config.size("num_attention_heads", 12),
                    "mask": "bidirectional",
                    "qkv_bias": config.flag("qkv_bias", True),
                    "out_bias": True,
                },
                "ffn": {
                    "mixer": "mlp",
                    "d_ff": config.size("intermediate_size", 3072),
                    "activation": config.choice("hidden_act", ACTIVATIONS, "gelu"),
                    "bias": True,
                },
            },
            "model": [
                {"embed": {"patches": patches}},
                {"position": {"learned": {"max_len": (image // patch) ** 2 + 1}}},
                {"stack": spelled(["attention", "ffn"] * depth) | {"norm": norm}},
                {"norm": norm},
                ends[self.head(config) or "classes"],
            ],
        }

    def weights(self, config: Config) -> Iterator[Rule]:
        embeddings = "vit.embeddings"
        yield Rule("embed", f"{embeddings}.patch_embeddings.projection")
        yield Rule("embed.class_token", f"{embeddings}.cls_token", lambda tensor: (tensor[None, None],))
        yield Rule("position.weight", f"{embeddings}.position_embeddings", lambda tensor: (tensor[None],))
        yield from encoder_rules(config.depth("num_hidden_layers", 12), "vit.encoder.layer.{i}", LAYER)
        yield Rule("norm", "vit.layernorm")
        yield Rule("head.proj", "classifier")
        yield Rule("heads.pooled", "vit.pooler.dense")

    def config(self, plan: Plan) -> dict[str, Any]:
        found = Found(plan)
        attention, ffn, embed = found.attention(), found.mixer("mlp"), found.stage("embedding")
        heads = {stage.name: stage.component for stage in found.stages if stage.role == "head"}
        pooled = "pooled" in heads
        classes = 2 if pooled else get(found.stage("head"), "n_classes")
        return {
            "architectures": ["ViTModel" if pooled else "ViTForImageClassification"],
            "hidden_size": plan.sizes.d_model,
            "num_hidden_layers": len(found.layers) // 2,
            "num_attention_heads": get(attention, "n_heads"),
            "qkv_bias": get(attention, "qkv_bias"),
            "intermediate_size": get(ffn, "d_ff"),
            "hidden_act": swapped(ACTIVATIONS)[get(ffn, "activation")],
            "layer_norm_eps": get(found.norm(), "eps"),
            "image_size": get(embed, "image_size"),
            "patch_size": get(embed, "patch_size"),
            "num_channels": get(embed, "channels"),
            "id2label": {str(i): f"LABEL_{i}" for i in range(classes)},
        }
