"""The GRU against torch's and Keras', and against itself in parts; maxout by its formula."""

import copy
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from blocks_recurrent.module import GRU, BothWays, GRUState, Maxout

D, H, T = 6, 5, 11


def stirred(module: nn.Module) -> Any:
    generator = torch.Generator().manual_seed(0)
    for weight in module.parameters():
        nn.init.normal_(weight, std=0.4, generator=generator)
    return module.double()


def inputs(batch: int = 3, tokens: int = T, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, tokens, D, generator=generator, dtype=torch.float64)


def assert_same(ours: object, theirs: object, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def gru(**options: Any) -> GRU:
    return stirred(GRU(D, hidden=H, **options))


def both_ways(**options: Any) -> BothWays:
    return BothWays(GRU(D, hidden=H, **options), GRU(D, hidden=H, **options, reverse=True))


GRUS = [
    pytest.param(gru, id="before"),
    pytest.param(lambda: gru(reset_after=True), id="after"),
    pytest.param(lambda: gru(bias=False), id="no-bias"),
]
WAYS = [
    *GRUS,
    pytest.param(lambda: gru(reverse=True), id="backward"),
    pytest.param(lambda: stirred(both_ways()), id="bidirectional"),
]


# Against torch and Keras


def to_torch(ours: GRU, suffix: str = "") -> dict[str, Tensor]:
    """Weights under the names of torch.nn.GRU: its z is the share of the old, so the rows of z change their sign."""
    sign = torch.ones(3 * H, dtype=torch.float64)
    sign[H : 2 * H] = -1
    weights = {
        "weight_ih_l0": ours.in_proj.weight * sign[:, None],
        "weight_hh_l0": torch.cat((ours.recurrence.U_gates, ours.recurrence.U)) * sign[:, None],
        "bias_ih_l0": ours.in_proj.bias * sign,
        "bias_hh_l0": torch.cat((torch.zeros(2 * H, dtype=torch.float64), ours.recurrence.b)),
    }
    return {name + suffix: weight.detach() for name, weight in weights.items()}


def test_reset_after_is_torch_gru_with_its_gradients():
    ours, theirs = gru(reset_after=True), nn.GRU(D, H, batch_first=True).double()
    theirs.load_state_dict(to_torch(ours))
    x, start = inputs().requires_grad_(), torch.randn(3, H, dtype=torch.float64)
    y, state = ours(x, GRUState(start))
    wanted, last = theirs(x, start[None])
    assert_same(y, wanted)
    assert_same(state.hidden, last[0])
    weight = inputs(seed=2)[..., :H]
    grads = [torch.autograd.grad((out * weight).sum(), x, retain_graph=True)[0] for out in (y, wanted)]
    assert_same(*grads)
    (mine,) = torch.autograd.grad((y * weight).sum(), ours.recurrence.U)
    (peer,) = torch.autograd.grad((wanted * weight).sum(), theirs.weight_hh_l0)
    assert_same(mine, peer[2 * H :])


def test_both_directions_are_torch_bidirectional_gru_on_padded_rows():
    ours = stirred(both_ways(reset_after=True))
    theirs = nn.GRU(D, H, batch_first=True, bidirectional=True).double()
    theirs.load_state_dict(to_torch(ours.ahead) | to_torch(ours.back, "_reverse"))
    x, lengths = inputs(), torch.tensor([T, 7, 2])
    mask = torch.arange(T) < lengths[:, None]
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
    wanted, _ = nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
    y, _ = ours(x, None, mask)
    assert_same(y[mask], wanted[mask])
    y, _ = ours(x.flip(1), None, mask.flip(1))  # padding on the left of rows read backwards
    swapped = both_ways(reset_after=True).double()
    swapped.ahead.load_state_dict(ours.back.state_dict())
    swapped.back.load_state_dict(ours.ahead.state_dict())
    assert_same(y.flip(1)[mask], swapped(x, None, mask)[0].roll(H, dims=-1)[mask])


@torch.no_grad()
def test_reset_before_is_keras_gru(keras):
    """Keras orders gates z, r, new, and its z is the share of the old."""
    ours = gru().float()
    layer = keras.layers.GRU(H, reset_after=False, return_sequences=True)
    layer.build((None, T, D))
    r, z, new = ours.in_proj.weight.split(H)
    U_r, U_z = ours.recurrence.U_gates.split(H)
    b_r, b_z, b_new = ours.in_proj.bias.split(H)
    layer.set_weights(
        [
            torch.cat((-z, r, new)).T.numpy(),
            torch.cat((-U_z, U_r, ours.recurrence.U)).T.numpy(),
            torch.cat((-b_z, b_r, b_new)).numpy(),
        ]
    )
    x = inputs().float()
    assert_same(ours(x)[0], layer(x), tolerance=1e-6)


@torch.no_grad()
def test_is_the_appendix_token_by_token():
    """Bahdanau et al. 2014, appendix A.2.1, with the biases that it leaves out."""
    m, x = gru(), inputs(batch=1)[0]
    W_r, W_z, W = m.in_proj.weight.split(H)
    b_r, b_z, b = m.in_proj.bias.split(H)
    U_r, U_z = m.recurrence.U_gates.split(H)
    h, wanted = torch.zeros(H, dtype=torch.float64), []
    for i in range(T):
        z = torch.sigmoid(W_z @ x[i] + U_z @ h + b_z)
        r = torch.sigmoid(W_r @ x[i] + U_r @ h + b_r)
        new = torch.tanh(W @ x[i] + m.recurrence.U @ (r * h) + b)
        h = (1 - z) * h + z * new
        wanted.append(h)
    assert_same(m(x[None])[0][0], torch.stack(wanted))


# State and padding


@torch.no_grad()
@pytest.mark.parametrize("make", GRUS)
@pytest.mark.parametrize("cuts", [(0, 11), (11, 0), (1, 10), (4, 1, 0, 6), (1,) * 11])
def test_any_split_gives_the_same(make: Callable[[], GRU], cuts):
    mixer, x, state, ys = make(), inputs(), None, []
    expected, last = mixer(x)
    for part in x.split(cuts, dim=1):
        y, state = mixer(part, state)
        ys.append(y)
    assert_same(torch.cat(ys, 1), expected)
    assert_same(state.hidden, last.hidden)


@torch.no_grad()
@pytest.mark.parametrize("make", WAYS)
def test_padding_anywhere_changes_nothing(make: Callable[[], nn.Module]):
    mixer, x = make(), inputs()
    mask = torch.ones(3, T, dtype=torch.bool)
    mask[0, :4], mask[1, 6:], mask[2, [0, 3, 7, 10]] = False, False, False
    y, state = mixer(x.masked_fill(~mask[..., None], 1e4), None, mask)
    for row in range(3):
        alone, last = mixer(x[row : row + 1, mask[row]])
        assert_same(y[row : row + 1, mask[row]], alone)
        if last is not None:
            assert_same(state.hidden[row : row + 1], last.hidden)


@pytest.mark.parametrize("make", WAYS)
def test_the_gradient_is_right_and_none_reaches_padding(make: Callable[[], nn.Module]):
    mixer, x = make(), inputs(2, 4).requires_grad_()
    mask = torch.tensor([[False, True, True, True], [True, True, True, False]])
    assert torch.autograd.gradcheck(lambda x: mixer(x, None, mask)[0][mask], x)
    (gradient,) = torch.autograd.grad(mixer(x, None, mask)[0][mask].sum(), x)
    assert not gradient[~mask].any()


@pytest.mark.parametrize("make", WAYS[-2:])
def test_what_reads_backwards_keeps_no_state(make: Callable[[], nn.Module]):
    assert make()(inputs())[1] is None
    with pytest.raises(ValueError, match="keeps no state: give it the whole sequence at once"):
        make()(inputs(), GRUState(torch.zeros(3, H)))


@torch.no_grad()
@pytest.mark.parametrize("make", WAYS)
def test_empty_and_half_precision_inputs(make: Callable[[], nn.Module]):
    mixer = make()
    for batch, tokens in ((2, 0), (0, 3), (0, 0)):
        assert mixer(inputs(batch, tokens))[0].shape[:2] == (batch, tokens)
    y, _ = mixer.bfloat16()(inputs().bfloat16())
    assert y.dtype == torch.bfloat16
    assert y.isfinite().all()


def test_recurrent_matrices_start_orthogonal():
    recurrence = GRU(D, hidden=64, reset_after=True).recurrence
    again = copy.deepcopy(recurrence).bfloat16()
    recurrence.init_weights(torch.Generator().manual_seed(0))
    again.init_weights(torch.Generator().manual_seed(0))
    for weight in (*recurrence.U_gates.split(64), recurrence.U):
        assert_same(weight @ weight.T, torch.eye(64), tolerance=1e-5)
    assert not recurrence.b.any()
    assert torch.equal(again.U, recurrence.U.bfloat16())


# Compiler


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch itself, while tracing
@pytest.mark.parametrize("make", [WAYS[0], WAYS[1], WAYS[-1]])
def test_exports_with_symbolic_batch_and_length(make: Callable[[], nn.Module]):
    mixer, x = make(), inputs()
    sizes = {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("length", min=2)}
    with torch.no_grad():
        arguments = (x, None, torch.ones(3, T, dtype=torch.bool))
        exported = torch.export.export(mixer, arguments, dynamic_shapes=(sizes, None, sizes)).module()
        for batch, tokens in itertools.product((1, 4), (2, 17)):
            x, mask = inputs(batch, tokens), torch.rand(batch, tokens) > 0.3
            assert_same(exported(x, None, mask)[0], mixer(x, None, mask)[0])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch itself, while tracing
@pytest.mark.parametrize("make", [WAYS[0], WAYS[1], WAYS[-1]])
def test_compiles_into_one_graph(make: Callable[[], nn.Module]):
    mixer, x = make(), inputs()
    compiled = torch.compile(mixer, fullgraph=True, backend="aot_eager")
    y, expected = compiled(x)[0], mixer(x)[0]
    assert_same(y, expected)
    parameters = tuple(mixer.parameters())
    assert_same(
        *(torch.autograd.grad(out.square().sum(), parameters) for out in (y, expected)), tolerance=1e-10
    )


# Maxout


def test_maxout_takes_the_greatest_of_neighbours():
    """Bahdanau et al. 2014, A.2.2: t_j = max(t~_{2j-1}, t~_{2j})."""
    layer, x = stirred(Maxout(D, d_out=4, pieces=3)), inputs()
    y, state = layer(x)
    assert state is None
    inner = x @ layer.in_proj.weight.T + layer.in_proj.bias
    for j in range(4):
        assert_same(y[..., j], inner[..., 3 * j : 3 * j + 3].max(dim=-1).values)
