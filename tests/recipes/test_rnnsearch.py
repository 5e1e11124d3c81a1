"""RNNsearch: its sizes by hand, and the tiny one against its own parts: steps, padding, the state."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import blocks

FOLDER = Path(__file__).resolve().parents[2] / "recipes"
V = 256


def appendix(n: int, m: int, maxout: int, vocabulary: int) -> dict[str, int]:
    """Every matrix of Bahdanau et al. 2014, arXiv:1409.0473, appendix A.2, and a bias for each sum of products.

    n hidden units (and as many in the alignment model, n'), m embedding, l = maxout output units.
    """
    encoder = {
        "E source": vocabulary * m,
        "W, W_z, W_r, U, U_z, U_r of both directions": 2 * 3 * (n * m + n * n),
        "b of both directions": 2 * 3 * n,
    }
    decoder = {
        "E target": vocabulary * m,
        "W, W_z, W_r": 3 * n * m,
        "U, U_z, U_r": 3 * n * n,
        "C, C_z, C_r": 3 * n * 2 * n,
        "b": 3 * n,
        "W_s and b_s": n * n + n,
        "W_a, U_a, v_a": n * n + n * 2 * n + n,
        "U_o, V_o, C_o and b": 2 * maxout * (n + m + 2 * n) + 2 * maxout,
        "W_o and b": vocabulary * maxout + vocabulary,
    }
    return encoder | decoder


@pytest.mark.parametrize(
    ("name", "sizes", "total"),
    [
        ("rnnsearch-50", (1000, 620, 500, 30_000), 80_442_000),
        ("rnnsearch-tiny", (64, 40, 32, 256), 145_408),
    ],
)
def test_parameters_are_those_of_the_appendix(name: str, sizes: tuple[int, ...], total: int) -> None:
    assert sum(appendix(*sizes).values()) == total
    model = blocks.build(FOLDER / f"{name}.yaml", device="meta")
    assert sum(parameter.numel() for parameter in model.parameters()) == total


@pytest.fixture(scope="module")
def model() -> Any:
    """The tiny model in double precision, every weight stirred so that none can be forgotten."""
    made = blocks.build(FOLDER / "rnnsearch-tiny.yaml", dtype="float64").eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return made


@pytest.fixture
def texts() -> tuple[Tensor, Tensor]:
    """A source of 9 and a target of 7 tokens, three rows."""
    generator = torch.Generator().manual_seed(1)
    source, target = (torch.randint(0, V, (3, n), generator=generator) for n in (9, 7))
    return source, target


def assert_same(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("cuts", [(1,) * 7, (3, 1, 3), (6, 1)])
def test_teacher_forcing_and_stepping_give_the_same_numbers(
    model: Any, texts: Any, cuts: tuple[int, ...]
) -> None:
    source, target = texts
    mask = torch.arange(9) < torch.tensor([9, 5, 1])[:, None]
    expected, _ = model(source, target, source_mask=mask)
    assert expected.shape == (3, 7, V)
    state, logits = None, []
    for part in target.split(cuts, dim=1):
        y, state = model(
            source if state is None else None, part, state, source_mask=mask if state is None else None
        )
        logits.append(y)
    assert_same(torch.cat(logits, dim=1), expected)


@torch.no_grad()
def test_padding_of_source_and_target_changes_nothing(model: Any, texts: Any) -> None:
    source, target = texts
    of_source, of_target = torch.ones(3, 9, dtype=torch.bool), torch.ones(3, 7, dtype=torch.bool)
    of_source[0, :4], of_source[1, 6:], of_target[1, :2], of_target[2, 5:] = False, False, False, False
    logits, _ = model(source, target, source_mask=of_source, target_mask=of_target)
    other = source.masked_fill(~of_source, 7), target.masked_fill(~of_target, 7)
    changed, _ = model(*other, source_mask=of_source, target_mask=of_target)
    assert torch.equal(changed[of_target], logits[of_target])
    for row in range(3):
        alone, _ = model(source[row : row + 1, of_source[row]], target[row : row + 1, of_target[row]])
        assert_same(logits[row, of_target[row]], alone[0])


@torch.no_grad()
def test_the_writer_looks_at_the_source_and_not_ahead(model: Any, texts: Any) -> None:
    source, target = texts
    logits, _ = model(source, target)
    later = target.clone()
    later[:, 4:] = (later[:, 4:] + 1) % V
    assert torch.equal(model(source, later)[0][:, :4], logits[:, :4])
    elsewhere = source.clone()
    elsewhere[:, -1] = (elsewhere[:, -1] + 1) % V
    assert not torch.isclose(model(elsewhere, target)[0], logits).all(dim=-1).any()


@torch.no_grad()
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch itself, while tracing
def test_exports_with_symbolic_lengths_of_source_and_target(model: Any, texts: Any) -> None:
    batch, source, target = (
        torch.export.Dim(name, min=least) for name, least in (("b", 1), ("s", 2), ("t", 2))
    )
    of_source, of_target = {0: batch, 1: source}, {0: batch, 1: target}
    arguments = (*texts, None, *(torch.ones_like(text, dtype=torch.bool) for text in texts))
    sizes = (of_source, of_target, None, of_source, of_target)
    exported = torch.export.export(model, arguments, dynamic_shapes=sizes).module()
    for n_source, n_target in ((2, 13), (17, 2)):
        given = torch.randint(0, V, (2, n_source)), torch.randint(0, V, (2, n_target)), None
        masks = (
            torch.arange(n_source) < torch.tensor([[n_source], [1]]),
            torch.ones(2, n_target, dtype=torch.bool),
        )
        assert_same(exported(*given, *masks)[0], model(*given, *masks)[0])
