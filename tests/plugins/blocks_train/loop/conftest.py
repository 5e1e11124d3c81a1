"""A corpus and a recipe that a step takes a few milliseconds on."""

import random
from pathlib import Path

import pytest

TINY = """\
recipe: tiny
d_model: 16
tokenizer: byte
blocks:
  mamba2: {mixer: mamba2, n_heads: 2, head_dim: 16, d_state: 8}
  ffn: {mixer: mlp, d_ff: 32}
model: [{embed: tokens}, {stack: {layers: [mamba2, ffn]}}, {norm: rmsnorm}, {head: {lm: {tied: true}}}]
train: {steps: 12, batch: 4, context: 16, eval_every: 4, save_every: 3, validation: 0.1}
"""


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = [
        "the",
        "sea",
        "was",
        "calm",
        "and",
        "the",
        "wind",
        "had",
        "gone",
        "to",
        "sleep",
        "behind",
        "hills",
    ]
    generator = random.Random(0)
    path = tmp_path_factory.mktemp("data") / "text.txt"
    path.write_text(" ".join(generator.choice(words) for _ in range(1200)))
    return path


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("blocks_train.loop.speed.SECONDS", 0.0)
    monkeypatch.setattr("blocks_train.loop.speed.WIDTHS", {"cpu": (64,)})
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path
