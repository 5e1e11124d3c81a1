"""RNNsearch's decoder against its appendix, transcribed token by token in double precision, and in parts."""

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from blocks_recurrent.bahdanau import Bahdanau, BahdanauState
from blocks_recurrent.scores import AdditiveScore, DotScore, GeneralScore

D, N, H, T, S = 6, 5, 8, 7, 4
M = 2 * N
SCORES = {
    "additive": lambda: AdditiveScore(H, M, hidden=9),
    "dot": lambda: DotScore(M, M),
    "scaled_dot": lambda: DotScore(M, M, scaled=True),
    "general": lambda: GeneralScore(H, M),
}
READOUTS = ("previous", "current", "groundhog")


def decoder(score: str = "additive", **options: Any) -> Any:
    hidden = M if "dot" in score else H
    made = Bahdanau(D, hidden=hidden, d_memory=M, score=SCORES[score](), **options)
    generator = torch.Generator().manual_seed(0)
    for weight in made.parameters():
        nn.init.normal_(weight, std=0.5, generator=generator)
    return made.double()


def normal(*size: int, seed: int = 1) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def source() -> tuple[Tensor, Tensor]:
    """Three rows of annotations: all real, padded on the left, padded on the right and in between."""
    mask = torch.tensor([[True] * 4, [False, False, True, True], [True, False, True, False]])
    return normal(3, S, M, seed=2).masked_fill(~mask[..., None], 1e4), mask


