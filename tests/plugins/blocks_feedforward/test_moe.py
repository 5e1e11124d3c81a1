"""The mixture of experts against its definition, against Mixtral's and Nemotron-H's, and against itself in parts."""

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import MixtralConfig, NemotronHConfig
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock
from transformers.models.nemotron_h.modeling_nemotron_h import NemotronHMoE

from blocks_compiler.backends.runtime import init_weights
from blocks_feedforward.moe import MoE, RouterState

D = 16
OPTIONS: dict[str, dict[str, Any]] = {
    "mixtral": {"n_experts": 8, "top_k": 2},
    "switch": {"n_experts": 4, "top_k": 1, "renormalise": False},
    "all": {"n_experts": 3, "top_k": 3},
    "plain": {"n_experts": 5, "top_k": 2, "gated": False, "activation": "relu2", "bias": True},
    "v3": {
        "n_experts": 6, "top_k": 2, "gated": False, "activation": "relu2", "bias": True, "scoring": "sigmoid",
        "choice_bias": True, "routed_scale": 2.5, "latent": 8, "shared_d_ff": 20,
    },
    "shared": {"n_experts": 6, "top_k": 3, "shared_d_ff": 20, "renormalise": False, "activation": "gelu"},
}  # fmt: skip


def made(name: str, dtype: torch.dtype = torch.float64) -> MoE:
    """A module with all its weights random, so that none can be forgotten."""
    module = MoE(D, d_ff=24, **OPTIONS[name])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.4)
    return module.to(dtype)


