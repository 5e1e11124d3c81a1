"""Which weights decay, in every kind of model."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import blocks
from blocks_train.optim.groups import decays, groups


def names(recipe: str, *, decay: bool, embeddings: bool = True) -> set[str]:
    """The last parts of the names of the parameters that decay, or that do not."""
    model = blocks.build(recipe, device="meta")
    return {name for name, _, does in decays(model, embeddings=embeddings) if does is decay}


def last(found: set[str]) -> set[str]:
    return {name.rpartition(".")[2] for name in found}


def test_mamba_leaves_alone_what_its_authors_mark() -> None:
    left = names("mamba-tiny", decay=False)
    assert last(left) == {"A_log", "D", "dt_proj_bias", "conv_bias", "weight"}
    assert all("norm" in name for name in left if name.endswith("weight"))
    decayed = names("mamba-tiny", decay=True)
    assert last(decayed) == {"weight", "conv_weight", "dt_proj_weight"}
    assert any(name.startswith("embed") for name in decayed)
    assert last(names("mamba2-tiny", decay=False)) == {"A_log", "D", "dt_bias", "conv_bias", "weight"}


def test_gpt2_is_split_as_in_nanogpt() -> None:
    """Whatever has two dimensions decays, the tables of tokens and positions included."""
    model = blocks.build("gpt2-tiny", device="meta")
    for _, parameter, does in decays(model):
        assert does == (parameter.dim() >= 2)


def test_tables_can_be_left_alone_and_a_tied_head_is_a_table() -> None:
    left = names("gpt2-tiny", decay=False, embeddings=False) - names("gpt2-tiny", decay=False)
    assert left == {"embed.weight", "position.weight"}
    model = blocks.build("gpt2-tiny", device="meta")
    assert all(not name.startswith("head") for name, _, _ in decays(model))  # it is the embedding's
    untied = names("mamba-tiny", decay=True, embeddings=False)
    assert "embed.weight" not in untied


def test_biases_with_two_dimensions_are_biases() -> None:
    from blocks_feedforward.moe import MoE
    from blocks_positions.scores import RelativePositions

    experts = MoE(16, n_experts=4, top_k=2, d_ff=8, bias=True)
    found = {name: does for name, _, does in decays(experts)}
    assert {does for name, does in found.items() if name.endswith("bias")} == {False}
    assert {does for name, does in found.items() if name.endswith("weight")} == {True}
    assert [does for _, _, does in decays(RelativePositions(4))] == [False]


def test_groups_have_every_trained_parameter_once() -> None:
    model = blocks.build("hybrid-tiny")
    frozen = next(model.parameters())
    frozen.requires_grad_(False)
    made = groups(model, 1e-3, 0.1)
    held = [id(parameter) for group in made for _, parameter in group["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters() if p is not frozen)
    assert [(g["weight_decay"], g["lr"], g["initial_lr"]) for g in made] == [
        (0.1, 1e-3, 1e-3),
        (0.0, 1e-3, 1e-3),
    ]


def test_a_group_without_parameters_is_left_out() -> None:
    assert len(groups(nn.Linear(2, 2, bias=False), 1e-3, 0.1)) == 1
    assert groups(nn.Identity(), 1e-3, 0.1) == []


@pytest.mark.parametrize("shared_first", [True, False])
def test_a_shared_parameter_is_left_alone_where_one_of_its_modules_says_so(shared_first: bool) -> None:
    class Says(nn.Module):
        no_weight_decay = ("weight",)

        def __init__(self, weight: nn.Parameter) -> None:
            super().__init__()
            self.weight = weight

    linear = nn.Linear(3, 3, bias=False)
    parts = [Says(linear.weight), linear]
    model = nn.Sequential(*(parts if shared_first else parts[::-1]))
    assert [does for _, _, does in decays(model)] == [False]
    assert torch.equal(next(model.parameters()), linear.weight)
