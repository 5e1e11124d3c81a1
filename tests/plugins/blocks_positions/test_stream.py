"""Positions in the stream: learned and sinusoidal ones, against their definitions and transformers'."""

import math

import pytest
import torch
from transformers.models.bart.modeling_bart import BartLearnedPositionalEmbedding
from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding

from blocks_positions.stream import LearnedPositions, SinusoidalPositions


def learned(max_len=16):
    module = LearnedPositions(6, max_len=max_len)
    module.init_weights(torch.Generator().manual_seed(0))
    return module


@pytest.mark.parametrize("module", [learned(), SinusoidalPositions(6), SinusoidalPositions(6, halves=True)])
@pytest.mark.parametrize("split", [0, 1, 5, 11])
def test_stage_positions_split(module, split):
    x = torch.randn(2, 11, 6)
    y, state = module(x)
    y1, state1 = module(x[:, :split])
    y2, state2 = module(x[:, split:], state1)
    assert torch.equal(torch.cat((y1, y2), dim=1), y)
    assert torch.equal(state2, state)
    assert state.dtype == torch.int64
    assert state.tolist() == [11, 11]


@pytest.mark.parametrize("module", [learned(), SinusoidalPositions(6), SinusoidalPositions(6, halves=True)])
def test_stage_positions_count_real_tokens(module):
    x = torch.randn(1, 4, 6)
    y, state = module(x)
    for order, mask in (([0, 0, 0, 1, 2, 3], "001111"), ([0, 1, 2, 3, 0, 0], "111100")):
        real = torch.tensor([[c == "1" for c in mask]])
        z, after = module(x[:, order], None, real)
        assert torch.equal(z[real], y[0])
        assert torch.equal(after, state)
        assert torch.equal(module(x, after)[0], module(x, state)[0])


def test_sinusoids_are_the_papers():
    y, _ = SinusoidalPositions(6)(torch.zeros(1, 5, 6))
    for position in range(5):
        for i in range(3):
            angle = position / 10000 ** (2 * i / 6)
            assert y[0, position, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert y[0, position, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_odd_width_has_no_sinusoids():
    with pytest.raises(ValueError, match="even"):
        SinusoidalPositions(5)


def test_positions_past_the_table_are_errors():
    module = learned()
    with pytest.raises(ValueError, match=r"17 tokens are more than the 16 learned positions \(max_len\)"):
        module(torch.zeros(1, 17, 6))
    with pytest.raises(IndexError):
        module(torch.zeros(1, 1, 6), torch.tensor([16]))


DOCUMENTS = torch.tensor([[0, 3, 3, 0, 3, 1, 7, 7, 0], [2, 2, 2, 2, 9, 9, 9, 9, 9]])
PLACES = torch.tensor([[0, 0, 1, 1, 2, 0, 0, 1, 1], [0, 1, 2, 3, 0, 1, 2, 3, 4]])


@pytest.mark.parametrize("module", [learned(5), SinusoidalPositions(6)])
def test_positions_start_anew_in_each_document(module):
    y, state = module(torch.zeros(2, 9, 6), None, DOCUMENTS)
    assert state is None
    assert torch.equal(y, module.encode(PLACES))
    none, _ = module(torch.zeros(2, 0, 6), None, DOCUMENTS[:, :0])
    assert none.shape == (2, 0, 6)


def test_documents_have_no_seen_tokens_and_end_with_the_table():
    with pytest.raises(ValueError, match="packed documents are given whole"):
        SinusoidalPositions(6)(torch.zeros(2, 9, 6), torch.tensor([0, 1]), DOCUMENTS)
    with pytest.raises(IndexError):  # the second row's last document has five tokens
        learned(4)(torch.zeros(2, 9, 6), None, DOCUMENTS)


def test_learned_positions_start_small_and_seeded():
    a, b = learned(), learned()
    assert torch.equal(a.weight, b.weight)
    assert 0.01 < a.weight.std() < 0.03


@pytest.mark.parametrize("module", [learned(), SinusoidalPositions(6), SinusoidalPositions(6, halves=True)])
def test_stages_export_and_compile(module):
    shapes = ({0: torch.export.Dim("B"), 1: torch.export.Dim("T")},)
    exported = torch.export.export(module, (torch.randn(2, 5, 6),), dynamic_shapes=shapes).module()
    x = torch.randn(3, 7, 6)
    expected = module(x)
    torch.testing.assert_close(exported(x), expected)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), expected)
    torch.testing.assert_close(compiled(x[:, :1], expected[1]), module(x[:, :1], expected[1]))


def test_an_offset_skips_rows_as_in_bart():
    theirs, ours = BartLearnedPositionalEmbedding(9, 6), LearnedPositions(6, max_len=9, offset=2)
    ours.load_state_dict(theirs.state_dict())
    expected = theirs(torch.zeros(1, 9, dtype=torch.int64))
    assert torch.equal(ours(torch.zeros(1, 9, 6))[0], expected)
    assert torch.equal(ours.encode(torch.tensor([[3], [8]]))[:, 0], expected[0, [3, 8]])
    with pytest.raises(IndexError):
        ours.encode(torch.tensor([9]))


def test_halves_are_marians():
    theirs = MarianSinusoidalPositionalEmbedding(40, 16)
    expected = theirs.create_weight()
    torch.testing.assert_close(
        SinusoidalPositions(16, halves=True).encode(torch.arange(40)), expected, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("module", [learned(), SinusoidalPositions(6), SinusoidalPositions(6, halves=True)])
def test_forward_adds_what_encode_returns(module):
    x, positions = torch.randn(2, 5, 6), torch.arange(5)
    assert torch.equal(module(x)[0], x + module.encode(positions))
    rows = torch.stack((positions, positions + 3))
    assert module.encode(rows).shape == (2, 5, 6)
    assert torch.equal(module.encode(rows)[1], module.encode(positions + 3))


@pytest.mark.parametrize("width", [16, 512])
def test_late_positions_are_as_exact_as_early_ones(width):
    module, positions = SinusoidalPositions(width), torch.tensor([0, 1, 511, 2047, 100_003])
    exact = module.encode(positions, torch.float64)
    errors = (module.encode(positions) - exact).abs().amax(dim=1)
    assert errors.max() <= 2**-24  # half a unit in the last place below 1


def test_sinusoids_are_exact_in_double():
    waves = SinusoidalPositions(4).encode(torch.tensor([100_003]), torch.float64)[0]
    expected = [f(100_003 / 100.0**i) for i in (0, 1) for f in (math.sin, math.cos)]
    assert waves.tolist() == pytest.approx(expected, abs=1e-12)
