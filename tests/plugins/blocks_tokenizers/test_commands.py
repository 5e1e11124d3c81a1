"""`blocks tokenizer train|encode|inspect`."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import blocks
from blocks.cli import main
from blocks_tokenizers.marking import marked, parts
from blocks_tokenizers.texts import PIECE, Texts

from .learning import TEXTS, learn, learnt


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("".join(TEXTS), encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that works; returns what it prints."""

    def printed(*arguments: str) -> str:
        assert main(["tokenizer", *arguments]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        return captured.out

    return printed


@pytest.fixture
def refused(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that is wrong; returns the error."""

    def printed(*arguments: str, code: int = 1) -> str:
        assert main(["tokenizer", *arguments]) == code
        captured = capsys.readouterr()
        assert captured.out == ""
        return captured.err

    return printed


def test_a_name_is_trained(run: Callable[..., str], here: Path) -> None:
    shown = run(
        "train", "bpe", "--data", "text.txt", "--vocab-size", "300", "--set", "pad=<pad>", "-o", "words"
    )
    coder = blocks.open_tokenizer(here / "words")
    assert shown == (
        "bpe: 300 ids from 1 file\nspecial  pad <pad> (0), eos <|endoftext|> (1)\n"
        f"digest   {coder.digest}\nwritten  words/tokenizer.json\nrecipe   tokenizer: {{file: {{path: words}}}}\n"
    )
    assert {path.name for path in (here / "words").iterdir()} == {"tokenizer.json", "tokenizer_config.json"}
    assert sorted(path.name for path in here.iterdir()) == ["text.txt", "words"]


def test_a_recipe_is_trained_as_it_says(run: Callable[..., str], here: Path) -> None:
    recipe = (
        "recipe: r\nd_model: 8\nvocab_size: 300\ntokenizer: {bpe: {split: none}}\nmodel: [{embed: tokens}]\n"
    )
    (here / "r.yaml").write_text(recipe)
    said = json.loads(run("train", "r.yaml", "--data", "text.txt", "-o", "words", "--json"))
    coder = blocks.open_tokenizer(here / "words")
    assert said == {
        "tokenizer": "bpe", "vocab_size": 300, "roles": {"eos": 0}, "digest": coder.digest, "folder": "words"
    }  # fmt: skip
    assert coder.digest == learn("bpe", 300, texts=["".join(TEXTS)], split="none").digest
    run("train", "r.yaml", "--data", "text.txt", "--vocab-size", "280", "-o", "words", "--force")
    assert blocks.open_tokenizer(here / "words").vocab_size == 280


def test_characters_need_no_number(run: Callable[..., str]) -> None:
    assert f"char: {len(set(''.join(TEXTS)))} ids" in run(
        "train", "char", "--data", "text.txt", "-o", "letters"
    )
    shown = run("train", "bpe", "--data", "text.txt", "--vocab-size", "9k", "-o", "words")
    assert "asked    9,000 ids: the text has no more that are frequent enough\n" in shown


def test_json_lines_and_compressed_files(run: Callable[..., str], here: Path) -> None:
    lines = "".join(json.dumps({"body": text}) + "\n" for text in TEXTS)
    (here / "texts.jsonl").write_text(lines)
    with gzip.open(here / "texts.jsonl.gz", "wt") as stream:
        stream.write(lines)
    for name in ("texts.jsonl", "texts.jsonl.gz"):
        run("train", "word", "--data", name, "--field", "body", "-o", "words", "--force")
        assert blocks.open_tokenizer(here / "words").digest == learnt("word", None).digest


def test_long_texts_come_in_pieces_that_begin_lines(here: Path) -> None:
    text = "a line\n\n  of a long text\r\n" * (PIECE // 10)
    (here / "long.txt").write_bytes(text.encode())
    pieces = list(Texts([here / "long.txt"]))
    assert "".join(pieces) == text
    assert len(pieces) > 1
    assert all(piece.startswith("a line") for piece in pieces)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["bpe", "--data", "text.txt"], 2, "B0805: --vocab-size 4k"),
        (
            ["bpe", "--data", "text.txt", "--vocab-size", "none"],
            2,
            "B0805: 'none' is not a positive whole number",
        ),
        (
            ["bpe", "--data", "txt", "--vocab-size", "300"],
            1,
            "B0801: there is no file txt: name a text file, or a .jsonl",
        ),
        (
            ["bpe", "--data", "text.txt", "--vocab-size", "300", "--set", "splt=gpt2"],
            1,
            "B0201: did you mean 'split'?",
        ),
        (["bpe", "--data", "text.txt", "--vocab-size", "30"], 1, "B1204: 257 or more"),
        (["byte", "--data", "text.txt"], 2, "B0805: byte needs no training"),
        (["gpt2-tiny", "--data", "text.txt"], 1, "B1201: gpt2-tiny names no tokenizer"),
        (["char", "--data", "utf16.txt"], 1, "B1207: utf16.txt is not UTF-8: invalid start byte, 0xFF"),
        (["char", "--data", "empty.txt"], 1, "B1208: nothing in the text"),
        (
            ["char", "--data", "lines.jsonl"],
            1,
            "B1207: line 2 of lines.jsonl: it has no text called 'text' … body",
        ),
        (["char", "--data", "broken.jsonl"], 1, "B1207: line 1 of broken.jsonl: it is no JSON"),
        (["char", "--data", "broken.txt.gz"], 1, "B0802: broken.txt.gz cannot be read"),
    ],
)
def test_what_cannot_be_trained(
    refused: Callable[..., str], here: Path, arguments: list[str], code: int, says: str
) -> None:
    (here / "utf16.txt").write_bytes("text".encode("utf-16"))
    (here / "empty.txt").write_text("")
    (here / "lines.jsonl").write_text('{"text": "a"}\n{"body": "b"}\n')
    (here / "broken.jsonl").write_text("{\n")
    (here / "broken.txt.gz").write_bytes(b"no gzip")
    shown = refused("train", *arguments, "-o", "words", code=code)
    for part in says.replace(" … ", ": ").split(": "):
        assert part in shown, shown
    assert not (here / "words").exists()


def test_what_is_in_the_way(run: Callable[..., str], refused: Callable[..., str], here: Path) -> None:
    arguments = ("train", "char", "--data", "text.txt", "-o")
    run(*arguments, "words")
    assert "B0803" in (shown := refused(*arguments, "words"))
    assert "add --force" in shown
    run(*arguments, "words", "--force")
    (here / "notes").mkdir()
    (here / "notes" / "important.txt").write_text("important")
    assert "is not a tokenizer's folder" in refused(*arguments, "notes", "--force")


# encode


def test_a_text_is_encoded(run: Callable[..., str], here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learnt("bpe", 300).save(here)
    (here / "r.yaml").write_text(
        "recipe: r\nd_model: 8\ntokenizer: {file: {path: tokenizer.json}}\nmodel: [{embed: tokens}]\n"
    )
    ids = learnt("bpe", 300).encode("дії")
    for source in (".", "tokenizer.json", "r.yaml"):
        assert run("encode", source, "дії") == " ".join(map(str, ids)) + "\n"
    (here / "small.txt").write_text("дії", encoding="utf-8")
    said = json.loads(run("encode", ".", "--file", "small.txt", "--json"))
    assert said["ids"] == ids
    assert said["pieces"] == [learnt("bpe", 300).piece(id) for id in ids]
    monkeypatch.setattr("sys.stdin", io.StringIO("a\n"))
    assert run("encode", "byte", "--pieces") == "     97  a\n     10  Ċ\n"


def test_what_cannot_be_encoded(refused: Callable[..., str], here: Path) -> None:
    learn("char", texts=["abc"]).save(here)
    assert "B1206" in refused("encode", ".", "abcd")
    assert "B1207" in refused("encode", "byte", "a\udc80")
    assert "two texts" in refused("encode", "byte", "a", "--file", "text.txt", code=2)
    (here / "r.yaml").write_text(
        "recipe: r\nd_model: 8\nvocab_size: 9\ntokenizer: bpe\nmodel: [{embed: tokens}]\n"
    )
    assert "B1203" in refused("encode", "r.yaml", "a")
    assert "B0801" in refused("encode", "nowhere.yaml", "a")


# inspect


def test_figures_are_those_of_the_texts(run: Callable[..., str], here: Path) -> None:
    learnt("unigram").save(here)
    said: dict[str, Any] = json.loads(run("inspect", ".", "--file", "text.txt", "--top", "3", "--json"))
    text, coder = "".join(TEXTS), learnt("unigram")
    ids = coder.encode(text)
    total = said["total"]
    assert (total["words"], total["tokens"], total["bytes"]) == (
        len(text.split()),
        len(ids),
        len(text.encode()),
    )
    assert total["fertility"] == len(ids) / len(text.split())
    assert total["bytes_per_token"] == len(text.encode()) / len(ids)
    assert (total["unknown"], total["round_trip"]) == (0, True)
    assert said["usage"] == {
        "ids": coder.vocab_size - 1, "used": len(set(ids)), "seldom": sum(ids.count(id) < 10 for id in set(ids))
    }  # fmt: skip
    lengths = {id: len(coder.decode([id])) for id in range(1, coder.vocab_size)}
    assert [len(token["text"]) for token in said["longest"]] == sorted(lengths.values(), reverse=True)[:3]
    assert [token["count"] for token in said["rarest"]] == sorted(ids.count(id) for id in set(ids))[:3]
    assert all(token["count"] == ids.count(token["id"]) for token in (*said["rarest"], *said["longest"]))


def test_a_page_shows_them(run: Callable[..., str], here: Path) -> None:
    learnt("bpe", 300).save(here)
    shown = run("inspect", ".", "--file", "text.txt")
    assert shown.startswith("300 ids; special: eos <|endoftext|> (0)\n\ntext.txt\nA│l│l│·│h")
    assert "tokens a word" in shown
    assert "ids are used (" in shown
    assert "\nrarest   " in shown
    assert "\nlongest  " in shown
    three = run("inspect", ".")
    assert all(f"\n{name} " in three for name in ("English", "Ukrainian", "Russian", "together"))
    assert "rarest" not in three


def test_what_is_lost_is_said(run: Callable[..., str], here: Path) -> None:
    learnt("word", 40).save(here)
    shown = run("inspect", ".", "--text", "All human beings are  unheard-of.")
    assert "round trip: no" in shown
    assert "%" in shown.split("unknown\n")[1]


def test_tokens_are_marked() -> None:
    byte, bpe = learnt("bpe", 257), learnt("bpe", 300)
    ids = byte.encode("aї\t文\n\u0301.")
    assert "".join(text for _, text in parts(byte, ids)) == "aї\t文\n\u0301."
    assert marked(byte, ids, color=False) == "a│ї²│⇥│文³│⏎\n◌\u0301²│."
    colored = marked(bpe, bpe.encode("<|endoftext|>до"), color=True)
    assert colored.count("\x1b[38;5;16;48;5;") == len(list(parts(bpe, bpe.encode("<|endoftext|>до"))))
    assert "48;5;203m<|endoftext|>" in colored
    assert marked(byte, byte.encode("\u202e\x07"), color=False) == "\\u202e³│\\u0007"


def test_two_texts(refused: Callable[..., str]) -> None:
    assert "two texts" in refused("inspect", "byte", "--text", "a", "--file", "text.txt", code=2)
    assert "required: ACTION" in refused(code=2)
