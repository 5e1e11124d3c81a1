"""Tokenised once, whatever happens meanwhile: kills, other processes, a full disk, damage, mistakes in the data."""

import errno
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from blocks import BuildError
from blocks_train.data import Text, prepare, prepare_table, texts


def codes(error: BuildError) -> list[tuple]:
    return [
        (d.code, Path(d.file or "").name, d.span and (d.span.line, d.span.column)) for d in error.diagnostics
    ]


@pytest.fixture
def write(tmp_path):
    def make(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return make


def documents(corpus):
    return [corpus.coder.decode(corpus.document(index).tolist()) for index in range(len(corpus))]


# What is read ---------------------------------------------------------------------------------------------------------


def test_text_files_are_documents_in_order_of_their_names(write, tmp_path, cache, bytewise):
    write("texts/b.txt", "zwei")
    write("texts/a.txt.gz", gzip.compress("één".encode()))
    corpus = prepare([tmp_path / "texts"], bytewise, cache)
    assert documents(corpus) == ["één\0", "zwei\0"]
    assert corpus.tokens.dtype == np.uint16
    assert corpus.sizes.tolist() == [5, 4]
    assert corpus.bytes == 9


def test_no_token_is_put_after_documents_where_there_is_none_or_none_is_wanted(
    write, cache, letters, bytewise
):
    path = write("a.txt", "ab")
    assert prepare([path], letters, cache).tokens.tolist() == [97, 98]
    assert prepare([path], bytewise, cache, eos=False).tokens.tolist() == [97, 98]
    assert prepare([path], letters, cache).tokens.dtype == np.uint32


def test_jsonl(write, cache, letters):
    path = write("a.jsonl", '{"text": "a", "n": 1}\n\n{"n": 2, "text": "b\\nc"}\r\n{"text": ""}\n')
    assert documents(prepare([path], letters, cache)) == ["a", "b\nc", ""]
    other = write("b.json", b'\xef\xbb\xbf{"body": "x"}')
    assert documents(prepare([other], letters, cache, field="body")) == ["x"]


def test_parquet(tmp_path, cache, letters):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    found = [f"document {n}" for n in range(1000)]
    parquet.write_table(
        arrow.table({"n": range(1000), "text": found}), tmp_path / "a.parquet", row_group_size=300
    )
    assert documents(prepare([tmp_path / "a.parquet"], letters, cache)) == found


def test_a_local_dataset_is_streamed(write, tmp_path, cache, letters, monkeypatch):
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(cache / "hf"))
    folder = write(
        "set/train.jsonl", "".join(json.dumps({"text": f"{n}", "b": n}) + "\n" for n in range(5))
    ).parent
    write("set/test.jsonl", '{"text": "t", "b": 1}\n')
    assert documents(prepare([f"hf:{folder}"], letters, cache)) == ["0", "1", "2", "3", "4"]
    assert documents(prepare([f"hf:{folder}#test"], letters, cache)) == ["t"]
    assert documents(prepare([f"hf:{folder}#train[:2]"], letters, cache)) == ["0", "1"]
    write("set/test.jsonl", '{"text": "u", "b": 1}\n')
    assert documents(prepare([f"hf:{folder}#test"], letters, cache)) == ["u"]
    with pytest.raises(BuildError) as caught:
        prepare([f"hf:{folder}"], letters, cache, field="txt")
    assert [(d.code, d.help) for d in caught.value.diagnostics] == [("B1404", "did you mean 'text'?")]
    with pytest.raises(BuildError) as caught:
        prepare([f"hf:{folder}#valid"], letters, cache)
    assert [d.code for d in caught.value.diagnostics] == ["B1406"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(BuildError, match=r"cannot be read as a dataset: .* contain any data files"):
        prepare([f"hf:{tmp_path / 'empty'}"], letters, cache)


@pytest.mark.parametrize(("name", "library"), [("a.parquet", "pyarrow"), ("hf:x", "datasets")])
def test_a_library_that_is_missing_is_named(write, cache, letters, monkeypatch, name, library):
    monkeypatch.setitem(sys.modules, library, None)
    path = write(name, "x") if library == "pyarrow" else name
    with pytest.raises(BuildError) as caught:
        prepare([path], letters, cache)
    (found,) = caught.value.diagnostics
    assert (found.code, found.help) == ("B0806", "pip install 'blocks-dsl[data]'")
    assert library in found.message


def test_texts_are_those_that_are_tokenised(write):
    path = write("a.txt", "one\n\ntwo")
    assert list(texts([path], split="paragraphs")) == ["one", "two"]
    with pytest.raises(BuildError, match="not UTF-8"):
        list(texts([path, write("b.txt", b"\xff")]))
    with pytest.raises(BuildError, match="int is not a text"):
        list(texts([write("c.jsonl", '{"text": 1}')]))


def test_nothing_heavy_is_imported():
    code = (
        "import sys, blocks_train.data\n"
        "print(*{'torch', 'datasets', 'pyarrow', 'tokenizers', 'rich.progress'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# The cache ------------------------------------------------------------------------------------------------------------


class Counting:
    """A coder that counts how often it is asked."""

    def __init__(self, coder):
        self._coder, self.calls = coder, 0

    def __getattr__(self, name):
        return getattr(self._coder, name)

    def encode_batch(self, texts):
        self.calls += 1
        return self._coder.encode_batch(texts)


def test_the_same_is_tokenised_once_wherever_it_lies(write, cache, letters):
    coder = Counting(letters)
    first = prepare([write("a.txt", "text")], coder, cache)
    asked = coder.calls
    again = prepare([write("elsewhere/b.txt", "text")], coder, cache)
    assert asked == coder.calls == 1
    assert again.digest == first.digest
    assert isinstance(again.tokens, np.memmap)


@pytest.mark.parametrize("change", ["content", "order", "split", "eos", "coder", "field", "kind"])
def test_whatever_changes_the_tokens_is_another_corpus(write, cache, letters, bytewise, change):
    a, b = write("a.txt", "one\n\ntwo"), write("b.txt", "three")
    first = prepare([a, b], bytewise, cache)
    others = {
        "content": lambda: prepare([a, write("b.txt", "threE")], bytewise, cache),
        "order": lambda: prepare([b, a], bytewise, cache),
        "split": lambda: prepare([a, b], bytewise, cache, split="paragraphs"),
        "eos": lambda: prepare([a, b], bytewise, cache, eos=False),
        "coder": lambda: prepare([a, b], letters, cache),
        "field": lambda: prepare([a, b], bytewise, cache, field="body"),
        "kind": lambda: prepare([a, write("b.txt.gz", gzip.compress(b"three"))], bytewise, cache),
    }
    assert others[change]().digest != first.digest


@pytest.mark.parametrize("damage", ["cut", "gone", "meta", "folder"])
def test_what_is_damaged_is_tokenised_again(write, cache, bytewise, damage):
    path = write("a.txt", "text")
    prepare([path], bytewise, cache)
    (tokens,) = cache.glob("*/text.tokens")
    match damage:
        case "cut":
            tokens.write_bytes(b"x")
        case "gone":
            tokens.unlink()
        case "meta":
            (tokens.parent / "columns.json").write_text("{")
        case "folder":
            shutil.rmtree(tokens.parent)
    assert documents(prepare([path], bytewise, cache)) == ["text\0"]


WORKER = """
import sys, time
from pathlib import Path
from blocks import Registry
from blocks_train.data import prepare
coder = Registry.installed(plugins=False).find("tokenizer", "byte").load()().open(None)
path, cache, go = map(Path, sys.argv[1:])

class Held:
    calls = 0
    def __getattr__(self, name):
        return getattr(coder, name)
    def encode_batch(self, texts):
        Held.calls += 1
        while not go.exists():
            time.sleep(0.01)
        return coder.encode_batch(texts)

waited = False
def step(what, done, total):
    global waited
    if what.startswith("wait"):
        waited = True
        go.touch()

corpus = prepare([path], Held(), cache, split="lines", step=step)
print(Held.calls, len(corpus.tokens), waited)
"""
"""Tokenises, but not before the file `go` is there; makes it once it has to wait for another process."""


def start(*paths):
    command = [sys.executable, "-c", WORKER, *map(str, paths)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_a_fresh_folder(cache, process):
    while not list(cache.glob(".*.new-*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def test_a_second_process_waits_and_reads_what_the_first_wrote(write, tmp_path, cache):
    path = write("a.txt", "line\n" * 100)
    first = start(path, cache, tmp_path / "go")
    wait_for_a_fresh_folder(cache, first)
    second = start(path, cache, tmp_path / "go")
    for process, wanted in ((first, "1 500 False\n"), (second, "0 500 True\n")):
        assert process.communicate(timeout=60) == (wanted, "")


def test_a_kill_leaves_nothing_that_is_read_and_nothing_that_stays(write, tmp_path, cache, bytewise):
    path = write("a.txt", "line\n" * 100)
    first = start(path, cache, tmp_path / "go")
    wait_for_a_fresh_folder(cache, first)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=60)
    assert len(list(cache.glob(".*.new-*"))) == 1
    corpus = prepare([path], bytewise, cache, split="lines")
    assert len(corpus.tokens) == 500
    assert list(cache.glob(".*.new-*")) == []


def test_a_full_disk_leaves_what_was_there(write, cache, bytewise, monkeypatch):
    old = prepare([write("old.txt", "old")], bytewise, cache)

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(BuildError) as caught:
            prepare([write("new.txt", "new")], bytewise, cache)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("B0807", f"No space left on device: {cache}")
    assert [path.name for path in cache.iterdir() if path.is_dir()] == [old.digest[:32]]
    assert documents(prepare([write("new.txt", "new")], bytewise, cache)) == ["new\0"]


def test_a_write_that_fails_midway_is_told_as_such(write, cache):
    """The system's own limit on the size of a file, in a process of its own."""
    path = write("a.txt", "line of text\n" * 20_000)
    code = WORKER.replace(
        "corpus =",
        "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))\ncorpus =",
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(cache), "/"], capture_output=True, text=True, check=False
    )
    assert f"error[B0807]: File too large: {cache}" in done.stderr
    assert [entry for entry in cache.iterdir() if entry.is_dir()] == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_file(write, cache):
    """16 MB of lines and as much without a line break, whose ids would take 256 MB as a list."""
    path = write("a.txt", b"some words of a line\n" * 800_000 + b"word " * 3_200_000)
    code = WORKER.replace('split="lines", ', "") + "\nprint(Path('/proc/self/status').read_text())"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(cache), "/"], capture_output=True, text=True, check=True
    )
    peak = int(re.search(r"VmHWM:\s+(\d+)", done.stdout)[1])
    assert peak < 200_000  # kB, of which Python and numpy take some 50,000


# Mistakes -------------------------------------------------------------------------------------------------------------


def test_every_mistake_of_every_file_is_said_at_once(write, cache, letters):
    good = write("a.txt", "fine")
    latin = write("b.txt", "one\ntwo é".encode("latin-1"))
    lines = write(
        "c.jsonl",
        '{"text": "a"}\n{"text": "b"\n[1]\n{"txt": "c"}\n{"text": 7}\n{"text": "\\ud800"}\nnull\n'
        + "[" * 100_000 + "\n",
    )  # fmt: skip
    archive = write("d.txt.gz", gzip.compress(b"x" * 10_000)[:-20])
    with pytest.raises(BuildError) as caught:
        prepare([good, latin, lines, archive], letters, cache)
    assert codes(caught.value) == [
        ("B1402", "b.txt", (2, 5)),
        ("B1403", "c.jsonl", (2, 13)),
        ("B1403", "c.jsonl", (3, 1)),
        ("B1404", "c.jsonl", (4, 1)),
        ("B1405", "c.jsonl", (5, 1)),
        ("B1405", "c.jsonl", (6, 1)),
        ("B1403", "c.jsonl", (7, 1)),
        ("B1403", "c.jsonl", (8, 1)),
        ("B1406", "d.txt.gz", None),
    ]
    messages = [d.message for d in caught.value.diagnostics]
    assert messages[2] == "not a JSON record: a list, where an object was expected"
    assert caught.value.diagnostics[3].help == "did you mean 'txt'?"
    assert messages[4] == "'text': 7 is not a text"
    assert messages[5] == "'text': half a surrogate pair at character 0 is no text"
    assert not any(path.is_dir() for path in cache.iterdir())


def test_a_field_that_no_line_has_is_said_once(write, cache, letters):
    path = write("a.jsonl", '{"txt": "a"}\n' * 1000)
    with pytest.raises(BuildError) as caught:
        prepare([path], letters, cache)
    assert codes(caught.value) == [("B1404", "a.jsonl", (1, 1))]


def test_damaged_parquet(write, tmp_path, cache, letters):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"txt": ["a", None]}), tmp_path / "good.parquet")
    with pytest.raises(BuildError) as caught:
        prepare([write("a.parquet", "no parquet"), tmp_path / "good.parquet"], letters, cache)
    assert codes(caught.value) == [("B1406", "a.parquet", None), ("B1404", "good.parquet", None)]
    with pytest.raises(BuildError, match="record 2: 'txt': null is not a text"):
        prepare([tmp_path / "good.parquet"], letters, cache, field="txt")


