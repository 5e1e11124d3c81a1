"""T5 (Raffel et al. 2020, arXiv:1910.10683) and T5 1.1 (Shazeer 2020, arXiv:2002.05202)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree, halves, thirds
from blocks.spelling import spelled
from blocks_hf.families.common import ACTIVATIONS, Found, get, swapped

GATED = {
    "gated-gelu": "geglu_tanh",
    "gated-gelu_new": "geglu_tanh",
    "gated-silu": "swiglu",
    "gated-relu": "reglu",
}
PLAIN = {"relu": "relu"} | ACTIVATIONS
STREAMS = (("encoder", 2), ("decoder", 3))
BUCKETS = {"num_buckets": 32, "max_distance": 128}


class T5(Importer):
    """Pre-norm without biases; scores are not scaled, and each stream has one table of relative positions."""

    model_type = "t5"
    architectures = {"T5ForConditionalGeneration": "lm"}  # noqa: RUF012
    unused = ("EncDecAttention.relative_attention_bias.weight",)
    harmless = ("n_positions", "is_gated_act", "dense_act_fn")  # feed_forward_proj says both

    def recipe(self, config: Config) -> Tree:
        self.head(config)
        config.only("is_encoder_decoder", True)
        heads, dim = config.size("num_heads", 8), config.size("d_kv", 64)
        sizes = {"mixer": "multi_head", "n_heads": heads, "head_dim": dim, "score_scale": 1.0}
        count, longest = (config.size(f"relative_attention_{x}", y) for x, y in BUCKETS.items())
        buckets = {"n_buckets": count, "max_distance": longest}
        reading = {"relative": {**buckets, "bidirectional": True, "share": "reading"}}
        writing = {"relative": {**buckets, "share": "writing"}}
        gated = str(config.get("feed_forward_proj", "relu")).startswith("gated-")
        activation = config.choice("feed_forward_proj", GATED if gated else PLAIN, "relu")
        mixer = "gated_mlp" if gated else "mlp"
        norm = {"rmsnorm": {"eps": config.number("layer_norm_epsilon", 1e-6)}}
        depth = config.depth("num_layers", 6)
        decoder_depth = config.depth("num_decoder_layers", None) or depth
        for stream, _ in STREAMS:
            config.same(f"{stream}.embed_tokens.weight", "shared.weight")
        embed = {"embed": {"tokens": {"share": "vocabulary"}}}
        stacks = [["reader", "ffn"] * depth, ["writer", "cross", "ffn"] * decoder_depth]
        reads, writes = (
            [embed, {"stack": spelled(names) | {"norm": norm}}, {"norm": norm}] for names in stacks
        )
        return {
            "d_model": config.size("d_model", 512),
            "vocab_size": config.size("vocab_size", 32128),
            "blocks": {
                "reader": sizes | {"mask": "bidirectional", "position": reading},
                "writer": sizes | {"position": writing},
                "cross": sizes | {"memory": "encoder"},
                "ffn": {"mixer": mixer, "d_ff": config.size("d_ff", 2048), "activation": activation},
            },
            "model": {"encoder": reads, "decoder": [*writes, {"head": {"lm": self.lm(config)}}]},
        }

    def lm(self, config: Config) -> Tree:
        """The head: T5 scales what a tied table reads, and says so by tying, or today by a key of its own."""
        says = config.flag("tie_word_embeddings", True)
        scaled = config.flag("scale_decoder_outputs", says)
        apart = config.stands_apart("lm_head.weight", "shared.weight")
        return {"tied": not apart if config.names else says, "scale": "1 / sqrt(d_model)" if scaled else None}

    def weights(self, config: Config) -> Iterator[Rule]:
        yield Rule("encoder.embed", "shared")
        yield Rule("decoder.head", "lm_head")
        depth = config.depth("num_layers", 6)
        depths = {"encoder": depth, "decoder": config.depth("num_decoder_layers", None) or depth}
        for stream, size in STREAMS:
            yield Rule(f"{stream}.norm", f"{stream}.final_layer_norm")
            table = f"{stream}.block.0.layer.0.SelfAttention.relative_attention_bias"
            yield Rule(f"{stream}.layers.0.mixer.position", table)
            for index in range(size * depths[stream]):
                layer, part = divmod(index, size)
                ours, here = f"{stream}.layers.{index}", f"{stream}.block.{layer}.layer.{part}"
                yield Rule(f"{ours}.norm", f"{here}.layer_norm")
                if part == size - 1:
                    feed = f"{here}.DenseReluDense"
                    yield Rule(f"{ours}.mixer.in_proj", f"{feed}.wi")
                    yield Rule(f"{ours}.mixer.gate_up_proj", (f"{feed}.wi_0", f"{feed}.wi_1"), halves)
                    yield Rule(f"{ours}.mixer.out_proj", f"{feed}.wo")
                    continue
                inner = f"{here}.{'EncDec' if part else 'Self'}Attention"
                yield Rule(f"{ours}.mixer.qkv_proj", tuple(f"{inner}.{x}" for x in "qkv"), thirds)
                yield Rule(f"{ours}.mixer.q_proj", f"{inner}.q")
                yield Rule(f"{ours}.mixer.kv_proj", (f"{inner}.k", f"{inner}.v"), halves)
                yield Rule(f"{ours}.mixer.out_proj", f"{inner}.o")

    def config(self, plan: Plan) -> dict[str, Any]:
        encoder, decoder = Found(plan, "encoder"), Found(plan, "decoder")
        attention, ffn, head = encoder.attention(), encoder.mixer("mlp", "gated_mlp"), decoder.stage("head")
        names = swapped(GATED if ffn.name == "gated_mlp" else PLAIN)
        return {
            "architectures": ["T5ForConditionalGeneration"],
            "is_encoder_decoder": True,
            "d_model": plan.sizes.d_model,
            "vocab_size": plan.sizes.vocab_size,
            "d_kv": get(attention, "head_dim"),
            "num_heads": get(attention, "n_heads"),
            "d_ff": get(ffn, "d_ff"),
            "feed_forward_proj": names[get(ffn, "activation")],
            "num_layers": len(encoder.layers) // 2,
            "num_decoder_layers": len(decoder.layers) // 3,
            "relative_attention_num_buckets": get(get(attention, "position"), "n_buckets"),
            "relative_attention_max_distance": get(get(attention, "position"), "max_distance"),
            "layer_norm_epsilon": get(encoder.norm(), "eps"),
            "tie_word_embeddings": decoder.tied(),
            "scale_decoder_outputs": get(head, "scale") is not None,
        }
