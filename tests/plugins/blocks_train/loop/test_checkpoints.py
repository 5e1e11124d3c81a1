"""Checkpoints: whole or not at all, whatever fails, and what is read back is what was written."""

import json
import resource
import shutil
from functools import cache
from pathlib import Path

import pytest
import torch

import blocks
from blocks import Registry, swap
from blocks.cli import main
from blocks_train.loop.checkpoints import Checkpoints, newest
from blocks_train.loop.tree import named_in

from .faults import Faults

RECIPE = """\
recipe: tiny
d_model: 16
tokenizer: byte
blocks: {attention: {mixer: multi_head, n_heads: 2}}
model: [{embed: tokens}, {stack: {layers: [attention]}}, {norm: rmsnorm}, {head: {lm: {tied: true}}}]
"""
GRAPH = blocks.compile_graph(blocks.load(RECIPE))
REGISTRY = Registry.installed()


class Coder:
    """A tokenizer that was trained, as far as a checkpoint is concerned."""

    def save(self, folder: Path) -> None:
        (folder / "tokenizer.json").write_text("{}")


@cache
def model_of(step: int) -> torch.nn.Module:
    return blocks.build(RECIPE, seed=step)


def state_of(step: int) -> dict:
    return {
        "rng": torch.full((100,), step, dtype=torch.uint8),
        "rows": [(torch.tensor(float(step)), None)],
        "n": step,
    }


def checkpoints(run: Path, keep: int = 2) -> Checkpoints:
    return Checkpoints(run, GRAPH, REGISTRY, keep, Coder())


def is_of(run: Path, step: int) -> bool:
    """Whether the newest whole checkpoint is that of a step, down to the last bit."""
    found = newest(run)
    assert found is not None
    state = found.state(named_in({}), "cpu")
    weights, wanted = found.weights(), dict(model_of(step).named_parameters())
    same = weights.keys() == wanted.keys() and all(
        torch.equal(weights[name], wanted[name]) for name in wanted
    )
    return (
        found.step == step
        and same
        and torch.equal(state["rng"], state_of(step)["rng"])
        and state["n"] == step
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    path = checkpoints(tmp_path).save(3, model_of(3), state_of(3))
    assert path == tmp_path / "checkpoints" / "step-00000003"
    names = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()}
    assert names == {
        "model.safetensors", "recipe.lock.yaml", "manifest.json",
        "training.safetensors", "training.json", "tokenizer/tokenizer.json",
    }  # fmt: skip
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["files"].keys() == names - {"manifest.json"}
    assert manifest["seed"] is None
    assert is_of(tmp_path, 3)
    assert newest(tmp_path).state(named_in({}), "cpu")["rows"] == [(torch.tensor(3.0), None)]


def test_the_newest_are_kept(tmp_path: Path) -> None:
    saver = checkpoints(tmp_path, keep=2)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / ".step-00000001.new-999999999-aa").mkdir()  # of a process that was killed
    for step in (1, 2, 10, 9):
        saver.save(step, model_of(step), state_of(step))
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-00000009", "step-00000010"]
    assert is_of(tmp_path, 10)


def test_a_run_stands_for_its_newest_checkpoint_that_is_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saver = Checkpoints(tmp_path, GRAPH, REGISTRY)
    for step in (1, 2):
        saver.save(step, model_of(step), state_of(step))
    assert torch.equal(blocks.from_pretrained(tmp_path).embed.weight, model_of(2).embed.weight)
    assert main(["export", str(tmp_path), "--to", "hf", "-o", str(tmp_path / "hf")]) == 0
    assert blocks.open_tokenizer(tmp_path).encode("a") == [97]
    path = saver.path(2) / "training.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    found = newest(tmp_path)
    assert found.step == 1
    ((passed, reason),) = found.passed_over
    assert passed == saver.path(2)
    assert "training.safetensors is missing or not what was written" in reason
    with pytest.warns(
        blocks.BlocksWarning, match="step-00000002 is passed over, step-00000001 is read: .*training"
    ):
        model = blocks.from_pretrained(tmp_path)
    assert torch.equal(model.embed.weight, model_of(1).embed.weight)
    capsys.readouterr()
    assert main(["export", str(tmp_path), "--to", "hf", "-o", str(tmp_path / "hf2")]) == 0
    assert "warning: step-00000002 is passed over, step-00000001 is read: " in capsys.readouterr().err
    shutil.rmtree(saver.path(1))
    with pytest.raises(blocks.BuildError, match=r"no checkpoint of .* is whole: .*step-00000002 is damaged"):
        newest(tmp_path)


def test_a_run_without_a_checkpoint_says_so(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(blocks.BuildError) as caught:
        blocks.from_pretrained(tmp_path)
    assert caught.value.diagnostics[0].code == "B0801"
    assert "no checkpoint yet" in caught.value.diagnostics[0].message


@pytest.mark.parametrize("again", [False, True], ids=["new", "replaced"])
def test_an_error_at_any_call_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """Each write, flush, rename and mkdir fails in turn, until a save needs fewer calls than that."""
    checkpoints(tmp_path).save(1, model_of(1), state_of(1))
    if again:  # a checkpoint that is damaged is in the way, where folders cannot be exchanged
        checkpoints(tmp_path).save(2, model_of(3), state_of(3))
        monkeypatch.setattr(swap, "_exchange", lambda new, target: False)
    model, state, struck = model_of(2), state_of(2), []
    for at in range(1, 100):
        damaged = tmp_path / "checkpoints" / "step-00000002" / "training.json"
        if again:
            damaged.write_text("damaged")
        with monkeypatch.context() as patch:
            faults = Faults(patch, tmp_path, at)
            failed = ""
            try:
                checkpoints(tmp_path).save(2, model, state)
            except OSError as error:
                failed = error.strerror
            patch.undo()
        if not faults.failed:
            break
        struck.append(faults.failed)
        left = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
        assert [name for name in left if not name.startswith(".")] == left, (faults.failed, left)
        if failed:
            assert failed == "No space left on device", faults.failed
        assert is_of(tmp_path, 1) or is_of(tmp_path, 2), faults.failed
        if not again:
            shutil.rmtree(tmp_path / "checkpoints" / "step-00000002", ignore_errors=True)
    assert is_of(tmp_path, 2)
    kinds = {what.split()[0] for what in struck}
    assert kinds == {"fsync", "rename", "mkdir", "open", "write", "serialize"}, kinds
    assert len(struck) > 20


def test_a_full_disk_leaves_the_old_one(tmp_path: Path) -> None:
    """The system itself refuses: files may be no longer than some bytes."""
    saver = checkpoints(tmp_path)
    saver.save(1, model_of(1), state_of(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in (0, 100, 2000, 15_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            with pytest.raises(OSError, match="File too large"):
                saver.save(2, model_of(2), state_of(2))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert is_of(tmp_path, 1)
        assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000001"]
    saver.save(2, model_of(2), state_of(2))
    assert is_of(tmp_path, 2)
