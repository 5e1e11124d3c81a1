"""`blocks generate`: what it prints, where prompts come from, and what it says when something is wrong."""

import io
import json
import os
import pty
import subprocess
import sys

import pytest

import blocks
from blocks.cli import main
from blocks_generate import complete, generate


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("builds") / "model"
    assert main(["build", "gpt2-tiny", "-o", str(folder), "--set", "tokenizer=byte"]) == 0
    return folder


def run(*arguments):
    return main(["generate", *map(str, arguments)])


def texts(build, prompts, **options):
    model, coder = blocks.from_pretrained(build), blocks.open_tokenizer(build)
    return complete(generate(model, coder, prompts, **options))


def test_json_has_what_python_gives(build, capsys):
    code = run(
        build, "--prompt", "To be", "A", "--samples", 2, "--max-new-tokens", 7, "--temperature", 0.9, "--top-p", 0.95,
        "--seed", 5, "--json",
    )  # fmt: skip
    prompts = ["To be", "A"]
    wanted = texts(build, prompts, samples=2, max_new_tokens=7, temperature=0.9, top_p=0.95, seed=5)
    assert code == 0
    assert json.loads(capsys.readouterr().out) == [
        {"prompt": prompts[t.prompt], "sample": t.sample, "text": t.text, "tokens": list(t.tokens), "reason": t.reason,
         "score": None}
        for t in wanted
    ]  # fmt: skip


def test_one_text_is_printed_as_it_is(build, capsys):
    assert run(build, "--prompt", "To be", "--max-new-tokens", 20) == 0
    (text,) = texts(build, "To be", max_new_tokens=20)
    assert capsys.readouterr().out == text.text + "\n"


def test_several_texts_have_names_and_keep_their_order(build, capsys):
    arguments = (build, "--prompt", "To be", "--prompt", "A", "--samples", 2, "--max-new-tokens", 5, "--echo")
    wanted = ""
    for text in texts(build, ["To be", "A"], samples=2, max_new_tokens=5):
        wanted += f"--- prompt {text.prompt + 1}, sample {text.sample + 1}\n"
        wanted += ["To be", "A"][text.prompt] + text.text + "\n"
    for batch in (1, 3, 16):
        assert run(*arguments, "--batch", batch) == 0
        assert capsys.readouterr().out == wanted


def test_beams_and_stop(build, capsys):
    code = run(
        build, "--prompt", "hi", "--beams", 3, "--samples", 2, "--max-new-tokens", "1k", "--stop", "@@", "--slide",
        "--length-penalty", 0, "--json",
    )  # fmt: skip
    assert code == 0
    found = json.loads(capsys.readouterr().out)
    assert (found[0]["reason"], found[0]["text"], found[0]["tokens"]) == ("stop", "", [64, 64])
    assert 0 > found[0]["score"] >= found[1]["score"]


