"""`blocks train` in several processes: a signal that reaches one of them; 2, then 1, then 4 ranks on a checkpoint."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import blocks
from blocks.cli import main
from blocks_train.loop.session import Session
from blocks_train.scale.fitting import check_rows
from blocks_train.scale.ranks import ALONE, joined

RECIPE = """\
recipe: tiny
d_model: 16
tokenizer: word
blocks:
  mamba2: {mixer: mamba2, n_heads: 2, head_dim: 16, d_state: 8}
  ffn: {mixer: mlp, d_ff: 33}
model: [{embed: tokens}, {stack: {layers: [mamba2, ffn]}}, {norm: rmsnorm}, {head: {lm: {tied: true}}}]
train: {steps: 4000, batch: 8, context: 8, accumulate: 2, carry: true, ema: 0.9, eval_every: 3, save_every: 1000}
"""


def everything(checkpoint: Path) -> dict[str, torch.Tensor]:
    """All tensors that any number of ranks goes on from, put together from their parts."""
    found = {f"model {name}": tensor for name, tensor in load_file(checkpoint / "model.safetensors").items()}
    own = ("carried", "random", "others")
    for name, tensor in load_file(checkpoint / "training.safetensors").items():
        if not name.startswith(own):
            found[name] = tensor
    pieces: dict[str, list[tuple[int, torch.Tensor]]] = {}
    for path in (checkpoint / "training").glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            offsets = json.loads(file.metadata()["DCP_SHARDING_INFO"])
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                at = offsets[name]["saved_offsets"][0]
                pieces.setdefault(name, []).append((at, file.get_tensor(name)))
    for name, parts in pieces.items():
        found[name] = torch.cat([tensor for _, tensor in sorted(parts, key=lambda part: part[0])])
    return found


def carried(checkpoint: Path) -> torch.Tensor:
    """The states of the rows of the whole batch, in order."""
    found = load_file(checkpoint / "training.safetensors")
    names = [name for name in found if name.endswith("layers.0.ssm")]
    return torch.cat(
        [found[name] for name in sorted(names, key=lambda name: (name.startswith("others"), name))]
    )


def test_a_signal_ends_all_ranks_and_any_number_goes_on(start, launch, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    text = tmp_path / "text.txt"
    text.write_text("the sea was calm and the wind had gone to sleep behind the hills . " * 90)
    runs = [tmp_path / name for name in ("two", "one", "four")]
    ranks = start(2, __file__, "train", tmp_path / "tiny.yaml", "--data", text, "-o", runs[0])
    metrics, ends = runs[0] / "metrics.jsonl", time.monotonic() + 300
    while not metrics.is_file() or len(metrics.read_text().splitlines()) < 6:
        assert time.monotonic() < ends
        assert [each.poll() for each in ranks] == [None, None], [each.communicate() for each in ranks]
        time.sleep(0.05)
    ranks[1].send_signal(signal.SIGTERM)
    said = [each.communicate(timeout=120) for each in ranks]
    assert [each.returncode for each in ranks] == [143, 143], said
    assert "SIGTERM: step" in said[0][1]
    assert said[1] == ("", "")
    saved = blocks.find_build(runs[0])
    step = int(saved.folder.name.removeprefix("step-"))
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, step + 1))
    assert rows[0]["tokens"] == 8 * 8
    assert len(list((saved.folder / "training").iterdir())) == 2
    suffixes = {path.suffix for path in saved.folder.rglob("*") if path.is_file()}
    assert suffixes == {".safetensors", ".json", ".yaml"}  # and no pickle

    assert subprocess.run([sys.executable, __file__, "again", runs[0], runs[1]]).returncode == 0
    launch(4, __file__, "again", runs[1], runs[2], "--shard", "2")
    found = [everything(run / "checkpoints" / saved.folder.name) for run in runs]
    assert len(found[0]) > 40
    for other in found[1:]:
        assert found[0].keys() == other.keys()
        assert all(torch.equal(tensor, other[name]) for name, tensor in found[0].items())
    states = [carried(run / "checkpoints" / saved.folder.name) for run in runs]
    assert states[0].shape[0] == 8
    assert all(torch.equal(states[0], each) for each in states)
    model = blocks.from_pretrained(runs[2])
    assert all(torch.equal(tensor, found[0][f"model {name}"]) for name, tensor in model.named_parameters())
    assert main(["eval", str(runs[2]), "--data", str(text)]) == 0


def again(source: Path, target: Path, *options: str) -> int:
    """Go on with the run at `source`, and save it below `target` before any step."""

    def go(self: Session) -> int:
        self.checkpoints = replace(self.checkpoints, run=target)
        self.save()
        return 0 if self.failed is None else 1

    Session.go = go
    if not target.exists():
        target.mkdir(exist_ok=True)
        shutil.copyfile(source / "run.json", target / "run.json")
    return main(["train", "-o", str(source), "--resume", *options])


def test_ranks_that_do_not_fit_are_refused(monkeypatch, capsys) -> None:
    assert main(["train", "hybrid-tiny", "--data", "x.txt", "--shard", "2"]) == 2
    assert "error[B1509]: --shard 2 does not divide the 1 process of this run" in capsys.readouterr().err
    monkeypatch.setenv("RANK", "1")  # of which rank 0 speaks
    assert main(["train", "hybrid-tiny"]) == 2
    assert capsys.readouterr().err == ""
    monkeypatch.delenv("RANK")
    assert main(["train", "hybrid-tiny"]) == 2
    assert "nothing says what to learn from" in capsys.readouterr().err
    training = blocks.load(RECIPE, set=["vocab_size=16"]).plan().train
    check_rows(training, replace(ALONE, size=4))
    with pytest.raises(blocks.UsageError, match="3 processes, 2 parts each, do not divide a batch of 8 rows"):
        check_rows(training, replace(ALONE, size=3))
    monkeypatch.setenv("WORLD_SIZE", "2")
    if not torch.cuda.is_available():
        with pytest.raises(blocks.UsageError, match="this machine has 0"), joined("cuda", None):
            pass


if __name__ == "__main__":
    torch.set_num_threads(1)
    import blocks_train.loop.speed

    blocks_train.loop.speed.SECONDS = 0.0
    command, *given = sys.argv[1:]
    if command == "train":
        sys.exit(main([command, *given]))
    sys.exit(again(Path(given[0]), Path(given[1]), *given[2:]))
