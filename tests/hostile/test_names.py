"""Names and texts that mean harm are refused, or drawn, printed and written out harmlessly."""

import ast
import re
import unicodedata
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from places import NAMES, text_of, texts

import blocks
from blocks import BlocksError
from blocks.cli import main

pytest.importorskip("pygraphviz")


@pytest.fixture(params=NAMES)
def name(request):
    return NAMES[request.param]


@pytest.fixture(params=texts("x"))
def written(request, name, tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(text_of(texts(name)[request.param]), encoding="utf-8")
    return path


def harmless(text):
    """Whether a text has no characters that change what a terminal or a reader sees."""
    return all(char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cs") for char in text)


def test_refused_or_drawn_harmlessly(written, tmp_path, capsys):
    svg, dot, source = (tmp_path / f"out.{kind}" for kind in ("svg", "dot", "py"))
    code = main(["check", str(written)])
    assert main(["show", str(written)]) == code
    assert code or main(["cost", str(written)]) == 0
    said = capsys.readouterr()
    assert harmless(said.out)
    assert harmless(said.err)
    if code:
        assert re.search(rf"--> {re.escape(str(written))}:\d+:\d+", said.err)
        return
    assert main(["draw", str(written), "-o", str(svg)]) == 0
    assert main(["draw", str(written), "-o", str(dot), "--inside"]) == 0
    assert main(["eject", str(written), "-o", str(source)]) == 0
    check_picture(svg)
    assert harmless(svg.read_text(encoding="utf-8"))
    tree = ast.parse(source.read_text(encoding="utf-8"))
    assert "os" not in {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    assert harmless(source.read_text(encoding="utf-8"))


def check_picture(path: Path) -> None:
    """Nothing in it runs, and nothing leads anywhere."""
    for element in ET.parse(path).iter():
        kind = element.tag.rpartition("}")[2].lower()
        assert kind in {"svg", "g", "a", "title", "text", "path", "polygon", "polyline", "ellipse", "defs",
                        "lineargradient", "radialgradient", "stop"}  # fmt: skip
        for key, value in element.attrib.items():
            key = key.rpartition("}")[2].lower()
            assert not key.startswith("on")
            assert key not in ("href", "src", "style") or not re.search(
                r"script|data:|url\(|^//", value, re.I
            )


def test_a_page_for_a_notebook_is_escaped(written):
    try:
        page = blocks.load(written).plan()._repr_html_()
    except BlocksError:
        return
    assert not re.search(r"<(?!/?(table|caption|thead|tbody|tr|th|td|p|code|small)\b)", page)
