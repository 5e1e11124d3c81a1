"""Which files a name stands for, and what is said of one that stands for none."""

from pathlib import Path

import pytest

from blocks import BuildError
from blocks_train.data import find
from blocks_train.data.sources import Dataset, File


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in (
        "b.txt",
        "a.txt",
        "deep/c.jsonl",
        "deep/d.parquet",
        "e.TXT.gz",
        "f.py",
        ".hidden/g.txt",
        "h",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(found):
    return [(source.path.as_posix(), source.format, source.gzip) for source in found]


def test_a_file_is_text_unless_its_suffix_says_otherwise(folder):
    assert names(find(["f.py", Path("h"), "deep/c.jsonl", "deep/d.parquet", "e.TXT.gz"])) == [
        ("f.py", "text", False),
        ("h", "text", False),
        ("deep/c.jsonl", "jsonl", False),
        ("deep/d.parquet", "parquet", False),
        ("e.TXT.gz", "text", True),
    ]


def test_of_a_folder_known_suffixes_are_read_in_order(folder):
    assert [Path(name).name for name, *_ in names(find([folder]))] == [
        "a.txt", "b.txt", "c.jsonl", "d.parquet", "e.TXT.gz",
    ]  # fmt: skip


def test_a_glob_takes_any_file_and_each_comes_once(folder):
    assert [name for name, *_ in names(find(["f.*", "*.txt", "b.txt", "**/*.jsonl"]))] == [
        "f.py", "a.txt", "b.txt", "deep/c.jsonl",
    ]  # fmt: skip
    assert find([str(folder / "*.py")]) == (File(folder / "f.py", "text"),)


def test_a_file_may_be_called_like_a_glob(folder):
    Path("[1].txt").write_text("x")
    assert find(["[1].txt"]) == (File(Path("[1].txt"), "text"),)


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("hf:wikitext", Dataset("wikitext")),
        ("hf:a/b:en", Dataset("a/b", "en")),
        ("hf:a/b:en@main#validation", Dataset("a/b", "en", "main", "validation")),
        ("hf:a/b#train[:1000]", Dataset("a/b", take=1000)),
        ("hf:./local", Dataset("./local")),
    ],
)
def test_names_of_datasets(name, dataset):
    assert find([name]) == (dataset,)
    assert find([str(dataset)]) == (dataset,)


def test_everything_that_leads_nowhere_is_said_at_once(folder):
    Path("empty").mkdir()
    with pytest.raises(BuildError) as caught:
        find(["a.txt", "c.txt", "empty", "*.csv", "hf:a#b#c", "n" * 300, "/dev/null"])
    assert [(d.code, d.message, d.help) for d in caught.value.diagnostics] == [
        ("B0801", "no file c.txt", "did you mean a.txt?"),
        (
            "B0802",
            f"'{'n' * 300}' cannot be read: File name too long",
            "name a file that can be",
        ),
        ("B0802", "/dev/null is neither a file nor a folder", "name a file"),
        (
            "B1401",
            "'hf:a#b#c' names no dataset",
            "hf:NAME, hf:NAME:CONFIG@REVISION#SPLIT, hf:NAME#train[:1000]",
        ),
        ("B1401", "*.csv: nothing matches it", KNOWN),
        ("B1401", "empty: no file of it is data", KNOWN),
    ]


KNOWN = "of a folder, .txt, .text, .md, .jsonl, .ndjson, .json, .parquet are read, .gz too; a glob takes any"


def test_nothing_named():
    with pytest.raises(BuildError, match="no data is named"):
        find([])
