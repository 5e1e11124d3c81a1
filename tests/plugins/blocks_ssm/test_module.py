"""Mamba and Mamba-2 against transformers' classes on shared weights, and against themselves in parts."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks_ssm.module import Mamba, Mamba2, SSMState

Mixer = Mamba | Mamba2


def initialised(module: nn.Module, seed: int = 0) -> nn.Module:
    """Every weight random, so that none can be forgotten: norms, biases, D and A as well."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if hasattr(part, "init_weights"):
            part.init_weights(generator)
    with torch.no_grad():
        for name, p in module.named_parameters():
            if name.endswith(("D", "norm.weight")):
                p.uniform_(0.5, 1.5, generator=generator)
            elif "proj" in name and "dt_proj" not in name:
                p.normal_(std=0.2, generator=generator)
    return module.eval()


def mamba(**options) -> Mamba:
    return initialised(Mamba(24, **{"d_inner": 48, "dt_rank": 3, "d_state": 5, "chunk_size": 4} | options))


def mamba2(**options) -> Mamba2:
    sizes = {"n_heads": 4, "head_dim": 6, "d_state": 5, "n_groups": 2, "chunk_size": 8}
    return initialised(Mamba2(24, **sizes | options))


MIXERS = [
    pytest.param(mamba, id="mamba"),
    pytest.param(mamba2, id="mamba2"),
    pytest.param(
        lambda: mamba2(norm_before_gate=True, norm_groups=2, bias=True, conv_bias=False), id="mamba2-options"
    ),
    pytest.param(lambda: mamba2(gated_norm=False, d_conv=1, dt_limit=(0.01, 0.05)), id="mamba2-no-norm"),
]


