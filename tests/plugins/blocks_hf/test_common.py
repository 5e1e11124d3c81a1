"""What families share, against what transformers makes of the same words."""

import pytest
import torch

import blocks
from blocks_hf.families.common import ACTIVATIONS, GATES

transformers = pytest.importorskip("transformers")


def ffn(mixer: str, activation: str) -> torch.nn.Module:
    """The mixer of a built model, in float64."""
    block = f"{{mixer: {mixer}, d_ff: 64, activation: {activation}}}"
    stages = "[{embed: tokens}, {stack: {layers: a}}]"
    text = f"recipe: r\nd_model: 64\nvocab_size: 8\nblocks: {{a: {block}}}\nmodel: {stages}\n"
    built: torch.nn.Module = blocks.build(blocks.load(text), dtype="float64").layers[0].mixer
    return built


@torch.no_grad()
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_those_of_transformers(name: str) -> None:
    """To the digits of sqrt(2 / pi) that gelu_fast has."""
    theirs = transformers.activations.ACT2FN[name]
    x = torch.linspace(-6, 6, 64 * 50, dtype=torch.float64).view(1, 50, 64)
    plain = ffn("mlp", ACTIVATIONS[name])
    plain.in_proj.weight.copy_(torch.eye(64))
    plain.out_proj.weight.copy_(torch.eye(64))
    assert (plain(x)[0] - theirs(x)).abs().max() < 1e-8
    if name in GATES:
        gated = ffn("gated_mlp", GATES[name])
        gated.gate_up_proj.weight.copy_(torch.eye(64).repeat(2, 1))
        gated.out_proj.weight.copy_(torch.eye(64))
        assert (gated(x)[0] - theirs(x) * x).abs().max() < 6e-8
