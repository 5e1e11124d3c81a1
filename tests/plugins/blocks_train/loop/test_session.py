"""`blocks train`, from the command to the folder: what it writes, how it ends, and how it goes on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import blocks
from blocks.cli import main
from blocks_train.loop.trainer import Trainer

from .conftest import TINY
from .faults import Faults

LAST = "checkpoints/step-00000012"


def train(recipe: Path, corpus: Path, run: Path, *more: str) -> int:
    return main(["train", str(recipe), "--data", str(corpus), "-o", str(run), *more])


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def losses(run: Path) -> list[tuple[int, float]]:
    """Everything of the metrics that is no time."""
    return [(row["step"], row.get("loss", row.get("validation_loss"))) for row in rows(run)]


def same_bits(a: Path, b: Path) -> bool:
    """Weights, optimizer, random states, step."""
    files = ("model.safetensors", "training.safetensors")
    values = [json.loads((run / LAST / "training.json").read_text()) for run in (a, b)]
    for value in values:
        value["state"]["mapping"] = [row for row in value["state"]["mapping"] if row[0] != "seconds"]
    return values[0] == values[1] and all(
        (a / LAST / name).read_bytes() == (b / LAST / name).read_bytes() for name in files
    )


@pytest.fixture(scope="module")
def straight(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("straight")
    (folder / "tiny.yaml").write_text(TINY)
    assert train(folder / "tiny.yaml", corpus, folder / "run", "--cache", str(folder / "cache")) == 0
    return folder / "run"


def code_of(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """The code of the error that was shown, and everything that was."""
    shown = capsys.readouterr().err
    return shown.partition("error[")[2][:5], shown


def test_a_run_from_beginning_to_end(recipe: Path, corpus: Path, tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    assert train(recipe, corpus, run) == 0
    shown = capsys.readouterr()
    assert "tiny: 12 steps, 768 tokens" in shown.out
    assert f"model    {run / LAST}" in shown.out
    assert "step 12  validation loss" in shown.err
    names = {path.name for path in run.iterdir()}
    assert names - {"loss.svg"} == {".lock", "run.json", "metrics.jsonl", "checkpoints"}
    assert [path.name for path in sorted((run / "checkpoints").iterdir())] == [
        "step-00000009",
        "step-00000012",
    ]
    steps = [row for row in rows(run) if "loss" in row]
    assert [row["step"] for row in steps] == list(range(1, 13))
    assert steps[-1]["loss"] < steps[0]["loss"]
    assert steps[-1]["tokens"] == 12 * 4 * 16
    assert steps[0].keys() >= {"perplexity", "lr", "gradient_norm", "tokens_per_second", "seconds"}
    assert [row["step"] for row in rows(run) if "validation_loss" in row] == [4, 8, 12]
    record = json.loads((run / "run.json").read_text())
    assert record["data"]["paths"] == [str(corpus)]
    assert record["train"]["steps"] == 12
    loaded = blocks.from_pretrained(run)
    assert loaded(torch.arange(8)[None])[0].shape == (1, 8, 256)
    assert blocks.open_tokenizer(run).encode("a") == [97]
    assert main(["export", str(run), "--to", "hf", "-o", str(tmp_path / "hf")]) == 0


KILLED = """
import os, signal, sys
from pathlib import Path

import matplotlib.figure

import blocks
from blocks.cli import main
from blocks_train.loop import session, trainer, checkpoints
import blocks.swap as swap

recipe, corpus, folder = sys.argv[1:]


def die(*args, **options):
    os.kill(os.getpid(), signal.SIGKILL)


def middle_of_a_step():
    step = trainer.Trainer.clipped
    trainer.Trainer.clipped = lambda self: die() if self.step == 4 else step(self)


def while_saving():
    flush, state = swap.flush, {}
    def dying(path):
        if "step-00000006" in str(path) and path.name == "training.safetensors":
            die()
        flush(path)
    swap.flush = dying


def before_the_first_step():
    session.Session.go = die


def forked(prepare, *more):
    child = os.fork()
    if not child:
        prepare()
        os._exit(main(["train", recipe, "--data", corpus, *more]))
    return os.waitpid(child, 0)[1]


