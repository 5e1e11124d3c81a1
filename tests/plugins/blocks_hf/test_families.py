"""Every family against transformers: tiny random models, every norm and bias randomised, there and back again."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import blocks
from blocks_compiler.foreign import open_checkpoint

pytest.importorskip("transformers")


def test_peer(peer: Any, measure: ModuleType, tmp_path: Path) -> None:
    """Logits to 2e-5, 64 tokens decoded alike, the way back bit by bit, and a recipe that says it shortly."""
    theirs = peer.model()
    there = tmp_path / "there"
    theirs.save_pretrained(there)
    foreign = open_checkpoint(there, blocks.Registry.installed())
    assert len(foreign.text.splitlines()) <= 40, foreign.text
    assert blocks.load(foreign.text) == foreign.recipe
    ours = blocks.from_pretrained(there).eval()
    differences = measure.parity(peer, ours, theirs)
    assert max(differences.values()) <= 2e-5, differences
    decoded = measure.decoding(peer, ours, theirs)
    assert decoded is None or set(decoded.values()) == {measure.TOKENS}, decoded
    trip = measure.round_trip(ours, theirs, there, tmp_path / "back")
    assert all(trip.values()), trip


@pytest.mark.parametrize(
    "family", ["bloom", "gemma2", "gpt2", "gpt_neox", "llama", "olmo2", "phi3", "qwen2", "qwen3"]
)
def test_the_base_alone(family: str, peers: Any, measure: ModuleType, tmp_path: Path) -> None:
    """A checkpoint without a head, whose names have no prefix, gives the last hidden states."""
    theirs = peers(family)[0].model().base_model
    theirs.save_pretrained(tmp_path)
    ours = blocks.from_pretrained(tmp_path).eval()
    tokens, mask = measure.batch(theirs.config.vocab_size)
    with torch.no_grad():
        expected = theirs(tokens, attention_mask=mask.long()).last_hidden_state
        assert measure.relative(ours(tokens, None, mask)[0], expected, mask) <= 2e-5
