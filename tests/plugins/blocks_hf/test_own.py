"""Folders of model type `blocks`, read without transformers: the very weights, the very recipe."""

import json
from pathlib import Path

import pytest
import torch

import blocks
from blocks.cli import main

NAMES = ["hybrid-tiny", "transformer-tiny", "vit-tiny", "zoo/bert-like", "zoo/albert", "zoo/hymba-like"]


@pytest.mark.parametrize("name", NAMES)
def test_there_and_back(name: str, tmp_path: Path) -> None:
    hf = pytest.importorskip("blocks_hf")
    pytest.importorskip("transformers")
    model = blocks.build(name, seed=3)
    hf.to_transformers(model).save_pretrained(tmp_path)
    again = blocks.from_pretrained(tmp_path)
    assert again.recipe == model.recipe
    states, before = again.state_dict(), model.state_dict()
    assert states.keys() == before.keys()
    assert all(torch.equal(states[key], before[key]) for key in before)


@pytest.mark.parametrize(
    "recipe", ["", "recipe: r", "no such recipe", "../../secret.yaml", 3, None, "a: [\n"]
)
def test_a_recipe_that_cannot_be(recipe: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "blocks", "recipe": recipe}))
    (tmp_path / "model.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")
    assert main(["import", str(tmp_path)]) == 1
    assert "error[B1003]" in capsys.readouterr().err