blocks.build(recipe)  # and what that imports, once for all
assert forked(lambda: None, "-o", f"{folder}/straight") == 0
for kill in (before_the_first_step, middle_of_a_step, while_saving):
    run = f"{folder}/{kill.__name__}"
    assert forked(kill, "-o", run) == signal.SIGKILL, kill
    assert forked(lambda: None, "-o", run, "--resume") == 0, kill
"""


def test_killed_at_any_point_it_goes_on_to_the_same_bits(recipe: Path, corpus: Path, tmp_path: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, str(recipe), str(corpus), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    straight = tmp_path / "straight"
    for name in ("before_the_first_step", "middle_of_a_step", "while_saving"):
        assert same_bits(straight, tmp_path / name), name
        assert losses(straight) == losses(tmp_path / name), name
        left = sorted(path.name for path in (tmp_path / name / "checkpoints").iterdir())
        assert left == ["step-00000009", "step-00000012"], name


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_ends(
    recipe: Path,
    corpus: Path,
    straight: Path,
    tmp_path: Path,
    capsys,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: int,
) -> None:
    advance = Trainer.advance

    def signalled(self):
        if self.step == 4:
            os.kill(os.getpid(), number)
        return advance(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "advance", signalled)
        assert train(recipe, corpus, tmp_path / "run") == code
    assert (
        f"{signal.Signals(number).name}: step 5 of 12 is saved; --resume goes on" in capsys.readouterr().err
    )
    assert (tmp_path / "run" / "checkpoints" / "step-00000005").is_dir()
    assert train(recipe, corpus, tmp_path / "run", "--resume") == 0
    assert same_bits(tmp_path / "run", straight)
    assert losses(tmp_path / "run") == losses(straight)


def test_a_signal_while_measuring_is_no_lost_measurement(
    recipe: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = Trainer.measure

    def signalled(self, *args):
        os.kill(os.getpid(), signal.SIGTERM)
        return measure(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "measure", signalled)
        assert train(recipe, corpus, tmp_path / "run") == 143
    assert 4 not in [row["step"] for row in rows(tmp_path / "run") if "validation_loss" in row]
    assert train(recipe, corpus, tmp_path / "run", "--resume") == 0
    assert [row["step"] for row in rows(tmp_path / "run") if "validation_loss" in row] == [4, 8, 12]


def test_what_differs_is_said(recipe: Path, corpus: Path, tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    assert train(recipe, corpus, run, "--resume") == 1
    assert code_of(capsys)[0] == "B1503"
    assert not run.exists()
    assert train(recipe, corpus, run, "--steps", "3") == 0
    assert train(recipe, corpus, run) == 1
    assert code_of(capsys)[0] == "B1501"
    assert train(recipe, corpus, run, "--resume", "--seed", "1", "--set", "blocks.ffn.d_ff=64") == 1
    code, shown = code_of(capsys)
    assert code == "B1502"
    assert "blocks.ffn.d_ff: 32 in the run, 64 now" in shown
    assert "train.seed: 0 in the run, 1 now" in shown
    other = tmp_path / "other.txt"
    other.write_text(corpus.read_text() + " more")
    assert train(recipe, other, run, "--resume") == 1
    code, shown = code_of(capsys)
    assert code == "B1502"
    assert f"data: {len(corpus.read_text()) + 1:,} tokens of {corpus} in the run" in shown  # and its end
    assert train(recipe, corpus, run, "--resume", "--steps", "3") == 1
    code, shown = code_of(capsys)
    assert code == "B1504"
    assert "--steps 6 goes on" in shown
    moved = tmp_path / "moved.txt"
    corpus.read_bytes()
    moved.write_bytes(corpus.read_bytes())
    assert (
        train(recipe, moved, run, "--resume", "--steps", "5", "--set", "train.optimizer.adamw.lr=1e-4") == 0
    )
    shown = capsys.readouterr().err
    assert "note: from here on, train.steps: 3 in the run, 5 now" in shown
    assert "train.optimizer.adamw.lr" in shown
    assert rows(run)[-2]["lr"] < 1e-4
    assert main(["train", "-o", str(run), "--resume", "--steps", "6"]) == 0
    assert losses(run)[-2][0] == 6


def test_a_folder_of_something_else_is_left_alone(recipe: Path, corpus: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    assert train(recipe, corpus, tmp_path / "notes") == 1
    assert code_of(capsys)[0] == "B0803"
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["a.txt"]
    (tmp_path / "killed").mkdir()
    for name in (".lock", ".run.json.new"):  # at the very beginning
        (tmp_path / "killed" / name).write_text("")
    assert train(recipe, corpus, tmp_path / "killed", "--steps", "1") == 0


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["--steps", "none"], 2),
        (["--steps", "0"], 2),
        (["--seed", "-1"], 2),
        (["--keep", "0"], 2),
        (["--sentence", "Transformer"], 2),
        (["--set", "train.steps=no"], 1),
        (["--device", "meta"], 1),
        (["--kernels", "flurb"], 1),
        (["--set", "train.context=100000"], 1),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    recipe: Path, corpus: Path, tmp_path: Path, capsys, more: list[str], code: int
) -> None:
    assert train(recipe, corpus, tmp_path / "run", *more) == code
    assert code_of(capsys)[0].startswith("B")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("arguments", [[], ["gpt2-tiny"], ["--resume"], ["--data", "x.txt"]])
def test_what_is_missing_is_said(arguments: list[str], capsys) -> None:
    assert main(["train", *arguments]) == 2
    assert code_of(capsys)[0] == "B0805"


def test_a_save_that_fails_is_said_and_training_goes_on(
    recipe: Path, corpus: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second checkpoint fails, the third is written again; where the last one fails, so does the run."""
    save = blocks.api.save_build
    failing = {"step-00000003"}

    def full(model, graph, folder, **options):
        if Path(folder).name in failing:
            with pytest.MonkeyPatch.context() as patch:
                Faults(patch, tmp_path, 4)
                return save(model, graph, folder, **options)
        return save(model, graph, folder, **options)

    monkeypatch.setattr("blocks_train.loop.checkpoints.save_build", full)
    assert train(recipe, corpus, tmp_path / "a") == 0
    shown = capsys.readouterr().err
    assert "warning: step 3 could not be saved: No space left on device; step-00000000 stays" in shown
    assert (tmp_path / "a" / LAST).is_dir()
    failing |= {"step-00000009", "step-00000012"}
    assert train(recipe, corpus, tmp_path / "b") == 1
    code, shown = code_of(capsys)
    assert code == "B1506"
    assert "step-00000006 is the newest that is whole" in shown
    failing.clear()
    assert train(recipe, corpus, tmp_path / "b", "--resume") == 0
    assert same_bits(tmp_path / "a", tmp_path / "b")
    failing |= {"step-00000000"}
    assert train(recipe, corpus, tmp_path / "c") == 1
    assert code_of(capsys)[0] == "B1506"


