"""`blocks eval`: figures of a text, the same that transformers has; everything that is wrong at once."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import blocks
from blocks.cli import main

TEXT = "Мала книжка, a small book, un petit livre: 小さな本.\n" * 3
ATTENTION = """
recipe: reader
d_model: 16
tokenizer: byte
blocks:
  attention: {mixer: multi_head, n_heads: 2}
  ffn: {mixer: mlp, d_ff: 32}
model:
  - embed: tokens
  - position: {learned: {max_len: 256}}
  - stack: {layers: [attention, ffn], norm: layernorm}
  - norm: layernorm
  - head: {lm: {tied: true}}
"""
RECURRENT = (
    ATTENTION.replace("[attention, ffn]", "[memory, ffn]")
    .replace("attention: {mixer: multi_head, n_heads: 2}", "memory: {mixer: gru}")
    .replace("  - position: {learned: {max_len: 256}}\n", "")
)
BIDIRECTIONAL = ATTENTION.replace("n_heads: 2}", "n_heads: 2, mask: bidirectional}").replace(
    "lm:", "masked_lm:"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("eval")


@pytest.fixture(scope="module")
def book(place):
    path = place / "book.txt"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def build(place):
    def made(text, name):
        folder = place / name
        if not folder.exists():
            recipe = place / f"{name}.yaml"
            recipe.write_text(text, encoding="utf-8")
            assert main(["build", str(recipe), "-o", str(folder)]) == 0
        return str(folder)

    return made


def evaluated(capsys, *arguments):
    capsys.readouterr()
    assert main(["eval", *arguments, "--json"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    return json.loads(shown.out)


def refused(capsys, *arguments):
    """The codes and messages of a refusal."""
    capsys.readouterr()
    assert main(["eval", *arguments, "--json"]) != 0
    return [(each["code"], each["message"]) for each in json.loads(capsys.readouterr().out)]


def test_the_figures_of_a_text(capsys, build, book):
    found = evaluated(capsys, build(ATTENTION, "reader"), "--data", book)
    size = len(TEXT.encode())
    assert list(found) == [
        "loss", "perplexity", "bits_per_byte", "tokens", "scored", "bytes", "texts", "context", "stride",
    ]  # fmt: skip
    assert (found["tokens"], found["scored"], found["bytes"], found["texts"]) == (size, size - 1, size, 1)
    assert (found["context"], found["stride"]) == (256, 128)
    assert found["perplexity"] == pytest.approx(math.exp(found["loss"]))
    assert found["bits_per_byte"] == pytest.approx(found["loss"] / math.log(2))  # a token is a byte
    assert 5 < found["loss"] < 6.5


def test_a_report_for_people(capsys, build, book):
    assert main(["eval", build(ATTENTION, "reader"), "--data", book]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "reader", "loss", "perplexity", "bits per byte", "scored", "read",
    ]  # fmt: skip
    assert lines[-1].endswith("windows of 256 tokens, every 128")
    assert main(["eval", build(RECURRENT, "counter"), "--data", book, "--context", "16"]) == 0
    assert capsys.readouterr().out.endswith("the state carried on, 16 tokens at a time\n")


def test_a_state_that_is_carried_gives_the_same_whatever_the_pieces(capsys, build, book):
    folder = build(RECURRENT, "counter")
    losses = [evaluated(capsys, folder, "--data", book, "--context", size)["loss"] for size in ("7", "1k")]
    assert abs(losses[0] - losses[1]) < 1e-5
    assert evaluated(capsys, folder, "--data", book)["stride"] is None
    short = evaluated(capsys, folder, "--data", book, "--context", "7", "--stride", "7")
    assert abs(short["loss"] - losses[0]) > 1e-6


@pytest.mark.parametrize("stride", [None, 64])
def test_transformers_has_the_same_loss_of_what_is_exported(capsys, build, book, place, stride):
    transformers = pytest.importorskip("transformers")
    folder, out = build(ATTENTION, "reader"), place / "exported"
    if not out.exists():
        assert main(["export", folder, "--to", "hf", "-o", str(out)]) == 0
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    model = transformers.AutoModelForCausalLM.from_pretrained(out).eval()
    ids = torch.tensor([tokenizer(TEXT, add_special_tokens=False)["input_ids"]])
    arguments = ["--data", book]
    with torch.no_grad():
        if stride is None:
            ids = ids[:, :200]
            (place / "short.txt").write_bytes(TEXT.encode()[:200])
            arguments = ["--data", str(place / "short.txt")]
            wanted = float(model(ids, labels=ids).loss)
        else:
            arguments += ["--context", "128", "--stride", str(stride)]
            losses, end = [], 0
            while (
                end < ids.shape[1] - 1
            ):  # as in transformers' guide to perplexity, each window 128 + 1 tokens long
                before, end = end, min(ids.shape[1] - 1, end + stride if end else 128)
                window = ids[:, end - 128 : end + 1]
                labels = window.clone()
                labels[:, : before - (end - 128) + 1] = -100
                losses.append(float(model(window, labels=labels).loss) * (end - before))
            wanted = sum(losses) / (ids.shape[1] - 1)
    ours = evaluated(capsys, folder, *arguments)["loss"]
    assert abs(ours - wanted) < 1e-4
    assert evaluated(capsys, str(out), *arguments)["loss"] == pytest.approx(ours, abs=1e-6)


def test_a_run_is_its_newest_checkpoint(capsys, book, place):
    recipe, out = place / "run.yaml", place / "run"
    recipe.write_text(
        ATTENTION + "train: {context: 32, batch: 2, steps: 2, save_every: 1, validation: 0}\n",
        encoding="utf-8",
    )
    options = ["-o", str(out), "--keep", "3", "--cache", str(place / "cache")]
    assert main(["train", str(recipe), "--data", book, *options]) == 0
    capsys.readouterr()
    found = [
        evaluated(capsys, str(path), "--data", book)
        for path in (out, *sorted((out / "checkpoints").iterdir()))
    ]
    assert [each["context"] for each in found] == [32] * 4
    assert found[0] == found[3]
    assert found[0]["loss"] < found[1]["loss"]


def test_records_are_texts_of_their_own(capsys, build, place):
    path = place / "records.jsonl"
    path.write_text(
        "".join(json.dumps({"body": text}) + "\n" for text in ("abc", "defgh", "abc")), encoding="utf-8"
    )
    folder = build(RECURRENT, "counter")
    found = evaluated(capsys, folder, "--data", str(path), "--field", "body", "--batch", "2")
    assert (found["texts"], found["scored"], found["bytes"]) == (3, 8, 11)
    lines = place / "lines.txt"
    lines.write_text("abc\ndefgh\nabc\n")
    assert evaluated(capsys, folder, "--data", str(lines), "--split", "lines") == pytest.approx(
        found, abs=1e-3
    )
    single = place / "single.txt"
    losses = []
    for text in ("abc", "defgh"):
        single.write_text(text)
        losses.append(evaluated(capsys, folder, "--data", str(single))["loss"])
    assert found["loss"] == pytest.approx((2 * 2 * losses[0] + 4 * losses[1]) / 8, abs=1e-6)


def test_everything_that_is_wrong_at_once(capsys, build, place):
    folder = build(BIDIRECTIONAL.replace("tokenizer: byte", "vocab_size: 256"), "bidirectional")
    found = refused(capsys, folder, "--data", str(place / "no-book.txt"))
    assert sorted(code for code, _ in found) == ["B0801", "B1201", "B1801"]
    assert any("attention sees later tokens" in message for _, message in found)


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["--context", "0"], "B0805", "--context '0' is not a positive whole number"),
        (["--stride", "half"], "B0805", "--stride 'half' is not"),
        (["--batch", "1.5"], "B0805", "--batch '1.5' is not"),
        (
            ["--context", "8", "--stride", "9"],
            "B0805",
            "a stride of 9 leaves out tokens between windows of 8",
        ),
        (["--stride", "300"], "B0805", "a stride of 300 leaves out tokens between windows of 256"),
        (
            ["--context", "1k"],
            "B1304",
            "1,000 tokens at once are more than the 256 that reader has positions for",
        ),
        (["--device", "warp"], "B0808", "the device 'warp' cannot be had"),
    ],
)
def test_options_that_cannot_be(capsys, build, book, arguments, code, part):
    ((found, message),) = refused(capsys, build(ATTENTION, "reader"), "--data", book, *arguments)
    assert found == code
    assert part in message


def test_a_folder_that_is_not_there_and_one_that_is_no_build(capsys, book, place):
    assert [code for code, _ in refused(capsys, str(place / "nowhere"), "--data", book)] == ["B0801"]
    assert {code for code, _ in refused(capsys, str(place), "--data", book)} == {"B0801", "B1201"}


def test_a_text_of_one_token(capsys, build, place):
    path = place / "letter.txt"
    path.write_text("a")
    ((code, message),) = refused(capsys, build(ATTENTION, "reader"), "--data", str(path))
    assert code == "B1802"
    assert message.startswith("the text is one token")


def test_the_model_of_memory_is_the_one_that_is_evaluated(capsys, build, book):
    from blocks_train.evaluation.measure import measure

    folder = build(RECURRENT, "counter")
    model = blocks.from_pretrained(folder)
    ids = blocks.open_tokenizer(folder).encode(TEXT)

    class Texts:
        tokens = torch.tensor(ids).numpy()
        bytes = len(TEXT.encode())

        def __len__(self):
            return 1

        def document(self, index):
            return self.tokens

    found = measure(model, blocks.load(model.recipe).plan(), Texts())
    assert found.as_json() == evaluated(capsys, folder, "--data", book)


def test_help_imports_no_torch():
    code = "import sys; from blocks.cli import main; main(['eval', '--help'])"
    code += "; print({'torch', 'numpy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")
    assert "--stride" in done.stdout
    assert Path(done.args[0]).exists()