def drawn(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def close(actual: object, expected: object, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def network(module: Any, x: Tensor, expert: int | None) -> Tensor:
    """One expert, or the shared one, of one token."""

    def through(name: str, x: Tensor) -> Tensor:
        linear = getattr(module if expert is not None else module.shared, name)
        weight, bias = linear.weight, linear.bias
        if expert is not None:
            weight, bias = weight[expert], None if bias is None else bias[expert]
        return F.linear(x, weight, bias)

    if module.gate_up_proj is None:
        return through("out_proj", module.activation(through("in_proj", x)))
    gate, up = through("gate_up_proj", x).chunk(2)
    return through("out_proj", module.activation(gate) * up)


def token_by_token(module: MoE, name: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """The definition for x [T, D]: outputs, and the statistics [2, E]."""
    options = OPTIONS[name]
    y, routed = [], torch.zeros(2, options["n_experts"], dtype=x.dtype)
    for token in x:
        logits = module.router.weight @ token
        if options.get("scoring") == "sigmoid":
            scores = 1 / (1 + torch.exp(-logits))
            probabilities = scores / scores.sum()
        else:
            scores = probabilities = torch.exp(logits) / torch.exp(logits).sum()
        ranked = scores if module.router.choice_bias is None else scores + module.router.choice_bias
        chosen = sorted(range(len(scores)), key=ranked.tolist().__getitem__, reverse=True)[: options["top_k"]]
        total = sum(scores[e] for e in chosen) if options.get("renormalise", True) else 1
        read = token if module.latent_in is None else module.latent_in(token)
        out = sum(scores[e] / total * network(module, read, e) for e in chosen)
        out = out * options.get("routed_scale", 1.0)
        out = out if module.latent_out is None else module.latent_out(out)
        y.append(out if module.shared is None else out + network(module, token, None))
        routed[1] += probabilities
        for e in chosen:
            routed[0, e] += 1
    return torch.stack(y), routed


@torch.no_grad()
@pytest.mark.parametrize("name", OPTIONS)
def test_it_is_the_definition(name):
    module, x = made(name), drawn(3, 17, D)
    y, state = module(x)
    for row in range(3):
        wanted, routed = token_by_token(module, name, x[row])
        close(y[row], wanted)
        close(state.routed[row], routed)


@pytest.mark.parametrize("name", OPTIONS)
def test_gradients_are_those_of_the_definition(name):
    module, x = made(name), drawn(2, 11, D).requires_grad_()
    pull, push = drawn(2, 11, D, seed=2), drawn(2, 2, OPTIONS[name]["n_experts"], seed=3)
    of = [x, *module.parameters()]
    y, state = module(x)
    ours = torch.autograd.grad((y * pull).sum() + (state.routed * push).sum(), of)
    parts = [token_by_token(module, name, row) for row in x]
    theirs = torch.autograd.grad(
        sum((y * pull[row]).sum() + (routed * push[row]).sum() for row, (y, routed) in enumerate(parts)),
        of,
    )
    close(ours, theirs, 1e-10)


@torch.no_grad()
@pytest.mark.parametrize("experts", ["eager", "grouped_mm"])
def test_it_is_mixtrals(experts):
    config = MixtralConfig(
        hidden_size=64, intermediate_size=96, num_local_experts=8, num_experts_per_tok=2,
        experts_implementation=experts,
    )  # fmt: skip
    theirs = MixtralSparseMoeBlock(config).eval()
    ours = MoE(64, n_experts=8, top_k=2, d_ff=96)
    ours.router.weight.copy_(theirs.gate.weight.normal_(std=0.5))
    ours.gate_up_proj.weight.copy_(theirs.experts.gate_up_proj.normal_(std=0.2))
    ours.out_proj.weight.copy_(theirs.experts.down_proj.normal_(std=0.2))
    x = drawn(3, 29, 64, dtype=torch.float32)
    close(ours(x)[0], theirs(x), 1e-5)
    state, steps = None, []
    for t in range(29):
        y, state = ours(x[:, t : t + 1], state)
        steps.append(y)
    close(torch.cat(steps, dim=1), theirs(x), 1e-5)


@torch.no_grad()
@pytest.mark.parametrize("latent", [None, 24])
def test_it_is_nemotron_hs(latent):
    config = NemotronHConfig(
        hidden_size=32, n_routed_experts=8, num_experts_per_tok=3, moe_intermediate_size=40, moe_latent_size=latent,
        moe_shared_expert_intermediate_size=48, routed_scaling_factor=2.5, mlp_bias=False,
        layers_block_type=["moe"],
    )  # fmt: skip
    theirs = NemotronHMoE(config).eval()
    ours = MoE(
        32, n_experts=8, top_k=3, d_ff=40, activation="relu2", gated=False, scoring="sigmoid", choice_bias=True,
        routed_scale=2.5, latent=latent, shared_d_ff=48,
    )  # fmt: skip
    for tensor in (*theirs.parameters(), theirs.gate.e_score_correction_bias):
        tensor.normal_(std=0.3)
    ours.router.weight.copy_(theirs.gate.weight)
    ours.router.choice_bias.copy_(theirs.gate.e_score_correction_bias)
    ours.in_proj.weight.copy_(theirs.experts.up_proj)
    ours.out_proj.weight.copy_(theirs.experts.down_proj)
    ours.shared.in_proj.weight.copy_(theirs.shared_experts.up_proj.weight)
    ours.shared.out_proj.weight.copy_(theirs.shared_experts.down_proj.weight)
    if latent is not None:
        ours.latent_in.weight.copy_(theirs.fc1_latent_proj.weight)
        ours.latent_out.weight.copy_(theirs.fc2_latent_proj.weight)
    x = drawn(2, 23, 32, dtype=torch.float32)
    wanted = theirs(x)
    close(ours(x)[0], wanted, 1e-5)
    ours.router.choice_bias.zero_()
    assert not torch.allclose(ours(x)[0], wanted, atol=1e-2)


@torch.no_grad()
@pytest.mark.parametrize("name", OPTIONS)
def test_what_comes_later_changes_nothing(name):
    module, x = made(name), drawn(2, 31, D)
    y, _ = module(x)
    for t in (0, 5, 29):
        future = x.clone()
        future[:, t + 1 :] = 1e4
        close(module(future)[0][:, : t + 1], y[:, : t + 1])


@torch.no_grad()
@pytest.mark.parametrize("name", OPTIONS)
def test_the_state_counts_real_tokens_however_they_are_cut(name):
    module, x = made(name), drawn(3, 24, D)
    mask = torch.rand(3, 24, generator=torch.Generator().manual_seed(2)) < torch.tensor([[0.3], [0.8], [1.0]])
    _, whole = module(x, None, mask)
    close(whole.routed[:, 0].sum(dim=1), mask.sum(dim=1).double() * OPTIONS[name]["top_k"])
    close(whole.routed[:, 1].sum(dim=1), mask.sum(dim=1).double())
    state = None
    for start, end in itertools.pairwise((0, 1, 9, 9, 24)):
        _, state = module(x[:, start:end], state, mask[:, start:end])
    close(state.routed, whole.routed)
    for row in range(3):
        _, alone = module(x[row : row + 1, mask[row]])
        close(alone.routed[0], whole.routed[row])


@torch.no_grad()
def test_packed_documents_are_the_documents():
    module, x = made("v3"), drawn(2, 20, D)
    documents = torch.tensor([[1] * 8 + [2] * 12, [0] * 3 + [1] * 10 + [2] * 4 + [0] * 3])
    y, state = module(x, None, documents)
    close(state.routed, module(x, None, documents > 0)[1].routed.sum(dim=0))
    for row, number in ((0, 1), (0, 2), (1, 1), (1, 2)):
        here = documents[row] == number
        close(y[row, here], module(x[row : row + 1, here])[0][0])
    for given, mask in (
        (RouterState(torch.zeros(2, 2, 6)), documents),
        (state, None),
        (state, documents > 0),
    ):
        with pytest.raises(ValueError, match="packed documents are given whole, without a state"):
            module(x, given, mask)


@torch.no_grad()
def test_in_half_precision_the_choice_is_that_of_full_precision():
    half = made("mixtral", torch.bfloat16)
    full = made("mixtral").bfloat16().double()
    x = drawn(4, 200, D).bfloat16()
    y, state = half(x)
    wanted, exact = full(x.double())
    assert y.dtype == torch.bfloat16
    assert state.routed.dtype == torch.float32
    assert torch.equal(state.routed[:, 0].double(), exact.routed[:, 0])
    assert (y.double() - wanted).square().mean().sqrt() < 1e-2 * wanted.square().mean().sqrt()


@pytest.mark.parametrize("name", OPTIONS)
def test_it_starts_small_and_without_biases(name):
    module = MoE(D, d_ff=24, **OPTIONS[name])
    init_weights(module, seed=0)
    for key, tensor in module.state_dict().items():
        if key.endswith("bias"):
            assert not tensor.any()
        else:
            assert 0.01 < tensor.std() < 0.03


@torch.no_grad()
@pytest.mark.parametrize("name", ["mixtral", "v3"])
def test_compiles_into_one_graph(name):
    module = made(name, torch.float32)
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, backend="eager", dynamic=True)
    for T in (3, 40, 1):
        x = drawn(2, T, D, dtype=torch.float32)
        mask = torch.ones(2, T, dtype=torch.bool)
        mask[0, : T // 2] = False
        for given in (None, mask):
            (y, state), (wanted, held) = compiled(x, None, given), module(x, None, given)
            close(y, wanted, 1e-5)
            close(state.routed, held.routed, 1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", ["mixtral", "v3"])
def test_exports_with_dynamic_batch_and_length(name):
    module = made(name, torch.float32)
    B, T = torch.export.Dim("B"), torch.export.Dim("T")
    x, mask = drawn(2, 6, D, dtype=torch.float32), torch.ones(2, 6, dtype=torch.bool)
    plain = torch.export.export(module, (x,), dynamic_shapes=({0: B, 1: T},)).module()
    masked = torch.export.export(
        module, (x, None, mask), dynamic_shapes=({0: B, 1: T}, None, {0: B, 1: T})
    ).module()
    for shape in ((3, 2), (1, 5), (2, 40)):
        x, mask = drawn(*shape, D, dtype=torch.float32), torch.ones(shape, dtype=torch.bool)
        mask[:, 0] = False
        close(plain(x)[0], module(x)[0], 1e-5)
        close(plain(x)[1].routed, module(x)[1].routed, 1e-5)
        close(masked(x, None, mask)[0], module(x, None, mask)[0], 1e-5)


def test_compiled_gradients_are_the_same():
    module = made("mixtral", torch.float32)
    torch.compiler.reset()
    x = drawn(2, 9, D, dtype=torch.float32).requires_grad_()
    pull = drawn(2, 9, D, dtype=torch.float32, seed=2)
    of: list[Tensor | nn.Parameter] = [x, *module.parameters()]
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    ours = torch.autograd.grad((compiled(x)[0] * pull).sum(), of)
    close(ours, torch.autograd.grad((module(x)[0] * pull).sum(), of), 1e-4)
