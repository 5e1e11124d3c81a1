"""Reading: exact places, bounds, files, and what is refused, quickly."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.diagnostics import RecipeError, Span
from blocks.reader import MAX_BYTES, read, read_file

ROOT = Path(__file__).resolve().parents[2]
Only = Callable[[str | bytes], tuple[str, str, Span | None]]
Refused = Callable[[str | bytes], RecipeError]
RECIPE = """\
# a comment
recipe: tiny   # the name
d_model: 512
blocks:
  attention: {mixer: multi_head, n_heads: 12}
  "ffn": {mixer: mlp,
    d_ff: '4 * d_model'}
layers:
  - 3 x [a, b]
  - [x,  y]
  - deep:
      er: 1
last:
"""


def test_a_whole_recipe() -> None:
    assert read(RECIPE).value == {
        "recipe": "tiny",
        "d_model": 512,
        "blocks": {
            "attention": {"mixer": "multi_head", "n_heads": 12},
            "ffn": {"mixer": "mlp", "d_ff": "4 * d_model"},
        },
        "layers": ["3 x [a, b]", ["x", "y"], {"deep": {"er": 1}}],
        "last": None,
    }


@pytest.mark.parametrize(
    ("path", "key", "shown"),
    [
        (("recipe",), False, "tiny"), (("recipe",), True, "recipe"), (("d_model",), False, "512"),
        (("blocks", "attention"), True, "attention"), (("blocks", "attention", "n_heads"), False, "12"),
        (("blocks", "attention"), False, "{mixer: multi_head, n_heads: 12}"),
        (("blocks", "ffn"), True, '"ffn"'),
        (("blocks", "ffn"), False, "{mixer: mlp"), (("blocks", "ffn", "d_ff"), False, "'4 * d_model'"),
        (("layers", 0), False, "3 x [a, b]"), (("layers", 1), False, "[x,  y]"),
        (("layers", 1, 1), False, "y"),
        (("layers", 2), False, "deep"), (("layers", 2, "deep", "er"), False, "1"),
        (("blocks", "attention", "missing"), False, "{mixer: multi_head, n_heads: 12}"),
        (("blocks", "attention", "missing"), True, "attention"), (("nowhere", 3), False, "recipe: tiny"),
        ((), False, "recipe: tiny"), (("d_model", "inside", 0), False, "512"),
        (("layers", 9), True, "layers"),
    ],
)  # fmt: skip
def test_places(path: tuple[str | int, ...], key: bool, shown: str) -> None:
    span = read(RECIPE).span(path, key=key)
    line = RECIPE.split("\n")[span.line - 1]
    assert line[span.column - 1 : span.end_column - 1] == shown


def test_places_count_characters_not_bytes() -> None:
    document = read("日本: [é, {b: 💥 , c: x}]")
    assert document.span(("日本", 1, "c")) == Span(1, 20, 21)
    assert read("\ufeffa: 1").span(("a",)) == Span(1, 4, 5)
    assert read("a: 1\r\nb: 2\rc: 3").span(("c",)) == Span(3, 4, 5)


def test_an_empty_value_has_a_place() -> None:
    assert read("last:").span(("last",)).line == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("k: 4 * dim", "dim"),
        ("k: '4 * dim'", "dim"),
        ('k: "4 * dim"', "dim"),
        ('k: "4 \\x2a dim"', '"4 \\x2a dim"'),
    ],
)
def test_places_inside_a_string(text: str, shown: str) -> None:
    span = read(text).within(("k",), 4, 7)
    assert text[span.column - 1 : span.end_column - 1] == shown


def test_within_of_something_else_is_the_whole() -> None:
    assert read("k: 5").within(("k",), 0, 1) == Span(1, 4, 5)
    assert read("k: [5]").within(("k", 7), 0, 1) == Span(1, 4, 7)


@pytest.mark.parametrize(
    ("text", "code", "words", "place"),
    [
        ("a: \x00", "B0104", "U+0000", (1, 4)),
        ("a: '\ud800'", "B0104", "U+D800", (1, 5)),
        ("a: \x85b", "B0104", "U+0085", (1, 4)),
        ("a: b\ufeff", "B0104", "U+FEFF", (1, 5)),
        (b"\xc3\xa9: \xff", "B0101", "0xff", (1, 4)),
        ("recipe: x".encode("utf-16"), "B0101", "not UTF-8", (1, 1)),
    ],
)  # fmt: skip
def test_refused(text: str | bytes, code: str, words: str, place: tuple[int, int], only: Only) -> None:
    found, message, span = only(text)
    assert found == code
    assert words in message
    assert span is not None
    assert (span.line, span.column) == place


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "   \n"])
def test_nothing_there(text: str, only: Only) -> None:
    assert only(text)[0] == "B0111"


def test_everything_is_reported_at_once(refused: Refused) -> None:
    error = refused("a: &x 1\nb: *x\na: 2\n3: 4\nc: .nan\nd: [1, 2\n")
    assert [d.code for d in error.diagnostics] == ["B0105", "B0105", "B0106", "B0107", "B0110", "B0112"]
    assert [note.span for note in error.diagnostics[2].notes] == [Span(1, 1, 2)]


def test_problems_found_later_stand_in_the_same_text() -> None:
    problems = read("a: 1", "r.yaml").problems()
    problems.add("B0201", "no", at=Span(1, 1, 2))
    with pytest.raises(RecipeError, match=r"r\.yaml:1:1\n1 \| a: 1"):
        problems.raise_if_any()


def test_the_bounds_themselves_are_allowed(only: Only) -> None:
    assert read("a: '" + "x" * (MAX_BYTES - 5) + "'").value
    assert only("a: '" + "x" * (MAX_BYTES - 4) + "'")[0] == "B0109"
    assert only("é" * (MAX_BYTES // 2 + 1))[0] == "B0109"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000, "{a: " * 100_000, "- " * 100_000, "? " * 100_000, "[\n" * 100_000, "[?" * 100_000,
        "a: " + "9" * 10**6, "a: 0x" + "f" * 10**6, "a: 1e" + "9" * 10**6, "\x00" * 10**6,
        "a: '" + "\n" * 10**6,
        "a: 1\n" * 100_000, "- !a b\n" * 100_000, "- &a b\n- *a\n" * 50_000, "x: " * 100_000,
        "#\n" * 500_000 + "]",
        b"\xff" * 10**6, "a: " + "0" * 10**6, "- .nan\n" * 90_000,
    ],
)  # fmt: skip
def test_hostile_texts_are_refused_at_once(text: str | bytes, refused: Refused) -> None:
    start = time.perf_counter()
    refused(text)
    assert time.perf_counter() - start < 1.5


def test_read_file(tmp_path: Path) -> None:
    path = tmp_path / "hybrid.yaml"
    path.write_text("recipe: hybrid\n", encoding="utf-8")
    document = read_file(path)
    assert document.file == str(path)
    assert document.value == {"recipe": "hybrid"}
    assert document.sources == {str(path): "recipe: hybrid\n"}
    assert read_file(str(path)).value == document.value


@pytest.mark.parametrize(
    ("name", "code", "help"),
    [
        ("hybird.yaml", "B0801", "did you mean {}/hybrid.yaml?"),
        ("hybrid", "B0801", "did you mean {}/hybrid.yaml?"),
        ("other/x.yaml", "B0801", "there is no folder {}/other either"),
        (".", "B0802", "name a .yaml file in it"),
        ("nul\0.yaml", "B0802", None),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, code: str, help: str | None) -> None:
    (tmp_path / "hybrid.yaml").write_text("recipe: hybrid\n", encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        read_file(tmp_path / name)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert diagnostic.help == (help and help.format(tmp_path))


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as stream:
        stream.truncate(10**12)
    with pytest.raises(RecipeError, match="larger than 1024 KiB"):
        read_file(path)


def test_without_libyaml_it_reads_the_same() -> None:
    program = (
        "import sys, yaml\n"
        "if hasattr(yaml, 'CSafeLoader'): del yaml.CSafeLoader\n"
        "from blocks.diagnostics import RecipeError\n"
        "from blocks.reader import read\n"
        "document = read(sys.argv[1])\n"
        "print(document.value)\n"
        "print(document.span(('blocks', 'attention', 'n_heads')), document.span(('blocks', 'ffn')))\n"
        "for text in ('[' * 100_000, 'a: [1', 'a:\\n\\tb: 1', 'a b\\nc: 1',"
        "        'a: 1\\na: 2', 'a: 1\\n---\\nb'):\n"
        "    try: read(text)\n"
        "    except RecipeError as error: print(*(d.code for d in error.diagnostics))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, RECIPE],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    document = read(RECIPE)
    assert run.stdout.splitlines() == [
        str(document.value),
        f"{document.span(('blocks', 'attention', 'n_heads'))} {document.span(('blocks', 'ffn'))}",
        "B0109", "B0112", "B0103", "B0102", "B0106", "B0108",
    ]  # fmt: skip


@given(
    st.one_of(
        st.text(max_size=80),
        st.text(alphabet=" \n\t\r:-?[]{},#&*!|>'\"%@`<~ab01.ex_é\ufeff", max_size=80),
        st.binary(max_size=40),
    )
)
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    refusal: RecipeError | None = None
    try:
        assert read(text).span(()).line >= 1
    except RecipeError as error:
        refusal = error
    if refusal is not None:
        assert "error[B01" in str(refusal)
        lines = len(next(iter(refusal.sources.values()), "").splitlines()) + 1
        assert all(d.span is None or 1 <= d.span.line <= lines for d in refusal.diagnostics)


def test_a_pipe_or_a_device_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(RecipeError) as caught:
            read_file(path)
        (found,) = caught.value.diagnostics
        assert (found.code, found.message) == ("B0802", f"{path} is not a file")


def test_what_the_caller_opened_is_read() -> None:
    out, into = os.pipe()
    os.write(into, b"recipe: r\n")
    os.close(into)
    assert read_file(f"/dev/fd/{out}").value == {"recipe": "r"}
    os.close(out)
