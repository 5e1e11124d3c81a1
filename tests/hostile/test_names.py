"""Names and texts that mean harm are refused, or drawn, printed and written out harmlessly."""

import ast
import re
import unicodedata
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

import blocks
from blocks import BlocksError
from blocks.cli import main

pytest.importorskip("pygraphviz")

NAMES = {
    "a line break": "a\nimport os",
    "a carriage return": "a\rb",
    "a turn of direction": "a\u202eb\u2066c",
    "a terminal's escape": "\x1b]0;owned\x07\x1b[2J",
    "an option": "-rf",
    "300 characters": "n" * 300,
    "a script": "<script>alert(1)</script>",
    "an image": "<img src=x onerror=alert(1)>",
    "an entity": "&lt;script&gt;&#x3c;",
    "a javascript link": "javascript:alert(1)",
    "a quote that ends an attribute": '" onmouseover="alert(1)',
    "the end of a label": ">] ; a -> b [label=<",
    "Graphviz' escapes": "\\N\\G\\L\\H",
    "the end of a docstring": '"""\nimport os\n"""',
    "the end of CDATA": "]]>",
    "a path": "../../../etc/passwd",
    "a format": "{0.__class__}%s%n$HOME`id`",
    "nothing visible": "\u200b\u200d",
    "many marks": "a" + "\u0301" * 200,
    "code": "x); __import__('os').system('id'); (",
    "code in a name": "x=__import__('os')",
    "a keyword": "class",
    "a name of Python": "self",
    "a name that ends a string": "' + str(exit()) + '",
    "a backslash": "\\\\",
    "a surrogate pair": "\U0001f4a9",
}


def texts(name):
    """Recipes with the name in one place each."""
    block = {"mixer": "mlp"}
    model = [{"embed": "tokens"}, {"stack": {"depth": 2, "cycle": ["f"]}}, {"head": "lm"}]
    plain = {"recipe": "x", "d_model": 16, "vocab_size": 10, "blocks": {"f": block}, "model": model}
    kin = {"f": block, "g": {**block, "share": name}}
    heads = [{"heads": {name: "lm", "other": {"lm": {"tied": False}}}}]
    shared = {"embed": {"tokens": {"share": name}}}
    attends = {"mixer": "multi_head", "n_heads": 2}
    pair = {"f": block, "g": attends, "r": {**attends, "memory": "a"}}
    reads, writes = ({"stack": {"depth": 2, "cycle": cycle}} for cycle in (["f"], ["g", "r"]))
    cycled = [model[0], {"stack": {"depth": 2, "cycle": [name]}}, model[2]]
    lettered = [model[0], {"stack": {"pattern": name[:1] * 4, "symbols": {name[:1]: "f"}}}, model[2]]
    return {
        "recipe": {**plain, "recipe": name},
        "about": {**plain, "about": name},
        "block": {**plain, "blocks": {name: block}, "model": cycled},
        "a branch": {
            **plain,
            "blocks": {name: block, "g": block, "f": {"parallel": [name, "g"], "join": "concat"}},
        },
        "what a block borrows from": {**plain, "blocks": {"f": {**attends, "kv_from": name}}},
        "what a block reads": {**plain, "blocks": {"f": {**attends, "memory": name}}},
        "a shared block": {**plain, "blocks": kin, "model": [model[0], {"stack": {"layers": "4 x [f, g]"}}, model[2]]},
        "a shared table": {**plain, "blocks": pair, "model": {"a": [shared, reads], "b": [shared, writes, model[2]]}},
        "a stream": {
            **plain,
            "blocks": {**pair, "r": {**attends, "memory": name}},
            "model": {name: [model[0], reads], "b": [model[0], writes, model[2]]},
        },
        "the last stream": {
            **plain, "blocks": pair, "model": {"a": [model[0], reads], name: [model[0], writes, model[2]]}
        },
        "a head": {**plain, "model": [*model[:2], *heads]},
        "a selector": {
            **plain, "model": [model[0], {"stack": {"layers": "f", "override": {name: {"scale": 2}}}}, model[2]]
        },
        "a size that is used": {**plain, "let": {name: 16}, "d_model": name},
        "an option's name": {**plain, "blocks": {"f": {**attends, "position": {name: {}}}}},
        "a norm": {**plain, "blocks": {"f": {**block, "norm": {"rmsnorm": {name: 1}}}}},
        "mixer": {**plain, "blocks": {"f": {"mixer": name}}},
        "option": {**plain, "blocks": {"f": {"mixer": "mlp", name: 1}}},
        "stack": {**plain, "model": [model[0], {"stack": {"name": name, "layers": "f"}}, model[2]]},
        "symbol": {**plain, "model": lettered},
        "size": {**plain, "let": {name: 3}},
        "expression": {**plain, "d_model": name},
        "sentence": {"recipe": "x", "d_model": 16, "vocab_size": 10, "depth": 2, "model": name},
        "tokenizer": {**plain, "tokenizer": name},
        "plugin": {**plain, "plugins": {name: "1"}},
        "extends": {**plain, "extends": name},
        "key": {**plain, name: 1},
    }


@pytest.fixture(params=NAMES)
def name(request):
    return NAMES[request.param]


@pytest.fixture(params=texts("x"))
def written(request, name, tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(text_of(texts(name)[request.param]), encoding="utf-8")
    return path


class Plain(yaml.SafeDumper):
    """Writes what occurs twice twice."""

    def ignore_aliases(self, data):
        return True


def text_of(recipe):
    """The recipe as YAML, with escapes for whatever is not ASCII."""
    return yaml.dump(recipe, Dumper=Plain, allow_unicode=False, sort_keys=False)


def harmless(text):
    """Whether a text has no characters that change what a terminal or a reader sees."""
    return all(char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cs") for char in text)


def test_refused_or_drawn_harmlessly(written, tmp_path, capsys):
    svg, dot, source = (tmp_path / f"out.{kind}" for kind in ("svg", "dot", "py"))
    code = main(["check", str(written)])
    assert main(["show", str(written)]) == code
    assert main(["cost", str(written)]) == code
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
