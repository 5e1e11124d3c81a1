"""Names and texts that mean harm, and recipes that have them in one place each."""

from __future__ import annotations

from typing import Any

import yaml

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


def texts(name: str) -> dict[str, dict[str, Any]]:
    """Recipes with the name in one place each."""
    block: dict[str, Any] = {"mixer": "mlp"}
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
        "a shared block": {
            **plain,
            "blocks": kin,
            "model": [model[0], {"stack": {"layers": "4 x [f, g]"}}, model[2]],
        },
        "a shared table": {
            **plain,
            "blocks": pair,
            "model": {"a": [shared, reads], "b": [shared, writes, model[2]]},
        },
        "a stream": {
            **plain,
            "blocks": {**pair, "r": {**attends, "memory": name}},
            "model": {name: [model[0], reads], "b": [model[0], writes, model[2]]},
        },
        "the last stream": {
            **plain,
            "blocks": pair,
            "model": {"a": [model[0], reads], name: [model[0], writes, model[2]]},
        },
        "a head": {**plain, "model": [*model[:2], *heads]},
        "a selector": {
            **plain,
            "model": [model[0], {"stack": {"layers": "f", "override": {name: {"scale": 2}}}}, model[2]],
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


class Plain(yaml.SafeDumper):
    """Writes what occurs twice twice."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def text_of(recipe: dict[str, Any]) -> str:
    """The recipe as YAML, with escapes for whatever is not ASCII."""
    return yaml.dump(recipe, Dumper=Plain, allow_unicode=False, sort_keys=False)
