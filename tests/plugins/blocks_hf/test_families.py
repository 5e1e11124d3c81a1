"""Every family against transformers: tiny random models, every norm and bias randomised, there and back again."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

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
