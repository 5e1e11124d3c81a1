"""A model with a vocabulary of its own, trained and exported: transformers has the perplexity that eval has."""

import json
import math
import random
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from blocks.cli import main

RECIPE = """\
recipe: bpe-tiny
d_model: 32
vocab_size: 300
tokenizer: bpe
blocks:
  attention: {mixer: multi_head, n_heads: 2, position: rope}
  ffn: {mixer: gated_mlp, d_ff: 64}
model:
  - embed: tokens
  - stack: {layers: [attention, ffn], norm: {rmsnorm: {eps: 1e-6}}}
  - norm: {rmsnorm: {eps: 1e-6}}
  - head: {lm: {tied: true}}
train: {steps: 20, batch: 4, context: 16, eval_every: 20, save_every: 20, optimizer: {adamw: {lr: 1e-2}}}
"""
CONTEXT = 16


@torch.no_grad()
def theirs(folder: Path, text: str) -> float:
    """The perplexity of a text in transformers, in windows of CONTEXT tokens side by side."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    assert model.config.model_type == "llama"
    ids = torch.tensor(AutoTokenizer.from_pretrained(folder)(text, add_special_tokens=False)["input_ids"])
    total, count = 0.0, len(ids) - 1
    for start in range(0, count, CONTEXT):
        end = min(start + CONTEXT, count)
        first = max(0, end - CONTEXT)
        logits = model(ids[None, first:end]).logits[0, start - first :]
        total += float(cross_entropy(logits.double(), ids[start + 1 : end + 1], reduction="sum"))
    return math.exp(total / count)


def test_a_bpe_model_has_the_same_perplexity_in_transformers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    generator = random.Random(0)
    words = [
        "the",
        "sea",
        "was",
        "calm",
        "and",
        "wind",
        "had",
        "gone",
        "to",
        "sleep;",
        "море",
        "було",
        "спокійне",
    ]
    text = " ".join(generator.choice(words) for _ in range(900))
    Path("text.txt").write_text(text, encoding="utf-8")
    held = text[int(0.9 * len(text)) :]
    Path("held.txt").write_text(held, encoding="utf-8")
    Path("bpe.yaml").write_text(RECIPE, encoding="utf-8")
    assert main(["train", "bpe.yaml", "--data", "text.txt", "--cache", "cache", "-o", "run"]) == 0
    assert main(["generate", "run", "--prompt", "the sea", "--max-new-tokens", "8", "--seed", "1"]) == 0
    assert main(["export", "run", "--to", "hf", "-o", "hf"]) == 0
    capsys.readouterr()
    sizes = ["--context", str(CONTEXT), "--stride", str(CONTEXT), "--json"]
    assert main(["eval", "run", "--data", "held.txt", *sizes]) == 0
    ours = json.loads(capsys.readouterr().out)
    assert ours["perplexity"] < 150  # it has learnt something
    assert theirs(Path("hf"), held) == pytest.approx(ours["perplexity"], abs=1e-4)
