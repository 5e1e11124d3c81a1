"""The encoder-decoder Transformer of Vaswani et al. 2017: sizes, torch.nn.Transformer's numbers, decoding by steps."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import blocks


def parameters(d_model: int, vocab: int, layers: int = 6) -> int:
    """The matrices and vectors of the paper: attention 4 D (D + 1), FFN 8 D² + 5 D, a norm 2 D."""
    attention, ffn, norm = 4 * d_model * (d_model + 1), 8 * d_model**2 + 5 * d_model, 2 * d_model
    encoder = attention + ffn + 2 * norm
    decoder = 2 * attention + ffn + 3 * norm
    return vocab * d_model + layers * (encoder + decoder)


@pytest.mark.parametrize(("name", "d_model"), [("transformer-base", 512), ("transformer-big", 1024)])
def test_totals_follow_the_paper(name: str, d_model: int) -> None:
    plan = blocks.load(name).plan()
    assert plan.parameters == parameters(d_model, 37000)
    model = blocks.build(name, device="meta")
    assert sum(parameter.numel() for parameter in model.parameters()) == plan.parameters


def test_base_and_big_have_the_papers_millions() -> None:
    base, big = (blocks.load(f"transformer-{size}").plan().parameters for size in ("base", "big"))
    assert (round(base / 1e6), round(big / 1e6)) == (63, 214)  # the paper's table 3 rounds to 65 and 213


def stirred(seed: int = 0) -> Any:
    model = blocks.build("transformer-tiny", seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


def attention_weights(attention: Any, kept: Any) -> None:
    """Copy multi-head attention into torch's, self or cross."""
    if hasattr(kept, "qkv_proj"):
        attention.in_proj_weight.copy_(kept.qkv_proj.weight)
        attention.in_proj_bias.copy_(kept.qkv_proj.bias)
    else:
        attention.in_proj_weight.copy_(torch.cat((kept.q_proj.weight, kept.kv_proj.weight)))
        attention.in_proj_bias.copy_(torch.cat((kept.q_proj.bias, kept.kv_proj.bias)))
    attention.out_proj.weight.copy_(kept.out_proj.weight)
    attention.out_proj.bias.copy_(kept.out_proj.bias)


@torch.no_grad()
def torchs(model: Any) -> nn.Transformer:
    """torch.nn.Transformer with the same weights, and without the norms that it adds after each stack."""
    sizes: dict[str, Any] = {
        "d_model": 64,
        "nhead": 4,
        "dim_feedforward": 256,
        "dropout": 0.0,
        "batch_first": True,
    }
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(**sizes), 2, enable_nested_tensor=False)
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(**sizes), 2)
    made = nn.Transformer(**sizes, custom_encoder=encoder, custom_decoder=decoder)  # draws all weights
    for index, layer in enumerate(encoder.layers):
        reader, ffn = model.encoder.layers[2 * index], model.encoder.layers[2 * index + 1]
        attention_weights(layer.self_attn, reader.mixer)
        copy_ffn(layer, ffn.mixer)
        copy_norms(layer, (reader, ffn))
    for index, layer in enumerate(decoder.layers):
        writer, cross, ffn = (model.decoder.layers[3 * index + i] for i in range(3))
        attention_weights(layer.self_attn, writer.mixer)
        attention_weights(layer.multihead_attn, cross.mixer)
        copy_ffn(layer, ffn.mixer)
        copy_norms(layer, (writer, cross, ffn))
    return made


def copy_ffn(layer: Any, mlp: Any) -> None:
    for linear, kept in ((layer.linear1, mlp.in_proj), (layer.linear2, mlp.out_proj)):
        linear.weight.copy_(kept.weight)
        linear.bias.copy_(kept.bias)


def copy_norms(layer: Any, sublayers: tuple[Any, ...]) -> None:
    for index, sublayer in enumerate(sublayers, start=1):
        norm = getattr(layer, f"norm{index}")
        norm.weight.copy_(sublayer.norm.weight)
        norm.bias.copy_(sublayer.norm.bias)


def embedded(model: Any, tokens: Tensor) -> Tensor:
    """sqrt(d_model) times the rows, plus sines in even and cosines in odd channels (sections 3.4 and 3.5)."""
    x = model.decoder.embed.weight[tokens] * 64**0.5
    places = torch.arange(tokens.shape[1])[:, None] / 10000 ** (torch.arange(0, 64, 2) / 64)
    return x + torch.stack((places.sin(), places.cos()), dim=-1).flatten(1)


def batch() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    source, target = (torch.randint(0, 256, (3, size), generator=generator) for size in (11, 9))
    return source, target, torch.arange(11) < torch.tensor([11, 7, 4])[:, None]


@torch.no_grad()
def test_it_computes_what_torch_computes() -> None:
    model = stirred()
    source, target, mask = batch()
    logits, _ = model(source, target, None, mask)
    causal = nn.Transformer.generate_square_subsequent_mask(9).isinf()
    states = torchs(model)(
        embedded(model, source), embedded(model, target), tgt_mask=causal,
        src_key_padding_mask=~mask, memory_key_padding_mask=~mask,
    )  # fmt: skip
    expected = states @ model.decoder.embed.weight.T
    assert (logits - expected).abs().max() <= 1e-5 * expected.abs().max()


@torch.no_grad()
def test_token_by_token_gives_the_same() -> None:
    model = stirred().double()
    source, target, mask = batch()
    whole, _ = model(source, target, None, mask)
    first, state = model(source, target[:, :2], None, mask)
    steps = [first]
    for at in range(2, 9):
        step, state = model(None, target[:, at : at + 1], state)
        steps.append(step)
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, rtol=0, atol=1e-10)


@torch.no_grad()
def test_padding_of_the_source_changes_nothing() -> None:
    model = stirred().double()
    source, target, mask = batch()
    whole, _ = model(source, target, None, mask)
    changed, _ = model(source.masked_fill(~mask, 3), target, None, mask)
    torch.testing.assert_close(changed, whole, rtol=0, atol=0)
    alone, _ = model(source[1:2, :7], target[1:2])
    torch.testing.assert_close(whole[1:2], alone, rtol=0, atol=1e-10)


def test_one_table_serves_three_places() -> None:
    model = blocks.build("transformer-tiny")
    tables = {id(module.weight) for module in (model.encoder.embed, model.decoder.embed, model.decoder.head)}  # type: ignore[union-attr]
    assert len(tables) == 1
