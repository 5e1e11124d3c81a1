"""The zoo against transformers: the recipe and the model class have the same parameters and give the same logits."""

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import blocks

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
transformers = pytest.importorskip("transformers")

Weights = dict[str, Tensor]
SIZES = {"vocab_size": 8192, "hidden_size": 256, "attn_implementation": "eager", "use_cache": False}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def stirred(model: Any, by: float = 0.05) -> Any:
    """The model with every parameter moved from where it starts, norms and biases too."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += by * torch.randn(parameter.shape, generator=generator)
    return model.eval()


def renamed(theirs: Weights, names: dict[str, str]) -> Weights:
    """Weights and biases under the names of the recipe's model: its name -> theirs."""
    return {
        f"{ours}.{kind}": theirs[f"{name}.{kind}"]
        for ours, name in names.items()
        for kind in ("weight", "bias")
        if f"{name}.{kind}" in theirs
    }


def joined(theirs: Weights, ours: str, *names: str) -> Weights:
    """Several linear maps as one, their rows one after another."""
    kinds = [kind for kind in ("weight", "bias") if f"{names[0]}.{kind}" in theirs]
    return {f"{ours}.{kind}": torch.cat([theirs[f"{name}.{kind}"] for name in names]) for kind in kinds}


def by_head(theirs: Weights, ours: str, name: str, heads: int) -> Weights:
    """Rows kept as q, k, v of the first head, then of the second, … as all q, all k, all v."""
    moved: Weights = {}
    for kind in ("weight", "bias"):
        rows = theirs[f"{name}.{kind}"]
        split = rows.view(heads, 3, -1, *rows.shape[1:])
        moved[f"{ours}.{kind}"] = split.transpose(0, 1).reshape(rows.shape)
    return moved


def filled(name: str, weights: Weights, **settings: Any) -> Any:
    """The model of a zoo recipe with these parameters: exactly all that it has."""
    model = blocks.build(blocks.load(f"zoo/{name}", set=settings))
    parameters = dict(model.named_parameters())
    assert parameters.keys() == weights.keys()
    with torch.no_grad():
        for key, parameter in parameters.items():
            parameter.copy_(weights[key])
    return model