def test_files_that_may_not_be_read(write, cache, letters, monkeypatch):
    path = write("a.txt", "x")
    real = Path.open

    def closed(self, *args, **kwargs):
        if self == path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(BuildError) as caught:
        prepare([path], letters, cache)
    assert [(d.code, d.message) for d in caught.value.diagnostics] == [
        ("B0802", "it cannot be read: Permission denied")
    ]


def test_nothing_to_learn_from(write, cache, letters):
    with pytest.raises(BuildError) as caught:
        prepare([write("a.txt", " \n"), write("b.jsonl", "\n")], letters, cache)
    (found,) = caught.value.diagnostics
    assert found.code == "B1410"
    assert found.message.startswith("no documents in ")


def test_an_id_beyond_the_vocabulary_is_the_tokenizers_mistake(write, cache, letters):
    class Small:
        vocab_size = 100

        def __getattr__(self, name):
            return getattr(letters, name)

    with pytest.raises(BuildError) as caught:
        prepare([write("a.txt", "dz")], Small(), cache)
    assert [(d.code, d.message) for d in caught.value.diagnostics] == [
        ("B1409", "the tokenizer gave the id 122, and says that it has 100 of them")
    ]


def test_text_has_one_field(write, cache, letters):
    columns = {"source": Text(letters), "target": Text(letters)}
    with pytest.raises(BuildError) as caught:
        prepare_table([write("a.txt", "x")], columns, cache)
    (found,) = caught.value.diagnostics
    assert (found.code, found.help) == ("B1404", "name the files of each: source=FILE target=FILE")


def test_progress_is_told_in_bytes_of_the_files(write, cache, letters):
    told = []
    path = write("a.txt", "x" * 1000)
    prepare([path], letters, cache, step=lambda *what: told.append(what))
    assert told == [("compare with what is tokenised", 1000, 1000), ("tokenise", 1000, 1000)]