def test_a_damaged_checkpoint_is_passed_over(
    recipe: Path, corpus: Path, straight: Path, tmp_path: Path, capsys
) -> None:
    run = tmp_path / "run"
    assert train(recipe, corpus, run) == 0
    (run / LAST / "model.safetensors").write_bytes(b"")
    assert train(recipe, corpus, run, "--resume") == 0
    shown = capsys.readouterr().err
    assert "warning: step-00000012 is passed over: " in shown
    assert "goes on from step 9" in shown
    assert same_bits(run, straight)


def test_a_divergence_names_the_step_the_block_and_the_checkpoint(
    recipe: Path, corpus: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = Trainer.advance

    def broken(self):
        if self.step == 7:
            with torch.no_grad():
                self.model.get_parameter("layers.1.mixer.in_proj.weight")[0, 0] = float("inf")
        return advance(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "advance", broken)
        assert train(recipe, corpus, tmp_path / "run") == 1
    code, shown = code_of(capsys)
    assert code == "B1505"
    assert "at step 8: the output of layers.1 (ffn) is the first that is not finite" in shown
    assert "The last good checkpoint is step-00000006" in shown
    assert "--resume --set train.optimizer.adamw.lr=" in shown
    assert blocks.from_pretrained(tmp_path / "run").embed.weight.isfinite().all()
    assert train(recipe, corpus, tmp_path / "run", "--resume") == 0


def test_a_loss_that_stays_high_ends_the_run(recipe: Path, corpus: Path, tmp_path: Path, capsys) -> None:
    wild = ["--steps", "60", "--set", "train.optimizer.adamw.lr=30.0", "--set", "train.clip=none"]
    assert train(recipe, corpus, tmp_path / "run", *wild, "--set", "train.schedule=constant") == 1
    code, shown = code_of(capsys)
    assert code == "B1505"
    assert "The last good checkpoint is step-0000" in shown


def test_a_sentence_is_enough(
    corpus: Path, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["--set", "d_model=16", "--set", "train.batch=2", "--set", "train.context=16", "--steps", "2"]
    assert main(["train", "--sentence", "Transformer, RoPE, 1 layer", "--data", str(corpus), *small]) == 0
    assert blocks.open_tokenizer("runs/my-model").decode([97]) == "a"
    assert main(["train", "-o", "runs/my-model", "--resume", "--steps", "3"]) == 0


def test_without_a_tokenizer_text_is_bytes(corpus: Path, recipe: Path, tmp_path: Path, capsys) -> None:
    recipe.write_text(recipe.read_text().replace("tokenizer: byte", "vocab_size: 300"))
    assert train(recipe, corpus, tmp_path / "run", "--steps", "1") == 0
    assert "note: tiny names no tokenizer: text is read as bytes" in capsys.readouterr().err
    assert blocks.open_tokenizer(tmp_path / "run").decode([97]) == "a"
    recipe.write_text(recipe.read_text().replace("vocab_size: 300", "vocab_size: 100"))
    assert train(recipe, corpus, tmp_path / "run2") == 1
    assert code_of(capsys)[0] == "B1507"


def test_a_tokenizer_is_trained_on_the_data_and_kept(
    recipe: Path, corpus: Path, tmp_path: Path, capsys
) -> None:
    """Its size is the vocabulary's, and a run goes on with the one that it has."""
    recipe.write_text(recipe.read_text().replace("tokenizer: byte", "tokenizer: char"))
    assert train(recipe, corpus, tmp_path / "straight") == 0
    characters = sorted(set(corpus.read_text()))
    assert blocks.from_pretrained(tmp_path / "straight").embed.weight.shape[0] == len(characters)
    coder = blocks.open_tokenizer(tmp_path / "straight")
    assert coder.decode(coder.encode("the sea")) == "the sea"
    assert train(recipe, corpus, tmp_path / "run", "--steps", "5") == 0
    other = tmp_path / "other.txt"
    other.write_text(corpus.read_text().replace("sea", "land"))
    assert train(recipe, other, tmp_path / "run", "--resume") == 1
    assert code_of(capsys)[0] == "B1502"
    capsys.readouterr()
    assert main(["generate", str(tmp_path / "run"), "--prompt", "the", "--max-new-tokens", "3"]) == 0
    assert len(capsys.readouterr().out.strip("\n")) > 0


def test_metrics_for_tensorboard(
    recipe: Path, corpus: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torch.utils.tensorboard", None)
        assert train(recipe, corpus, tmp_path / "without", "--tensorboard") == 1
        assert code_of(capsys)[0] == "B0806"
        assert not (tmp_path / "without" / "run.json").exists()
    pytest.importorskip("tensorboard")
    assert train(recipe, corpus, tmp_path / "run", "--tensorboard", "--steps", "3") == 0
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    found = [(event.step, event.value) for event in events.Scalars("loss")]
    wanted = [(step, loss) for step, loss in losses(tmp_path / "run") if step]
    assert [step for step, _ in found] == [1, 2, 3]
    assert found[0][1] == pytest.approx(wanted[0][1])


def test_data_that_is_too_short(recipe: Path, tmp_path: Path, capsys) -> None:
    short = tmp_path / "short.txt"
    short.write_text("a few words")
    assert train(recipe, short, tmp_path / "run") == 1
    assert "too few" in code_of(capsys)[1]


def test_help_imports_no_torch() -> None:
    code = (
        "import sys\nfrom blocks.cli import main\nmain(['train', '--help'])\n"
        "print(sorted({'torch', 'numpy', 'datasets'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