def assert_same(ours: object, theirs: object, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


# Against transformers


def hf_mamba(mixer: Mamba) -> tuple[nn.Module, Any]:
    from transformers import MambaConfig
    from transformers.models.mamba.modeling_mamba import MambaMixer

    config = MambaConfig(
        hidden_size=mixer.in_proj.in_features, expand=2, state_size=mixer.split_x[1], num_hidden_layers=1,
        time_step_rank=mixer.dt_proj_weight.shape[1], conv_kernel=4,
    )  # fmt: skip
    return MambaMixer(config, layer_idx=0), config


def hf_mamba2(mixer: Mamba2) -> tuple[nn.Module, Any]:
    from transformers import Mamba2Config
    from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

    config = Mamba2Config(
        hidden_size=24, num_heads=mixer.n_heads, head_dim=mixer.head_dim, expand=1,
        state_size=mixer.split_conv[1] // mixer.n_groups, n_groups=mixer.n_groups, num_hidden_layers=1,
        chunk_size=16, time_step_limit=tuple(
            default if limit is None else limit
            for limit, default in zip(mixer.dt_limit, (0.0, float("inf")), strict=True)
        ),
        layer_norm_epsilon=1e-5,
    )  # fmt: skip
    return Mamba2Mixer(config, layer_idx=0), config


def hf_nemotron_h(mixer: Mamba2) -> tuple[nn.Module, Any]:
    from transformers import NemotronHConfig
    from transformers.models.nemotron_h.modeling_nemotron_h import NemotronHMamba2Mixer

    config = NemotronHConfig(
        hidden_size=24, mamba_num_heads=mixer.n_heads, mamba_head_dim=mixer.head_dim, n_groups=mixer.n_groups,
        ssm_state_size=mixer.split_conv[1] // mixer.n_groups, chunk_size=16, layers_block_type=["mamba"],
        layer_norm_epsilon=1e-5,
    )  # fmt: skip
    return NemotronHMamba2Mixer(config, layer_idx=0), config


def load_into(theirs: nn.Module, ours: Mixer) -> None:
    names = {"conv_weight": "conv1d.weight", "conv_bias": "conv1d.bias"}
    names |= {"dt_proj_weight": "dt_proj.weight", "dt_proj_bias": "dt_proj.bias"}
    weights = {names.get(name, name): w for name, w in ours.state_dict().items()}
    weights["conv1d.weight"] = weights["conv1d.weight"][:, None]
    theirs.eval().load_state_dict(weights)


PEERS = [
    pytest.param(mamba, hf_mamba, id="mamba"),
    pytest.param(lambda: mamba2(n_groups=1), hf_mamba2, id="mamba2"),
    pytest.param(lambda: mamba2(norm_groups=2), hf_mamba2, id="mamba2-2-groups"),
    pytest.param(lambda: mamba2(norm_groups=2, n_heads=8), hf_nemotron_h, id="nemotron-h"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("ours", "theirs"), PEERS)
def test_agrees_with_transformers_in_one_pass_and_step_by_step(ours: Callable[[], Mixer], theirs):
    from transformers import DynamicCache

    torch.manual_seed(1)
    mixer = ours()
    if isinstance(mixer, Mamba2):  # NemotronH clamps dt at 0.001 in the pass, but not in the step
        mixer.dt_bias.data.fill_(-1.0)
    peer, config = theirs(mixer)
    load_into(peer, mixer)
    x = torch.randn(2, 45, 24)
    with torch.no_grad():
        assert_same(mixer(x)[0], peer(x), tolerance=1e-5)

        cache = DynamicCache(config=config)
        y, state = mixer(x[:, :37])
        assert_same(y, peer(x[:, :37], cache_params=cache), tolerance=1e-5)
        for t in range(37, 45):
            y, state = mixer(x[:, t : t + 1], state)
            assert_same(y, peer(x[:, t : t + 1], cache_params=cache), tolerance=1e-5)
        assert_same(state.tail, cache.layers[0].conv_states[0][..., 1:].transpose(1, 2), tolerance=1e-5)
        assert_same(state.ssm, cache.layers[0].recurrent_states[0], tolerance=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("limit", [(0.02, 0.05), (None, 0.03), (0.04, None)])
def test_clamped_time_steps_are_transformers_in_one_pass(limit):
    torch.manual_seed(1)
    mixer = mamba2(dt_limit=limit, norm_groups=2)
    peer, _ = hf_mamba2(mixer)
    load_into(peer, mixer)
    x = torch.randn(2, 45, 24)
    with torch.no_grad():
        assert_same(mixer(x)[0], peer(x), tolerance=1e-5)
        free = mamba2(norm_groups=2)
        free.load_state_dict(mixer.state_dict())
        assert not torch.allclose(free(x)[0], mixer(x)[0], rtol=1e-2, atol=1e-2)


@pytest.mark.filterwarnings("ignore")
def test_nemotron_h_clamps_where_its_prompt_is_read():
    mixer = mamba2(norm_groups=2, n_heads=8, dt_limit=(0.001, None))
    mixer.dt_bias.data.fill_(-9.0)  # softplus of it is 0.0001
    peer, _ = hf_nemotron_h(mixer)
    load_into(peer, mixer)
    x = torch.randn(2, 45, 24)
    with torch.no_grad():
        assert_same(mixer(x)[0], peer(x), tolerance=1e-5)


# Against the equations


@pytest.mark.parametrize("norm_before_gate", [False, True])
def test_mamba2_is_the_equations_of_the_paper(norm_before_gate):
    m = mamba2(norm_before_gate=norm_before_gate, norm_groups=2, dt_limit=(0.002, 0.2)).double()
    torch.manual_seed(0)
    x_BTD, (H, P, G, N) = torch.randn(1, 11, 24, dtype=torch.float64), (4, 6, 2, 5)
    z, xbc, dt = (x_BTD[0] @ m.in_proj.weight.t()).split([H * P, H * P + 2 * G * N, H], dim=-1)
    padded = torch.cat([torch.zeros(3, xbc.shape[1], dtype=xbc.dtype), xbc])
    xbc = F.silu(sum(padded[k : k + 11] * m.conv_weight[:, k] for k in range(4)) + m.conv_bias)
    x, B, C = xbc.split([H * P, G * N, G * N], dim=-1)
    x, B, C = x.view(11, H, P), B.view(11, G, N), C.view(11, G, N)
    dt, A = F.softplus(dt + m.dt_bias).clamp(0.002, 0.2), -m.A_log.exp()
    y = torch.zeros(11, H, P, dtype=torch.float64)
    for head in range(H):
        group, h = head // (H // G), torch.zeros(P, N, dtype=torch.float64)
        for t in range(11):
            h = (dt[t, head] * A[head]).exp() * h + dt[t, head] * x[t, head][:, None] * B[t, group]
            y[t, head] = h @ C[t, group] + m.D[head] * x[t, head]

    def norm(v: Tensor) -> Tensor:
        v = v.view(11, 2, -1)
        return (v / (v.square().mean(-1, keepdim=True) + 1e-5).sqrt()).view(11, -1) * m.norm.weight

    y = y.view(11, -1)
    y = norm(y) * F.silu(z) if norm_before_gate else norm(y * F.silu(z))
    assert_same(m(x_BTD)[0][0], y @ m.out_proj.weight.t())


# State and padding


@pytest.mark.parametrize("make", MIXERS)
@pytest.mark.parametrize("cuts", [(0, 13), (13, 0), (1, 12), (2, 11), (6, 7), (4, 1, 1, 0, 5, 2), (1,) * 13])
def test_any_split_gives_the_same(make: Callable[[], Mixer], cuts):
    mixer = make().double()
    torch.manual_seed(0)
    x = torch.randn(2, 13, 24, dtype=torch.float64)
    expected, last = mixer(x)
    state, ys = None, []
    for part in x.split(cuts, dim=1):
        given = state
        before = given and tuple(s.detach().clone() for s in given)
        y, state = mixer(part, given)
        assert given is None or all(torch.equal(a, b) for a, b in zip(given, before, strict=True))
        ys.append(y)
    assert_same(torch.cat(ys, 1), expected)
    assert_same(tuple(state), tuple(last))


@pytest.mark.parametrize("make", MIXERS)
def test_padding_anywhere_changes_nothing(make: Callable[[], Mixer]):
    """Left, right and in between, at the start and after a state."""
    mixer = make().double()
    torch.manual_seed(0)
    before, x = torch.randn(3, 5, 24, dtype=torch.float64), torch.randn(3, 9, 24, dtype=torch.float64)
    mask = torch.ones(3, 9, dtype=torch.bool)
    mask[0, :4], mask[1, 6:], mask[2, [2, 3, 7]] = False, False, False
    for state in (None, mixer(before)[1]):
        y, after = mixer(x, state, mask)
        for row in range(3):
            own = None if state is None else SSMState(*(s[row : row + 1] for s in state))
            expected, last = mixer(x[row : row + 1, mask[row]], own)
            assert_same(y[row : row + 1, mask[row]], expected)
            assert_same(tuple(s[row : row + 1] for s in after), tuple(last))


@pytest.mark.parametrize("make", MIXERS)
def test_a_padded_step_keeps_the_state(make: Callable[[], Mixer]):
    mixer = make().double()
    x = torch.randn(2, 6, 24, dtype=torch.float64)
    _, state = mixer(x[:, :5])
    y, after = mixer(x[:, 5:], state, torch.tensor([[True], [False]]))
    expected, moved = mixer(x[:, 5:], state)
    assert_same(y[0], expected[0])
    for kept, new, ours in zip(state, moved, after, strict=True):
        assert_same(ours[0], new[0])
        assert_same(ours[1], kept[1])


@pytest.mark.parametrize("make", MIXERS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_in_half_precision_out(make: Callable[[], Mixer], dtype):
    mixer = make().to(dtype)
    y, state = mixer(torch.randn(2, 9, 24, dtype=dtype))
    y, state = mixer(torch.randn(2, 1, 24, dtype=dtype), state)
    assert (y.dtype, state.tail.dtype, state.ssm.dtype) == (dtype, dtype, torch.float32)
    assert y.isfinite().all()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch itself, while tracing
@pytest.mark.parametrize("make", [mamba, mamba2])
def test_exports_with_symbolic_batch_and_length(make: Callable[[], Mixer]):
    mixer = make().double()
    sizes = {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("length", min=2)}
    example = torch.randn(2, 19, 24, dtype=torch.float64)
    with torch.no_grad():
        exported = torch.export.export(mixer, (example,), dynamic_shapes={"x": sizes}).module()
    for B, T in itertools.product((1, 3), (2, 8, 37)):
        x = torch.randn(B, T, 24, dtype=torch.float64)
        y, state = exported(x)
        expected, last = mixer(x)
        assert_same(y, expected)
        assert_same(tuple(state), tuple(last))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch itself, while tracing
@pytest.mark.parametrize("make", [mamba, mamba2])
def test_compiles_into_one_graph(make: Callable[[], Mixer]):
    mixer = make().double()
    compiled = torch.compile(mixer, fullgraph=True, backend="aot_eager")
    x = torch.randn(2, 11, 24, dtype=torch.float64)
    expected, last = mixer(x)
    y, _ = compiled(x)
    assert_same(y, expected)
    given = SSMState(*(s.detach() for s in last))
    assert_same(compiled(x[:, :1], given)[0], mixer(x[:, :1], given)[0])
    grads = [torch.autograd.grad(out.square().sum(), tuple(mixer.parameters())) for out in (y, expected)]
    assert_same(*grads, tolerance=1e-10)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: Mamba(8, d_inner=512, dt_rank=16), id="mamba"),
        pytest.param(lambda: Mamba2(8, n_heads=512, head_dim=1), id="mamba2"),
    ],
)
@torch.no_grad()
def test_initialisation_follows_the_authors(make: Callable[[], Mixer]):
    mixer = make()
    mixer.init_weights(torch.Generator().manual_seed(0))
    again = make()
    again.bfloat16().init_weights(torch.Generator().manual_seed(0))
    bias = mixer.dt_bias if isinstance(mixer, Mamba2) else mixer.dt_proj_bias
    dt = F.softplus(bias)
    assert 0.00099 < dt.min() < 0.0012
    assert 0.08 < dt.max() < 0.101
    assert mixer.conv_weight.abs().max() <= 0.5
    assert mixer.conv_weight.std() == pytest.approx(0.5 / 3**0.5, rel=0.05)
    if isinstance(mixer, Mamba2):
        mixer.norm.init_weights(torch.Generator())
    ones = (mixer.D, mixer.norm.weight) if isinstance(mixer, Mamba2) else (mixer.D,)
    assert all(torch.equal(w, torch.ones_like(w)) for w in ones)
    assert torch.equal(again.A_log, mixer.A_log.bfloat16())
    if isinstance(mixer, Mamba2):
        assert 1 <= mixer.A_log.exp().min() < 1.5
        assert 15.5 < mixer.A_log.exp().max() <= 16.001
    else:
        assert_same(mixer.A_log[7].exp(), torch.arange(1.0, 17.0), tolerance=1e-6)
        assert mixer.dt_proj_weight.abs().max() <= 16**-0.5


def test_every_weight_gets_a_gradient():
    for mixer in (mamba(), mamba2()):
        mixer(torch.randn(2, 9, 24))[0].sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in mixer.parameters())


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="n_groups = 3 does not divide n_heads = 4"):
        Mamba2(24, n_heads=4, n_groups=3)
    with pytest.raises(ValueError, match="norm_groups = 5 does not divide n_heads \\* head_dim = 256"):
        Mamba2(24, n_heads=4, norm_groups=5)
