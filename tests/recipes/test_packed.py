"""Packed documents in whole models: every recipe gives what the documents alone give, or refuses, naming the block."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import blocks

FOLDER = Path(__file__).resolve().parents[2] / "recipes"
TINY = sorted(path.stem for path in FOLDER.glob("*-tiny.yaml"))
ZOO = sorted(f"zoo/{path.stem}" for path in FOLDER.glob("zoo/*.yaml"))
REFUSED = {
    "rnnsearch-tiny": "writer",
    "zoo/bahdanau": "writer",
    "zoo/bert-like": "the classifier head",
}
IMAGES = {"vit-tiny"}
"""A row of patches is one image: there is nothing to pack, though its blocks would keep it apart."""
PACKED = [name for name in (*TINY, *ZOO) if name not in {*REFUSED, *IMAGES}]

DOCUMENTS = torch.tensor(
    [
        [0, *[1] * 5, 0, *[1] * 2, 2, *[3] * 70, 0, 0, *[4] * 12, 0],
        [*[7] * 3, 8, *[9] * 33, *[0] * 5, 2, *[1] * 52],
    ]
)
"""Windows of the recipes are 64 tokens at most."""
NOISE = {"zoo/t5-like": 0.02}  # its scores are not scaled: more would make them amplify rounding errors


@cache
def model(name: str) -> Any:
    made = blocks.build(name).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += NOISE.get(name, 0.1) * torch.randn(parameter.shape, generator=generator)
    return made


def reads_a_source(name: str) -> bool:
    return len(blocks.load(name).plan().streams) > 1


def tokens(name: str) -> Tensor:
    vocabulary = blocks.load(name).plan().sizes.vocab_size or 2
    return torch.randint(0, vocabulary, DOCUMENTS.shape, generator=torch.Generator().manual_seed(1))


def run(name: str, text: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Any]:
    """The output; a model of two streams reads the text backwards as its source."""
    if not reads_a_source(name):
        return model(name)(text, mask=mask)  # type: ignore[no-any-return]
    source_mask = None if mask is None else mask.flip(1)
    return model(name)(text.flip(1), text, None, source_mask, mask)  # type: ignore[no-any-return]


@torch.no_grad()
@pytest.mark.parametrize("name", PACKED)
def test_packed_documents_are_the_documents_alone(name: str) -> None:
    text = tokens(name)
    packed, state = run(name, text, DOCUMENTS)
    for row, line in enumerate(DOCUMENTS):
        for number in set(line.tolist()) - {0}:
            own = line == number
            alone, _ = run(name, text[row : row + 1, own])
            difference = (packed[row, own] - alone[0]).square().mean().sqrt()
            assert difference <= 1e-5 * alone.square().mean().sqrt()
    if "position" in state:
        assert state["position"] is None


@pytest.mark.parametrize("name", REFUSED)
def test_others_refuse_at_once(name: str) -> None:
    for part in model(name).modules():
        if part is not model(name):
            part.register_forward_pre_hook(
                lambda *_: pytest.fail("something was computed before the refusal")
            )
    with pytest.raises(ValueError, match=rf"^{REFUSED[name]}.* cannot keep packed documents apart"):
        run(name, tokens(name), DOCUMENTS)
    model.cache_clear()


@pytest.mark.parametrize(
    "name", ["gpt2-tiny", "llama-3.1-tiny", "mamba2-tiny", "nemotron-h-tiny", "hybrid-tiny"]
)
def test_no_gradient_crosses(name: str) -> None:
    text = tokens(name)
    table = model(name).embed.weight
    rows = torch.nn.functional.embedding(text, table).detach().requires_grad_()
    hook = model(name).embed.register_forward_hook(lambda *_: rows)
    logits, _ = run(name, text, DOCUMENTS)
    hook.remove()
    for row, number in ((0, 1), (0, 2), (0, 3), (1, 9), (1, 1)):
        own = DOCUMENTS[row] == number
        (gradient,) = torch.autograd.grad(logits[row, own].square().sum(), rows, retain_graph=True)
        assert gradient[row, own].any(dim=-1).all()
        gradient[row, own] = 0
        assert not gradient.any()


@torch.no_grad()
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch itself, while tracing
@pytest.mark.parametrize("name", ["nemotron-h-tiny", "mistral-tiny", "transformer-tiny"])
def test_one_graph_when_compiled(name: str) -> None:
    text = tokens(name)
    expected, _ = run(name, text, DOCUMENTS)
    torch._dynamo.reset()
    compiled = torch.compile(model(name), backend="aot_eager", fullgraph=True)
    arguments = (text, None, DOCUMENTS)
    if reads_a_source(name):
        arguments = (text.flip(1), text, None, DOCUMENTS.flip(1), DOCUMENTS)
    torch.testing.assert_close(compiled(*arguments)[0], expected, rtol=1e-4, atol=1e-4)


def test_a_state_and_documents_are_refused() -> None:
    text = tokens("hybrid-tiny")
    _, state = run("hybrid-tiny", text)
    with pytest.raises(ValueError, match="packed documents are given whole"):
        model("hybrid-tiny")(text, state, DOCUMENTS)
