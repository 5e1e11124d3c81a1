"""Every mixer that is packed: packed documents are the documents alone, and nothing passes between them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from blocks import Mixer
from blocks_attention.specs import GroupedQuery, MultiHead, SlidingWindow
from blocks_compiler.conformance.subject import Subject
from blocks_feedforward.moe_specs import MoE
from blocks_feedforward.specs import MLP, GatedMLP, Linear, LowRank
from blocks_norms.specs import LayerNorm, RMSNorm
from blocks_positions.specs import ALiBi, Learned, Relative, RoPE, Sinusoidal
from blocks_recurrent.specs import Bahdanau, Maxout
from blocks_recurrent.unit_specs import GRU, LSTM, RNN
from blocks_ssm.specs import Mamba, Mamba2

D = 16
MIXERS: dict[str, Mixer] = {
    "causal": MultiHead(n_heads=4, qkv_bias=True, out_bias=True),
    "rope": GroupedQuery(n_heads=4, n_kv_heads=2, position=RoPE(), qk_norm=RMSNorm()),
    "dynamic rope": MultiHead(
        n_heads=2, position=RoPE(scaling="dynamic", factor=2.0, original_max_len=8)
    ),
    "longrope": MultiHead(
        n_heads=4,
        position=RoPE(
            scaling="longrope", factor=2.0, original_max_len=4, short_factor=(1.0, 1.5), long_factor=(2.0, 9.0)
        ),
        qk_norm=RMSNorm(), qk_norm_over="projection",
    ),
    "alibi": MultiHead(n_heads=4, n_kv_heads=1, position=ALiBi()),
    "capped relative": MultiHead(n_heads=4, position=Relative(), score_cap=3.0),
    "infused": MultiHead(n_heads=4, position=Sinusoidal()),
    "bidirectional": MultiHead(n_heads=4, mask="bidirectional", position=Relative(bidirectional=True)),
    "window": SlidingWindow(n_heads=4, n_kv_heads=2, window=4, position=RoPE()),
    "window of one": SlidingWindow(n_heads=2, window=1),
    "relative window": SlidingWindow(n_heads=2, window=4, position=Relative(), score_cap=5.0),
    "infused window": SlidingWindow(n_heads=2, window=4, position=Learned(max_len=41)),
    "wide window": SlidingWindow(n_heads=2, window=100, position=ALiBi()),
    "sinks": SlidingWindow(n_heads=4, n_kv_heads=2, window=4, global_tokens=3, position=RoPE()),
    "sinks of one": SlidingWindow(n_heads=2, window=1, global_tokens=2, position=ALiBi()),
    "both sides": MultiHead(n_heads=4, mask="bidirectional", window=3, position=RoPE()),
    "relative both sides": MultiHead(n_heads=2, mask="bidirectional", window=3, position=Relative()),
    "longformer": MultiHead(
        n_heads=4, n_kv_heads=2, mask="bidirectional", window=3, global_tokens=2, position=Relative()
    ),
    "cross": MultiHead(n_heads=4, n_kv_heads=2, qk_norm=LayerNorm(), score_cap=5.0).reading(12),
    "borrower": GroupedQuery(n_heads=4, n_kv_heads=2, position=RoPE(), qk_norm=RMSNorm()).borrowing(),
    "borrower with alibi": MultiHead(n_heads=4, position=ALiBi()).borrowing(),
    "gru": GRU(hidden=12),
    "gru after": GRU(reset="after"),
    "gru backward": GRU(direction="backward"),
    "gru bidirectional": GRU(direction="bidirectional", hidden=6),
    "rnn": RNN(activation="relu"),
    "rnn bidirectional": RNN(direction="bidirectional", hidden=6),
    "lstm": LSTM(hidden=12, d_proj=8, peepholes=True),
    "lstm backward": LSTM(direction="backward"),
    "lstm bidirectional": LSTM(direction="bidirectional", hidden=6),
    "mamba": Mamba(d_state=4, chunk_size=8),
    "mamba, wide taps": Mamba(d_state=4, d_conv=6, conv_bias=False),
    "mamba2": Mamba2(n_heads=4, head_dim=8, d_state=8, chunk_size=8),
    "mamba2 in groups": Mamba2(n_heads=4, head_dim=8, d_state=4, n_groups=2, d_conv=1, bias=True),
    "mlp": MLP(),
    "gated mlp": GatedMLP(),
    "moe": MoE(n_experts=4, d_ff=12),
    "moe as in DeepSeek-V3": MoE(
        n_experts=6, d_ff=12, activation="relu2", scoring="sigmoid", choice_bias=True, latent=8, shared_d_ff=12,
    ),
    "linear": Linear(d_out=12),
    "low rank": LowRank(rank=2),
    "maxout": Maxout(pieces=3),
}  # fmt: skip
mixers = pytest.mark.parametrize("mixer", MIXERS.values(), ids=MIXERS)

ROWS = (
    [0, 0, *[1] * 5, 0, 0, *[1] * 2, 2, *[3] * 13, 0, *[4] * 14, 0],
    [*[7] * 3, 5, *[9] * 20, *[0] * 4, 2, *[1] * 12],
    [0] * 41,
)
"""Padding before, between, inside and after; documents of one token, side by side, of falling numbers; nothing."""
DOCUMENTS = torch.tensor(ROWS)
MEMORY = torch.tensor([[1, 1, 2, 0, 3, 3, 3, 4, 0], [7, 5, 9, 9, 9, 0, 2, 1, 1], [0] * 9])


class Tried:
    """A mixer in fp64, stirred, with the memory or the owner that it may need."""

    def __init__(self, mixer: Mixer) -> None:
        self.subject = Subject(mixer, D)
        self.module = self.subject.module()
        self.width = mixer.memory_width
        generator = torch.Generator().manual_seed(5)
        shape = (*MEMORY.shape, self.width or 1)
        self.memory = torch.randn(shape, generator=generator, dtype=torch.float64)

    def __call__(self, x: Tensor, mask: Tensor | None, memory: Any = None) -> tuple[Tensor, Any]:
        given: dict[str, Any] = {} if self.width is None else {"memory": memory}
        if self.subject.mixer.borrows:
            _, given["kv"] = self.subject.around.owner(x.dtype, x.device)(x, None, mask)
        y, state = self.module.forward(x, None, mask, **given)
        return y, state

    def packed(self, x: Tensor, documents: Tensor = DOCUMENTS) -> Tensor:
        y, state = self(x, documents, (self.memory, MEMORY))
        if state is not None:  # what borrowers need: no state that a later call would take
            with pytest.raises(ValueError, match="packed"):
                self.module.forward(x, state, None)
        return y

    def alone(self, x: Tensor, row: int, number: int, documents: Tensor = DOCUMENTS) -> Tensor:
        """One document as a row of its own."""
        own = self.memory[row : row + 1, MEMORY[row] == number]
        return self(x[row : row + 1, documents[row] == number], None, (own, None))[0][0]


def numbers(documents: Tensor) -> list[tuple[int, int]]:
    """Row and number of each document."""
    return [(row, n) for row, line in enumerate(documents) for n in sorted(set(line.tolist())) if n]


@mixers
def test_packed_documents_are_the_documents_alone(mixer: Mixer) -> None:
    tried = Tried(mixer)
    for documents in (DOCUMENTS, DOCUMENTS[:, :9], DOCUMENTS[:, :1], DOCUMENTS[:, :0]):
        x = tried.subject.inputs(*documents.shape)
        y = tried.packed(x, documents)
        assert y.shape == tried.subject.output_shape(x)
        assert y.isfinite().all()
        for row, number in numbers(documents):
            alone = tried.alone(x, row, number, documents)
            torch.testing.assert_close(y[row, documents[row] == number], alone, rtol=1e-12, atol=1e-12)


@mixers
def test_no_gradient_crosses(mixer: Mixer) -> None:
    tried = Tried(mixer)
    x = tried.subject.inputs(*DOCUMENTS.shape).requires_grad_()
    y = tried.packed(x)
    for row, number in numbers(DOCUMENTS):
        own = DOCUMENTS[row] == number
        (gradient,) = torch.autograd.grad(y[row, own].square().sum(), x, retain_graph=True)
        (alone,) = torch.autograd.grad(tried.alone(x, row, number).square().sum(), x)
        if tried.width is None or (MEMORY[row] == number).sum() > 1:  # one key has all the weight anyway
            assert gradient[row, own].any()
        torch.testing.assert_close(gradient[row, own], alone[row, own], rtol=1e-11, atol=1e-12)
        gradient[row, own] = 0
        assert not gradient.any(), f"row {row}, document {number}"


@mixers
def test_weights_learn_what_they_learn_of_the_documents_alone(mixer: Mixer) -> None:
    tried = Tried(mixer)
    x = tried.subject.inputs(*DOCUMENTS.shape)
    weights = list(tried.module.parameters())
    packed = torch.autograd.grad(tried.packed(x)[DOCUMENTS > 0].square().sum(), weights)
    losses = [tried.alone(x, row, number).square().sum() for row, number in numbers(DOCUMENTS)]
    alone = torch.autograd.grad(torch.stack(losses).sum(), weights)
    torch.testing.assert_close(packed, alone, rtol=1e-10, atol=1e-10)


@mixers
def test_padding_of_any_content_and_other_numbers_change_no_bit(mixer: Mixer) -> None:
    tried = Tried(mixer)
    x = tried.subject.inputs(*DOCUMENTS.shape)
    y = tried.packed(x)
    changed = tried.packed(x.masked_fill((DOCUMENTS == 0)[..., None], 1e4))
    assert torch.equal(changed[DOCUMENTS > 0], y[DOCUMENTS > 0])
    if tried.width is None:
        assert torch.equal(tried.packed(x, 1000 * DOCUMENTS), y)


@mixers
def test_one_document_is_a_padded_row(mixer: Mixer) -> None:
    tried = Tried(mixer)
    mask = DOCUMENTS > 0
    x = tried.subject.inputs(*mask.shape)
    y, _ = tried(x, mask, (tried.memory, MEMORY > 0))
    packed, _ = tried(x, mask.long(), (tried.memory, (MEMORY > 0).long()))
    torch.testing.assert_close(packed[mask], y[mask], rtol=1e-12, atol=1e-12)


@mixers
def test_a_state_is_refused(mixer: Mixer) -> None:
    tried = Tried(mixer)
    x = tried.subject.inputs(*DOCUMENTS.shape)
    _, state = tried(x, None, (tried.memory, None))
    if state is not None:
        with pytest.raises(ValueError, match="packed documents are given whole, without a state"):
            tried.module.forward(x, state, DOCUMENTS)


def test_cross_attention_wants_both_sides_packed() -> None:
    tried = Tried(MIXERS["cross"])
    x = tried.subject.inputs(*DOCUMENTS.shape)
    for mask, other in ((DOCUMENTS, MEMORY > 0), (DOCUMENTS, None), (None, MEMORY), (DOCUMENTS > 0, MEMORY)):
        with pytest.raises(ValueError, match="both masks are int64, or neither is"):
            tried(x, mask, (tried.memory, other))


def test_no_gradient_reaches_another_document_of_the_memory() -> None:
    tried = Tried(MIXERS["cross"])
    x = tried.subject.inputs(*DOCUMENTS.shape)
    tried.memory.requires_grad_()
    y = tried.packed(x)
    for row, number in numbers(DOCUMENTS):
        own = DOCUMENTS[row] == number
        (gradient,) = torch.autograd.grad(y[row, own].square().sum(), tried.memory, retain_graph=True)
        assert gradient[row, MEMORY[row] == number].any(dim=-1).all()
        gradient[row, MEMORY[row] == number] = 0
        assert not gradient.any()


def test_bahdanau_refuses_documents_on_either_side() -> None:
    tried = Tried(Bahdanau(hidden=12).reading(12))
    x = tried.subject.inputs(*DOCUMENTS.shape)
    for mask, other in ((DOCUMENTS, None), (None, MEMORY)):
        with pytest.raises(ValueError, match="packed"):
            tried(x, mask, (tried.memory, other))


COMPILED = ("rope", "relative window", "sinks", "longformer", "cross", "gru backward", "mamba", "mamba2")


class Bare(nn.Module):
    """The module's own forward for packed documents, without what the suite hangs on its calls."""

    def __init__(self, tried: Tried) -> None:
        super().__init__()
        self.inner = tried.module
        self.given = {} if tried.width is None else {"memory": (tried.memory, MEMORY)}

    def forward(self, x: Tensor, documents: Tensor) -> Tensor:
        y: Tensor = self.inner.forward(x, None, documents, **self.given)[0]
        return y


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch itself, while tracing
@pytest.mark.parametrize("name", COMPILED)
def test_compiles_and_exports_as_one_graph(name: str) -> None:
    module = Bare(Tried(MIXERS[name])).requires_grad_(False)
    x = torch.randn(*DOCUMENTS.shape, D, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    y = module(x, DOCUMENTS)
    torch._dynamo.reset()
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, DOCUMENTS), y, rtol=1e-12, atol=1e-12)
    length = {1: torch.export.Dim("T", min=4, max=4096)}
    exported = torch.export.export(module, (x, DOCUMENTS), dynamic_shapes=(length, length)).module()
    short = x[:, :23], DOCUMENTS[:, :23]
    torch.testing.assert_close(exported(*short), module(*short), rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch itself, while tracing
@pytest.mark.parametrize("name", ["sinks", "gru", "mamba", "mamba2"])
def test_no_gradient_crosses_when_compiled(name: str) -> None:
    module = Bare(Tried(MIXERS[name]))
    x = torch.randn(*DOCUMENTS.shape, D, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    x.requires_grad_()
    torch._dynamo.reset()
    y = torch.compile(module, backend="aot_eager", fullgraph=True)(x, DOCUMENTS)
    own = torch.tensor([[3], [9], [0]]) == DOCUMENTS
    (gradient,) = torch.autograd.grad(y[own & (DOCUMENTS > 0)].square().sum(), x)
    assert gradient[:2][own[:2]].any(dim=-1).all()
    assert not gradient[~own].any()