def batch(columns: int = 21, first: int = 3) -> tuple[Tensor, Tensor]:
    """Tokens of three sequences and where they are real."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(first, 8192, (3, columns), generator=generator)
    return tokens, torch.arange(columns) < torch.tensor([columns, columns - 4, columns // 2])[:, None]


def assert_same(ours: Tensor, theirs: Tensor, mask: Tensor | None = None) -> None:
    """Equal to 1e-5 of the greatest logit, at real tokens."""
    if mask is not None:
        ours, theirs = ours[mask], theirs[mask]
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


# Decoders


def falcon_h1() -> tuple[nn.Module, Weights]:
    model = stirred(
        transformers.FalconH1ForCausalLM(
            transformers.FalconH1Config(
                **SIZES, num_hidden_layers=6, intermediate_size=512, num_attention_heads=4, num_key_value_heads=2,
                head_dim=64, mamba_d_ssm=256, mamba_n_heads=8, mamba_d_head=32, mamba_d_state=64, mamba_n_groups=1,
                ssm_out_multiplier=0.5, rope_parameters={"rope_type": "default", "rope_theta": 1e11},
            )
        )
    )  # fmt: skip
    theirs = model.state_dict()
    ours = renamed(
        theirs, {"embed": "model.embed_tokens", "norm": "model.final_layernorm", "head": "lm_head"}
    )
    for at in range(6):
        here, mix, ffn = f"model.layers.{at}", f"layers.{2 * at}", f"layers.{2 * at + 1}"
        ours |= renamed(
            theirs,
            {
                f"{mix}.norm": f"{here}.input_layernorm",
                f"{mix}.attention.out_proj": f"{here}.self_attn.o_proj",
                f"{mix}.mamba2.in_proj": f"{here}.mamba.in_proj",
                f"{mix}.mamba2.out_proj": f"{here}.mamba.out_proj",
                f"{ffn}.norm": f"{here}.pre_ff_layernorm",
                f"{ffn}.mixer.out_proj": f"{here}.feed_forward.down_proj",
            },
        )
        ours |= joined(theirs, f"{mix}.attention.qkv_proj", *(f"{here}.self_attn.{x}_proj" for x in "qkv"))
        feed = (f"{here}.feed_forward.{x}_proj" for x in ("gate", "up"))
        ours |= joined(theirs, f"{ffn}.mixer.gate_up_proj", *feed)
        ours |= {f"{mix}.mamba2.{x}": theirs[f"{here}.mamba.{x}"] for x in ("dt_bias", "A_log", "D")}
        ours[f"{mix}.mamba2.conv_weight"] = theirs[f"{here}.mamba.conv1d.weight"].squeeze(1)
        ours[f"{mix}.mamba2.conv_bias"] = theirs[f"{here}.mamba.conv1d.bias"]
    return model, ours


def gemma_2() -> tuple[nn.Module, Weights]:
    model = stirred(
        transformers.Gemma2ForCausalLM(
            transformers.Gemma2Config(
                **SIZES, num_hidden_layers=8, intermediate_size=1024, num_attention_heads=4, num_key_value_heads=2,
                head_dim=64, query_pre_attn_scalar=64, sliding_window=64,
            )
        )
    )  # fmt: skip
    theirs = model.state_dict()
    ours = renamed(theirs, {"embed": "model.embed_tokens", "norm": "model.norm"})
    for at in range(8):
        here, attention, ffn = f"model.layers.{at}", f"layers.{2 * at}", f"layers.{2 * at + 1}"
        ours |= renamed(
            theirs,
            {
                f"{attention}.norm": f"{here}.input_layernorm",
                f"{attention}.out_norm": f"{here}.post_attention_layernorm",
                f"{attention}.mixer.out_proj": f"{here}.self_attn.o_proj",
                f"{ffn}.norm": f"{here}.pre_feedforward_layernorm",
                f"{ffn}.out_norm": f"{here}.post_feedforward_layernorm",
                f"{ffn}.mixer.out_proj": f"{here}.mlp.down_proj",
            },
        )
        ours |= joined(theirs, f"{attention}.mixer.qkv_proj", *(f"{here}.self_attn.{x}_proj" for x in "qkv"))
        ours |= joined(theirs, f"{ffn}.mixer.gate_up_proj", *(f"{here}.mlp.{x}_proj" for x in ("gate", "up")))
    return model, ours


def gpt_j() -> tuple[nn.Module, Weights]:
    config = transformers.GPTJConfig(
        vocab_size=8192, n_embd=256, n_layer=8, n_head=4, rotary_dim=16, n_positions=64, attn_implementation="eager",
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = stirred(transformers.GPTJForCausalLM(config))
    theirs = model.state_dict()
    ours = renamed(theirs, {"embed": "transformer.wte", "norm": "transformer.ln_f", "head": "lm_head"})
    for at in range(8):
        here, both = f"transformer.h.{at}", f"layers.{at}"
        ours |= renamed(
            theirs,
            {
                f"{both}.norm": f"{here}.ln_1",
                f"{both}.attention.out_proj": f"{here}.attn.out_proj",
                f"{both}.ffn.in_proj": f"{here}.mlp.fc_in",
                f"{both}.ffn.out_proj": f"{here}.mlp.fc_out",
            },
        )
        ours |= joined(theirs, f"{both}.attention.qkv_proj", *(f"{here}.attn.{x}_proj" for x in "qkv"))
    return model, ours


def gpt_neox() -> tuple[nn.Module, Weights]:
    config = transformers.GPTNeoXConfig(
        **SIZES, num_hidden_layers=8, num_attention_heads=4, intermediate_size=1024,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25},
    )  # fmt: skip
    model = stirred(transformers.GPTNeoXForCausalLM(config))
    theirs = model.state_dict()
    ours = renamed(
        theirs, {"embed": "gpt_neox.embed_in", "norm": "gpt_neox.final_layer_norm", "head": "lm_head"}
    )
    for at in range(8):
        here, both = f"gpt_neox.layers.{at}", f"layers.{at}"
        ours |= renamed(
            theirs,
            {
                f"{both}.attention_norm": f"{here}.input_layernorm",
                f"{both}.attention.out_proj": f"{here}.attention.dense",
                f"{both}.ffn_norm": f"{here}.post_attention_layernorm",
                f"{both}.ffn.in_proj": f"{here}.mlp.dense_h_to_4h",
                f"{both}.ffn.out_proj": f"{here}.mlp.dense_4h_to_h",
            },
        )
        ours |= by_head(theirs, f"{both}.attention.qkv_proj", f"{here}.attention.query_key_value", heads=4)
    return model, ours


def bloom() -> tuple[nn.Module, Weights]:
    config = transformers.BloomConfig(**SIZES, n_layer=8, n_head=8)
    model = stirred(transformers.BloomForCausalLM(config))
    theirs = model.state_dict()
    ours = renamed(
        theirs,
        {
            "embed": "transformer.word_embeddings",
            "norm": "transformer.word_embeddings_layernorm",
            "norm_2": "transformer.ln_f",
        },
    )
    for at in range(8):
        here, attention, ffn = f"transformer.h.{at}", f"layers.{2 * at}", f"layers.{2 * at + 1}"
        ours |= renamed(
            theirs,
            {
                f"{attention}.norm": f"{here}.input_layernorm",
                f"{attention}.mixer.out_proj": f"{here}.self_attention.dense",
                f"{ffn}.norm": f"{here}.post_attention_layernorm",
                f"{ffn}.mixer.in_proj": f"{here}.mlp.dense_h_to_4h",
                f"{ffn}.mixer.out_proj": f"{here}.mlp.dense_4h_to_h",
            },
        )
        ours |= by_head(
            theirs, f"{attention}.mixer.qkv_proj", f"{here}.self_attention.query_key_value", heads=8
        )
    return model, ours


def mixtral() -> tuple[nn.Module, Weights]:
    config = transformers.MixtralConfig(
        **SIZES, num_hidden_layers=4, intermediate_size=512, num_attention_heads=4, num_key_value_heads=2,
        num_local_experts=8, num_experts_per_tok=2, rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    )  # fmt: skip
    model = stirred(transformers.MixtralForCausalLM(config))
    theirs = model.state_dict()
    ours = renamed(theirs, {"embed": "model.embed_tokens", "norm": "model.norm", "head": "lm_head"})
    for at in range(4):
        here, attention, experts = f"model.layers.{at}", f"layers.{2 * at}", f"layers.{2 * at + 1}"
        ours |= renamed(
            theirs,
            {
                f"{attention}.norm": f"{here}.input_layernorm",
                f"{attention}.mixer.out_proj": f"{here}.self_attn.o_proj",
                f"{experts}.norm": f"{here}.post_attention_layernorm",
                f"{experts}.mixer.router": f"{here}.mlp.gate",
            },
        )
        ours |= joined(theirs, f"{attention}.mixer.qkv_proj", *(f"{here}.self_attn.{x}_proj" for x in "qkv"))
        ours[f"{experts}.mixer.gate_up_proj.weight"] = theirs[f"{here}.mlp.experts.gate_up_proj"]
        ours[f"{experts}.mixer.out_proj.weight"] = theirs[f"{here}.mlp.experts.down_proj"]
    return model, ours


DECODERS: dict[str, Callable[[], tuple[Any, Weights]]] = {
    "falcon-h1-like": falcon_h1,
    "gemma-2-like": gemma_2,
    "gpt-j-like": gpt_j,
    "gpt-neox-like": gpt_neox,
    "bloom-like": bloom,
    "mixtral-like": mixtral,
}


@torch.no_grad()
@pytest.mark.parametrize("name", DECODERS)
def test_decoder(name: str) -> None:
    theirs, weights = DECODERS[name]()
    model = filled(name, weights)
    tokens, mask = batch(70 if name == "gemma-2-like" else 21)  # past the window of 64
    logits, _ = model(tokens, None, mask)
    assert_same(logits, theirs(tokens, attention_mask=mask.long()).logits, mask)


# Encoders: attention and FFN with biases, under the names that BERT, ALBERT and Longformer have


def encoder_layer(theirs: Weights, here: str, at: int) -> Weights:
    attention, ffn = f"layers.{2 * at}", f"layers.{2 * at + 1}"
    names = {
        f"{attention}.norm": f"{here}.attention.output.LayerNorm",
        f"{attention}.mixer.out_proj": f"{here}.attention.output.dense",
        f"{ffn}.norm": f"{here}.output.LayerNorm",
        f"{ffn}.mixer.in_proj": f"{here}.intermediate.dense",
        f"{ffn}.mixer.out_proj": f"{here}.output.dense",
    }
    rows = (f"{here}.attention.self.{x}" for x in ("query", "key", "value"))
    return renamed(theirs, names) | joined(theirs, f"{attention}.mixer.qkv_proj", *rows)


@torch.no_grad()
def test_bert() -> None:
    config = transformers.BertConfig(
        **SIZES, **NO_DROPOUT, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024
    )
    bert = stirred(transformers.BertForPreTraining(config))
    theirs = bert.state_dict()
    weights = renamed(
        theirs,
        {
            "embed": "bert.embeddings.word_embeddings",
            "embed.types": "bert.embeddings.token_type_embeddings",
            "position": "bert.embeddings.position_embeddings",
            "norm": "bert.embeddings.LayerNorm",
            "heads.words.in_proj": "cls.predictions.transform.dense",
            "heads.words.norm": "cls.predictions.transform.LayerNorm",
            "heads.next.pooler": "bert.pooler.dense",
            "heads.next.proj": "cls.seq_relationship",
        },
    ) | {"heads.words.bias": theirs["cls.predictions.bias"]}
    for at in range(4):
        weights |= encoder_layer(theirs, f"bert.encoder.layer.{at}", at)
    model = filled("bert-like", weights)
    tokens, mask = batch()
    types = (torch.arange(tokens.shape[1]) >= 8).long().expand_as(tokens)  # two sentences
    outputs, _ = model(tokens, None, mask, types=types)
    expected = bert(tokens, attention_mask=mask.long(), token_type_ids=types)
    assert_same(outputs["words"], expected.prediction_logits, mask)
    assert_same(outputs["next"], expected.seq_relationship_logits)


@torch.no_grad()
def test_longformer() -> None:
    """With its own projections of global tokens set to those of the others; 2 w is its window of w on each side."""
    config = transformers.LongformerConfig(
        **SIZES, **NO_DROPOUT, num_hidden_layers=6, num_attention_heads=4, intermediate_size=1024,
        attention_window=[8, 8, 16, 16, 32, 32], max_position_embeddings=4098, type_vocab_size=1,
        layer_norm_eps=1e-5, pad_token_id=1,
    )  # fmt: skip
    longformer = stirred(transformers.LongformerForMaskedLM(config))
    longformer.longformer.embeddings.token_type_embeddings.weight.zero_()
    theirs = longformer.state_dict()
    weights = renamed(
        theirs,
        {
            "embed": "longformer.embeddings.word_embeddings",
            "position": "longformer.embeddings.position_embeddings",
            "norm": "longformer.embeddings.LayerNorm",
            "head.in_proj": "lm_head.dense",
            "head.norm": "lm_head.layer_norm",
        },
    ) | {"head.bias": theirs["lm_head.bias"]}
    for at, layer in enumerate(longformer.longformer.encoder.layer):
        inner = layer.attention.self
        for name in ("query", "key", "value"):
            getattr(inner, f"{name}_global").load_state_dict(getattr(inner, name).state_dict())
        weights |= encoder_layer(theirs, f"longformer.encoder.layer.{at}", at)
    windows = {"attention[2:4]": {"window": 9}, "attention[4:]": {"window": 17}}
    model = filled("longformer-like", weights, **{"blocks.attention.window": 5, "stack.override": windows})
    tokens, mask = batch(columns=100)
    logits, _ = model(tokens, None, mask)
    first = torch.zeros_like(tokens)
    first[:, 0] = 1
    padded = tokens.masked_fill(~mask, 1)
    expected = longformer(padded, attention_mask=mask.long(), global_attention_mask=first).logits
    assert_same(logits, expected, mask)


@torch.no_grad()
def test_albert() -> None:
    config = transformers.AlbertConfig(
        vocab_size=30000, hidden_size=768, num_attention_heads=12, intermediate_size=3072, attn_implementation="eager",
        **NO_DROPOUT,
    )  # fmt: skip
    albert = stirred(transformers.AlbertForMaskedLM(config))
    theirs = albert.state_dict()
    layer = "albert.encoder.albert_layer_groups.0.albert_layers.0"
    weights = renamed(
        theirs,
        {
            "embed": "albert.embeddings.word_embeddings",
            "embed.types": "albert.embeddings.token_type_embeddings",
            "position": "albert.embeddings.position_embeddings",
            "norm": "albert.embeddings.LayerNorm",
            "layers.0.mixer.out_proj": "albert.encoder.embedding_hidden_mapping_in",
            "layers.1.norm": f"{layer}.attention.LayerNorm",
            "layers.1.mixer.out_proj": f"{layer}.attention.dense",
            "layers.2.norm": f"{layer}.full_layer_layer_norm",
            "layers.2.mixer.in_proj": f"{layer}.ffn",
            "layers.2.mixer.out_proj": f"{layer}.ffn_output",
            "head.in_proj": "predictions.dense",
            "head.norm": "predictions.LayerNorm",
        },
    )
    rows = (f"{layer}.attention.{x}" for x in ("query", "key", "value"))
    weights |= joined(theirs, "layers.1.mixer.qkv_proj", *rows)
    weights |= {"head.bias": theirs["predictions.bias"]}
    model = filled("albert", weights)
    tokens, mask = batch()
    logits, _ = model(tokens, None, mask)
    assert_same(logits, albert(tokens, attention_mask=mask.long()).logits, mask)
    assert sum(p.numel() for p in model.parameters()) == albert.num_parameters()


# Encoder and decoder


@torch.no_grad()
def test_t5() -> None:
    config = transformers.T5Config(
        vocab_size=8192, d_model=256, d_kv=64, d_ff=640, num_layers=4, num_heads=4, dropout_rate=0.0,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, use_cache=False,
    )  # fmt: skip
    t5 = stirred(transformers.T5ForConditionalGeneration(config), by=0.02)  # its scores are not scaled down
    theirs = t5.state_dict()
    weights = {"encoder.embed.weight": theirs["shared.weight"]}
    weights |= renamed(theirs, {"encoder.norm": "encoder.final_layer_norm", "decoder.head": "lm_head"})
    weights |= renamed(theirs, {"decoder.norm": "decoder.final_layer_norm"})
    for stream, kinds in (("encoder", ("Self", "")), ("decoder", ("Self", "EncDec", ""))):
        table = f"{stream}.block.0.layer.0.SelfAttention.relative_attention_bias"
        weights |= renamed(theirs, {f"{stream}.layers.0.mixer.position": table})
        for at in range(4 * len(kinds)):
            kind = kinds[at % len(kinds)]
            ours, here = f"{stream}.layers.{at}", f"{stream}.block.{at // len(kinds)}.layer.{at % len(kinds)}"
            weights |= renamed(theirs, {f"{ours}.norm": f"{here}.layer_norm"})
            if not kind:
                feed = f"{here}.DenseReluDense"
                weights |= renamed(theirs, {f"{ours}.mixer.out_proj": f"{feed}.wo"})
                weights |= joined(theirs, f"{ours}.mixer.gate_up_proj", f"{feed}.wi_0", f"{feed}.wi_1")
                continue
            inner = f"{here}.{kind}Attention"
            weights |= renamed(theirs, {f"{ours}.mixer.out_proj": f"{inner}.o"})
            if kind == "Self":
                weights |= joined(theirs, f"{ours}.mixer.qkv_proj", *(f"{inner}.{x}" for x in "qkv"))
            else:
                weights |= renamed(theirs, {f"{ours}.mixer.q_proj": f"{inner}.q"})
                weights |= joined(theirs, f"{ours}.mixer.kv_proj", f"{inner}.k", f"{inner}.v")
    model = filled("t5-like", weights)
    source, mask = batch()
    target = source.flip(0)[:, :9]
    logits, _ = model(source, target, None, mask)
    expected = t5(input_ids=source, attention_mask=mask.long(), decoder_input_ids=target).logits
    assert_same(logits, expected)