def from_stdin(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def prompts_read(capsys):
    return [text["prompt"] for text in json.loads(capsys.readouterr().out)]


def test_prompts_from_stdin_and_files(build, capsys, monkeypatch, tmp_path):
    last = ("--max-new-tokens", 1, "--json")
    from_stdin(monkeypatch, "Одне\nдва\r\n".encode())
    assert run(build, *last) == 0
    assert prompts_read(capsys) == ["Одне\nдва"]
    from_stdin(monkeypatch, b"one\ntwo\n")
    assert run(build, "--lines", *last) == 0
    assert prompts_read(capsys) == ["one", "two"]
    (tmp_path / "p.txt").write_text("one\n\n")
    assert run(build, "--file", tmp_path / "p.txt", *last) == 0
    assert prompts_read(capsys) == ["one\n"]
    (tmp_path / "p.jsonl").write_text('{"prompt": "a\\n"}\n\n"b"\n')
    assert run(build, "--file", tmp_path / "p.jsonl", *last) == 0
    assert prompts_read(capsys) == ["a\n", "b"]


@pytest.mark.parametrize(
    ("arguments", "code", "messages"),
    [
        (("--prompt", "a", "--file", "x"), 2, ["--prompt and --file both"]),
        (("--prompt", "a", "--lines"), 2, ["--lines is for --file"]),
        (("--file", "none.txt"), 1, ["error[B0801]: there is no file none.txt"]),
        (("--prompt", "a", "--top-p", "0", "--beams", "2", "--samples", "x", "--seed", "1.5"), 2,
         ["--samples 'x' is not a whole number", "--seed '1.5' is not", "top-p 0 is no share", "top-p chooses"]),
        (("--prompt", "a", "--temperature", "warm"), 2, ["--temperature 'warm' is not a number"]),
        (("--prompt", "", "x" * 300), 1, ["prompt 1 is empty", "prompt 2 has 300 tokens"]),
        (("--prompt", "a", "--max-new-tokens", "300"), 1, ["--max-new-tokens 256, or --slide"]),
        (("--prompt", "a", "--device", "abacus"), 1, ["error[B0808]"]),
    ],
)  # fmt: skip
def test_what_is_wrong(build, capsys, monkeypatch, tmp_path, arguments, code, messages):
    monkeypatch.chdir(tmp_path)
    assert run(build, *arguments) == code
    shown = capsys.readouterr().err
    assert all(message in shown for message in messages), shown
    assert "= help: " in shown


def test_files_that_are_no_prompts(build, capsys, tmp_path):
    (tmp_path / "p.txt").write_bytes(b"ab\xff")
    (tmp_path / "p.jsonl").write_text('{"text": "a"}\nnothing\n{"prompt": 3}\n')
    (tmp_path / "empty.jsonl").write_text("\n")
    for name, messages in (
        ("p.txt", ["p.txt is not UTF-8: byte 2 is 0xff"]),
        ("p.jsonl", ["line 1: no key `prompt`", "line 2: Expecting value", "line 3: the prompt is no text"]),
        ("empty.jsonl", ["has no prompts"]),
    ):
        assert run(build, "--file", tmp_path / name) == 1
        shown = capsys.readouterr().err
        assert all(message in shown for message in messages), shown
        assert shown.count("error[B1708]") == len(messages)


def test_folders_that_cannot_speak(tmp_path, capsys):
    assert run(tmp_path / "none", "--prompt", "a") == 1
    assert "error[B0801]: there is no folder" in capsys.readouterr().err
    assert main(["build", "mistral-tiny", "-o", str(tmp_path / "mute")]) == 0
    assert run(tmp_path / "mute", "--prompt", "a") == 1
    assert "has no tokenizer" in capsys.readouterr().err


def test_an_exported_checkpoint_says_the_same(build, tmp_path, capsys):
    assert main(["export", str(build), "--to", "hf", "-o", str(tmp_path / "hf")]) == 0
    capsys.readouterr()
    shown = []
    for folder in (build, tmp_path / "hf"):
        assert run(folder, "--prompt", "To be", "--max-new-tokens", 30, "--temperature", 0) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]


def test_on_a_terminal_nothing_moves_the_cursor(build):
    """A model that has learnt nothing writes control characters, which are spelled out there and only there."""
    from blocks_generate.pieces import Piece
    from blocks_generate.printer import Printer

    leader, follower = pty.openpty()
    pieces = [Piece(0, 0, (1,), "a\x1b[2J\r\u202e\u2028é\n\t"), Piece(0, 0, (2,), "b", "length")]
    with os.fdopen(follower, "w", encoding="utf-8") as terminal:
        printer = Printer(terminal, ["x"], 1)
        for piece in pieces:
            printer.add(piece)
        shown = b""
        while not shown.endswith(b"b\r\n"):
            shown += os.read(leader, 1000)
    os.close(leader)
    assert shown.decode() == "a\\x1b[2J\\r\\u202e\\u2028é\r\n\tb\r\n"
    plain = io.StringIO()
    printer = Printer(plain, ["x"], 1)
    for piece in pieces:
        printer.add(piece)
    assert plain.getvalue() == "a\x1b[2J\r\u202e\u2028é\n\tb\n"


def test_an_interrupted_text_ends_its_line(build, capsys, monkeypatch):
    from blocks_generate.printer import Printer

    add = Printer.add
    left = iter(range(4))

    def interrupted(self, piece):
        add(self, piece)
        if next(left, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(Printer, "add", interrupted)
    assert run(build, "--prompt", "hi", "To be", "--temperature", 0, "--max-new-tokens", 30) == 130
    captured = capsys.readouterr()
    model, coder = blocks.from_pretrained(build), blocks.open_tokenizer(build)
    pieces = list(generate(model, coder, ["hi", "To be"], temperature=0, max_new_tokens=30))[:5]
    first, second = ("".join(piece.text for piece in pieces if piece.prompt == number) for number in (0, 1))
    assert captured.out == f"--- prompt 1\n{first}\n--- prompt 2\n{second}\n"
    assert "interrupted" in captured.err


def test_help_and_wrong_usage_import_no_torch(tmp_path):
    code = (
        "import sys\nfrom blocks.cli import main\n"
        "print(main(['generate', '--help']), main(['generate', 'x', '--prompt', 'a', '--top-p', '7']),"
        " 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 2 False"
