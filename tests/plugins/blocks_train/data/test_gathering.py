"""Objectives of other data than one text fit the contract: registered, named in a recipe, and fed to the real model."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import blocks
from blocks import Objective, Registry, hookimpl
from blocks_train.data import IGNORED, TableLoader, columns_of, gathered, labelled, pairs, prepare_table


class Translation(Objective):
    """The cross-entropy of a text given another one."""

    reads = ("source", "target")

    def gather(self, records, *, coder, context):
        batch = pairs(pad=coder.roles["pad"], begin=coder.roles["eos"], context=context)(records)
        return batch.inputs, batch.targets


class Plugin:
    """What a distribution would register."""

    @hookimpl
    def register_objectives(self, register):
        register("translation", Translation)


class Classes(Objective):
    """The cross-entropy of an image's class."""

    reads = ("image", "label")
    numbers: ClassVar[Mapping[str, str]] = {"image": "uint8", "label": "int64"}

    def gather(self, records, *, coder, context):
        batch = labelled("pixels", scale=1 / 255)(records)
        return batch.inputs, batch.targets


def loss_of(model, batch):
    """The mean cross-entropy of a model's logits, and the gradient of its first parameter."""
    import torch

    found = model(**{name: torch.from_numpy(value) for name, value in batch.inputs.items()})
    logits = found[0] if isinstance(found, tuple) else found
    loss = torch.nn.functional.cross_entropy(
        logits.flatten(0, -2), torch.from_numpy(batch.targets).flatten(), ignore_index=IGNORED
    )
    loss.backward()
    return loss.item(), next(model.parameters()).grad


def test_pairs_of_texts_train_an_encoder_decoder(tmp_path, cache, bytewise):
    pytest.importorskip("torch")
    (tmp_path / "a.de").write_text("eins\nzwei\ndrei vier\n")
    (tmp_path / "a.en").write_text("one\ntwo\nthree four\n")
    objective = Translation()
    paths = {"source": [tmp_path / "a.de"], "target": [tmp_path / "a.en"]}
    table = prepare_table(paths, columns_of(objective, bytewise), cache)
    loader = TableLoader(table, batch=3, collate=gathered(objective, bytewise, context=8))
    batch = loader.batch(0)
    assert batch.inputs["source"].shape == batch.inputs["target"].shape == (3, 8)
    assert batch.count == 4 + 4 + 8
    loss, gradient = loss_of(blocks.build("transformer-tiny"), batch)
    assert np.isfinite(loss)
    assert gradient.abs().sum() > 0


def test_images_train_a_classifier(tmp_path, cache):
    pytest.importorskip("torch")
    image = (np.arange(3 * 32 * 32) % 256).reshape(3, 32, 32).tolist()
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"image": image, "label": n}) + "\n" for n in range(2)))
    objective = Classes()
    table = prepare_table([path], columns_of(objective, None), cache)
    batch = TableLoader(table, batch=2, collate=gathered(objective, None, context=1)).batch(0)
    assert sorted(batch.targets.tolist()) == [0, 1]
    loss, gradient = loss_of(blocks.build("vit-tiny"), batch)
    assert loss == pytest.approx(np.log(10), abs=1)
    assert gradient.abs().sum() > 0


def test_a_recipe_names_an_objective_of_pairs():
    registry = Registry.installed().with_plugin(Plugin())
    text = (Path(__file__).parents[4] / "recipes" / "transformer-tiny.yaml").read_text(encoding="utf-8")
    plan = blocks.load(text + "\ntrain: {objective: translation}\n").plan(registry=registry)
    assert plan.train.objective.name == "translation"
    assert plan.train.objective.reads == ("source", "target")


def test_an_objective_that_does_not_say_how(bytewise):
    class Silent(Objective):
        reads = ("source", "target")

    with pytest.raises(NotImplementedError, match="Silent reads source, target, and must define gather"):
        Silent().gather([], coder=bytewise, context=8)


def test_rows_are_numbered_over_all_ranks(tmp_path, cache, bytewise):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"source": "a", "target": "b"}) + "\n")
    objective = Translation()
    table = prepare_table([path], columns_of(objective, bytewise), cache)
    collate = gathered(objective, bytewise, 8)
    parts = [TableLoader(table, batch=6, collate=collate, rank=rank, ranks=3) for rank in range(3)]
    assert [list(part.numbers(2)) for part in parts] == [[12, 13], [14, 15], [16, 17]]