def assert_same(ours: object, theirs: object, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


# Against the paper


def matrices(m: Any) -> SimpleNamespace:
    """The weights under the names of appendix A."""
    found = SimpleNamespace(
        W_s=m.start_proj.weight, b_s=m.start_proj.bias, W_a=m.score.W, U_a=m.score.U, v_a=m.score.v
    )
    found.W_r, found.W_z, found.W = m.in_proj.weight.split(H)
    found.b_r, found.b_z, found.b = m.in_proj.bias.split(H)
    found.C_r, found.C_z, found.C = m.context_proj.weight.split(H)
    found.U_r, found.U_z = m.recurrence.U_gates.split(H)
    found.U = m.recurrence.U
    return found


def first_state(w: SimpleNamespace, h: list[Tensor]) -> Tensor:
    """s_0 = tanh(W_s h←_1)."""
    return torch.tanh(w.W_s @ h[0][N:] + w.b_s)


def context(w: SimpleNamespace, s: Tensor, h: list[Tensor]) -> Tensor:
    """c = Σ_j α_j h_j with α = softmax(e) and e_j = v_a·tanh(W_a s + U_a h_j)."""
    e = torch.stack([w.v_a @ torch.tanh(w.W_a @ s + w.U_a @ each) for each in h]).exp()
    c = torch.zeros(M, dtype=torch.float64)
    for share, annotation in zip(e / e.sum(), h, strict=True):
        c = c + share * annotation
    return c


def cell(w: SimpleNamespace, s: Tensor, x: Tensor, c: Tensor) -> Tensor:
    """s' = (1 - z) ∘ s + z ∘ s~ with s~ = tanh(W x + U (r ∘ s) + C c)."""
    z = torch.sigmoid(w.W_z @ x + w.U_z @ s + w.C_z @ c + w.b_z)
    r = torch.sigmoid(w.W_r @ x + w.U_r @ s + w.C_r @ c + w.b_r)
    new = torch.tanh(w.W @ x + w.U @ (r * s) + w.C @ c + w.b)
    return (1 - z) * s + z * new


@torch.no_grad()
@pytest.mark.parametrize("readout", ["previous", "current"])
def test_is_the_appendix_token_by_token(readout):
    """Appendix A.2.2: t~_i reads s_{i-1}, E y_{i-1} and c_i; equation 4 of section 3.1 reads s_i."""
    m, x, (annotations, mask) = decoder(readout=readout), normal(3, T, D), source()
    y, state = m(x, None, None, (annotations, mask))
    w = matrices(m)
    for row in range(3):
        h = list(annotations[row, mask[row]])
        s = first_state(w, h)
        for i in range(T):
            c = context(w, s, h)
            new = cell(w, s, x[row, i], c)
            assert_same(y[row, i], torch.cat((s if readout == "previous" else new, x[row, i], c)))
            s = new
        assert_same(state.hidden[row], s)


@torch.no_grad()
def test_groundhog_is_the_order_of_the_authors_code():
    """encdec.py, mode EVALUATION: states 1..T each take in their own word y_i with the context looked up by the
    state before; the readout of word i has state i - 1, the word before (none for the first) and that context.
    """
    m, words, (annotations, mask) = decoder(readout="groundhog"), normal(3, T, D), source()
    w = matrices(m)
    x = torch.cat((normal(3, 1, D, seed=3), words[:, :-1]), dim=1)  # what precedes the first word is not read
    y, _ = m(x, None, None, (annotations, mask))
    for row in range(3):
        h = list(annotations[row, mask[row]])
        states, contexts = [first_state(w, h)], []
        for word in words[row]:
            contexts.append(context(w, states[-1], h))
            states.append(cell(w, states[-1], word, contexts[-1]))
        before = [torch.zeros(D, dtype=torch.float64), *words[row, :-1]]
        for i in range(T):
            assert_same(y[row, i], torch.cat((states[i], before[i], contexts[i])))


# State and padding

VARIANTS = list(itertools.product(SCORES, READOUTS))


@torch.no_grad()
@pytest.mark.parametrize(("score", "readout"), VARIANTS)
@pytest.mark.parametrize("cuts", [(0, 7), (1, 6), (3, 0, 4), (1,) * 7])
def test_teacher_forcing_and_stepping_give_the_same(score, readout, cuts):
    m, x = decoder(score, readout=readout), normal(3, T, D)
    expected, last = m(x, None, None, source())
    state, ys = None, []
    for part in x.split(cuts, dim=1):
        y, state = m(part, state, None, source() if state is None else None)
        ys.append(y)
    assert_same(torch.cat(ys, 1), expected)
    assert all(a is b or torch.allclose(a, b, atol=1e-12) for a, b in zip(state, last, strict=True))


@torch.no_grad()
@pytest.mark.parametrize(("score", "readout"), VARIANTS)
def test_padding_of_the_source_changes_nothing(score, readout):
    m, x, (annotations, mask) = decoder(score, readout=readout), normal(3, T, D), source()
    y, _ = m(x, None, None, (annotations, mask))
    for row in range(3):
        alone, _ = m(x[row : row + 1], None, None, (annotations[row : row + 1, mask[row]], None))
        assert_same(y[row : row + 1], alone)


@torch.no_grad()
@pytest.mark.parametrize("readout", READOUTS)
def test_padding_of_the_target_changes_nothing(readout):
    m, x, memory = decoder(readout=readout), normal(3, T, D), source()
    mask = torch.ones(3, T, dtype=torch.bool)
    mask[0, :3], mask[1, 4:], mask[2, [0, 2, 5]] = False, False, False
    y, state = m(x.masked_fill(~mask[..., None], 1e4), None, mask, memory)
    later, _ = m(normal(3, 2, D, seed=4), state)
    for row in range(3):
        own = tuple(t[row : row + 1] for t in memory)
        alone, last = m(x[row : row + 1, mask[row]], None, None, own)
        assert_same(y[row : row + 1, mask[row]], alone)
        assert_same(later[row : row + 1], m(normal(3, 2, D, seed=4)[row : row + 1], last)[0])


@pytest.mark.parametrize("score", SCORES)
def test_a_source_without_a_real_token_stays_finite(score):
    m, x, (annotations, mask) = decoder(score), normal(3, T, D), source()
    expected, _ = m(x, None, None, (annotations, mask))
    mask[1] = False
    y, state = m(x, None, None, (annotations.masked_fill(~mask[..., None], torch.nan), mask))
    assert y.isfinite().all()
    assert not y[1, :, -M:].any()
    assert_same(y[[0, 2]], expected[[0, 2]])
    grads = torch.autograd.grad(y.sum() + state.hidden.sum(), list(m.parameters()))
    assert all(gradient.isfinite().all() for gradient in grads)
    empty, _ = m(x, None, None, (annotations[:, :0], None))
    assert empty.isfinite().all()


@pytest.mark.parametrize("readout", READOUTS)
def test_the_gradient_is_right_and_none_reaches_padding(readout):
    m, x, (annotations, mask) = decoder(readout=readout), normal(3, 3, D), source()
    annotations = annotations.clamp(-2, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda h: m(x, None, None, (h, mask))[0], annotations)
    (gradient,) = torch.autograd.grad(m(x, None, None, (annotations, mask))[0].sum(), annotations)
    assert not gradient[~mask].any()
    assert gradient[mask].any(dim=-1).all()


def test_the_memory_is_read_once():
    m, x, (annotations, mask) = decoder(), normal(3, T, D), source()
    _, state = m(x[:, :3], None, None, (annotations, mask))
    expected, _ = m(x[:, 3:], state)
    changed, _ = m(x[:, 3:], state, None, (annotations.flip(1), mask))
    assert torch.equal(changed, expected)
    with pytest.raises(ValueError, match="the first call needs a memory"):
        m(x)


@torch.no_grad()
def test_half_precision_in_half_precision_out():
    m, (annotations, mask) = decoder().bfloat16(), source()
    y, state = m(normal(3, T, D).bfloat16(), None, None, (annotations.bfloat16(), mask))
    assert {y.dtype, state.hidden.dtype, state.keys.dtype, state.annotations.dtype} == {torch.bfloat16}
    assert y.isfinite().all()


# Compiler


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch itself, while tracing
@pytest.mark.parametrize(
    ("score", "readout"), [("additive", "previous"), ("dot", "current"), ("general", "groundhog")]
)
def test_exports_with_symbolic_batch_and_lengths(score, readout):
    m = decoder(score, readout=readout)
    b = torch.export.Dim("batch", min=1)
    t, s = {0: b, 1: torch.export.Dim("length", min=2)}, {0: b, 1: torch.export.Dim("source", min=2)}
    with torch.no_grad():
        arguments = (normal(3, T, D), None, torch.ones(3, T, dtype=torch.bool), source())
        exported = torch.export.export(m, arguments, dynamic_shapes=(t, None, t, (s, s))).module()
        for tokens, memory in ((2, 2), (13, 9)):
            given = (normal(2, tokens, D), None, torch.rand(2, tokens) > 0.3)
            read = (normal(2, memory, M, seed=2), torch.rand(2, memory) > 0.3)
            assert_same(exported(*given, read)[0], m(*given, read)[0])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch itself, while tracing
@pytest.mark.parametrize("readout", READOUTS)
def test_compiles_into_one_graph(readout):
    m, x = decoder(readout=readout), normal(3, T, D)
    compiled = torch.compile(m, fullgraph=True, backend="aot_eager")
    (y, state), (expected, last) = compiled(x, None, None, source()), m(x, None, None, source())
    assert_same(y, expected)
    parameters = tuple(m.parameters())
    assert_same(
        *(torch.autograd.grad(out.square().sum(), parameters) for out in (y, expected)), tolerance=1e-9
    )
    given = BahdanauState(*(part if part is None else part.detach() for part in state))
    assert_same(compiled(x[:, :1], given)[0], m(x[:, :1], last)[0])
