"""`blocks compare`, from the command to the table: what it trains, what it leaves alone, how it ends."""

import json
import random
from pathlib import Path

import pytest

import blocks
from blocks.cli import main
from blocks_train.loop import session
from blocks_train.loop.trainer import Trainer

FFN = """\
blocks: {ffn: {mixer: mlp, d_ff: 4 * d_model}}
model: [{embed: tokens}, {stack: {layers: [2 x ffn]}}, {norm: rmsnorm}, {head: lm}]
"""
GRU = """\
blocks: {gru: {mixer: gru}}
model: [{embed: tokens}, {stack: {layers: [gru]}}, {norm: rmsnorm}, {head: lm}]
"""
TRAIN = (
    "train: {steps: 4, batch: 4, context: 16, eval_every: 2, save_every: 2, optimizer: {adamw: {lr: 1e-2}}}"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two recipes and a text, and the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("blocks_train.loop.speed.SECONDS", 0.0)
    monkeypatch.setattr("blocks_train.loop.speed.WIDTHS", {"cpu": (64,)})
    for name, model in (("ffn", FFN), ("gru", GRU)):
        Path(f"{name}.yaml").write_text(f"recipe: {name}\nd_model: 16\ntokenizer: char\n{model}\n{TRAIN}\n")
    generator = random.Random(0)
    words = ["the", "sea", "was", "calm", "wind", "sleep", "behind", "hills"]
    Path("d.txt").write_text(" ".join(generator.choice(words) for _ in range(600)))
    return tmp_path


def compare(*more: str) -> int:
    return main(["compare", "ffn.yaml", "gru.yaml", "--data", "d.txt", "--cache", "cache", "-o", "c", *more])


def test_a_comparison_from_beginning_to_end(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen: dict[int, list[object]] = {}
    advance = Trainer.advance

    def watched(self: Trainer) -> object:
        batch = self.batches.batch(self.step).inputs["tokens"]
        seen.setdefault(len(self.parameters), []).append(batch.tolist())
        return advance(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "advance", watched)
        assert compare("--parameters", "80k", "--json") == 0
    shown = capsys.readouterr()
    made = json.loads(shown.out)
    assert made == json.loads(Path("c/comparison.json").read_text())
    first, second = seen.values()
    assert first == second  # the same tokens in the same order
    assert [row["name"] for row in made["models"]] == ["ffn", "gru"]
    assert made["train"] | {"steps": 4, "batch": 4, "context": 16} == made["train"]
    for row in made["models"]:
        assert abs(row["parameters"] / 80000 - 1) <= 0.02
        assert row["difference"] == pytest.approx(row["parameters"] / 80000 - 1)
        assert row["tokens"] == 4 * 4 * 16
        assert [point[0] for point in row["curve"]] == [128, 256]
        plan = blocks.load(f"{row['name']}.yaml", set=[f"d_model={row['d_model']}", "vocab_size=15"])
        costs = blocks.report(plan, 16, dtype="float32").total
        assert (row["parameters"], row["state_bytes"]) == (costs.parameters, costs.state_bytes)
        assert row["flops_per_token"] == {"forward": costs.forward, "train": costs.train}
        assert f"| {row['name']} | {row['parameters']:,}" in Path("c/comparison.md").read_text()
    assert "parameters (d_model 16 -> " in shown.err


def test_figures_are_those_of_eval(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare("--json") == 0
    row = json.loads(capsys.readouterr().out)["models"][0]
    text = Path("d.txt").read_text()
    Path("held.txt").write_text(text[int(0.9 * len(text)) :])
    assert (
        main(["eval", row["run"], "--data", "held.txt", "--context", "16", "--stride", "16", "--json"]) == 0
    )
    scored = json.loads(capsys.readouterr().out)
    for name in ("perplexity", "bits_per_byte"):
        assert row[name] == pytest.approx(scored[name], rel=1e-6)
    assert row["validation_loss"] == pytest.approx(scored["loss"], rel=1e-6)


def test_once_more_leaves_what_is_done_alone(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compare() == 0
    table = capsys.readouterr().out
    before = Path("c/comparison.json").read_bytes()
    monkeypatch.setattr(session.Session, "go", lambda self: pytest.fail("it is trained again"))
    assert compare() == 0
    assert (capsys.readouterr().out, Path("c/comparison.json").read_bytes()) == (table, before)
    assert compare("--steps", "8") == 1
    assert "c/ffn is another run: train.steps: 4 in the run, 8 now" in capsys.readouterr().err
    assert compare("--set", "train.optimizer.adamw.lr=1e-3") == 1
    assert "lr: 0.01 in the run, 0.001 now" in capsys.readouterr().err


def test_an_interrupted_one_goes_on_to_the_same_figures(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compare("-o", "straight", "--json") == 0
    straight = json.loads(capsys.readouterr().out)
    advance = session.Session.advance

    def interrupted(self: session.Session) -> None:
        if self.plan.name == "gru" and self.trainer.step == 3:
            raise KeyboardInterrupt
        advance(self)

    with monkeypatch.context() as patch:
        patch.setattr(session.Session, "advance", interrupted)
        assert compare() == 130
    assert not Path("c/comparison.json").exists()
    capsys.readouterr()
    assert compare("--json") == 0
    shown = capsys.readouterr()
    assert "parameters, goes on from step 2" in shown.err
    for row, other in zip(json.loads(shown.out)["models"], straight["models"], strict=True):
        for name in ("parameters", "tokens", "validation_loss", "curve"):
            assert row[name] == other[name], name


def test_one_that_diverges_leaves_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ffn.yaml").write_text(Path("ffn.yaml").read_text().replace("lr: 1e-2", "lr: 1e30"))
    assert compare() == 1
    shown = capsys.readouterr()
    assert "error[B1505]: ffn: the " in shown.err
    assert "remove c/ffn" in shown.err
    assert "gru" in shown.out
    assert "ffn  " not in shown.out


def test_everything_wrong_at_once_and_before_any_training(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "Session", None)
    assert main(["compare", "ffn.yaml", "--steps", "x", "--tokens", "1k", "--parameters", "0"]) == 2
    shown = capsys.readouterr().err
    for text in (
        "compared with nothing",
        "learn from",
        "where to",
        "two measures",
        "--steps 'x'",
        "--parameters '0'",
    ):
        assert text in shown, text
    Path("gru.yaml").write_text(
        Path("gru.yaml").read_text().replace("batch: 4", "batch: 2").replace("char", "byte")
    )
    Path("bad.yaml").write_text("recipe: bad\nmodel: []\n")
    assert compare("bad.yaml") == 2  # recipes stand before the options
    capsys.readouterr()
    assert main(["compare", "ffn.yaml", "gru.yaml", "bad.yaml", "--data", "d.txt", "-o", "c"]) == 1
    shown = capsys.readouterr().err
    for text in ("B1601", "train.batch is 4 in ffn and 2 in gru", "B1603", "bad.yaml:"):
        assert text in shown, text
    Path("notes").mkdir()
    Path("notes/mine.txt").write_text("")
    assert main(["compare", "ffn.yaml", "ffn.yaml", "--data", "d.txt", "-o", "notes"]) == 1
    assert "B1602" in capsys.readouterr().err
