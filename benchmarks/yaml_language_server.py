"""Editors: is yaml-language-server, given `blocks schema`, silent on good recipes and exact on wrong ones?

    npm install yaml-language-server
    YAML_LANGUAGE_SERVER=node_modules/.bin/yaml-language-server python benchmarks/yaml_language_server.py \\
        [-o benchmarks/results/yaml_language_server.json]

Every recipe of this repository has to give no diagnostic, every wrong one a diagnostic on the line that is wrong, and
completion and hover what the schema says. The exit code is 1 where one of them fails, 2 where there is no server.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from interleave import machine
from language_server import HOW_TO_GET_IT, LanguageServer, find

from blocks import Registry
from blocks_compiler.schema import schema_text

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
GOOD = """\
recipe: small
d_model: 512
vocab_size: 32k
blocks:
  attention:
    mixer: multi_head
    n_heads: 8
    position: {rope: {theta: 10000}}
  ffn: {mixer: mlp, d_ff: 4 * d_model, activation: gelu}
model:
  - embed: tokens
  - stack:
      depth: 12
      interleave: [attention, ffn]
      norm: rmsnorm
      override:
        layers[0]: {d_ff: 1k}
  - norm: rmsnorm
  - head: {lm: {tied: true}}
"""
WRONG = {
    "unknown top key": ("d_model: 512", "d_modle: 512", 2),
    "no text for a size": ("d_model: 512", "d_model: [512]", 2),
    "not an expression": ("vocab_size: 32k", "vocab_size: 32k!", 3),
    "unknown mixer": ("mixer: multi_head", "mixer: multihead", 6),
    "option below its bound": ("n_heads: 8", "n_heads: 0", 7),
    "option of another type": ("n_heads: 8", "n_heads: 8.5", 7),
    "option of another mixer": ("n_heads: 8", "d_state: 8", 7),
    "unknown position": ("{rope: {theta", "{rop: {theta", 8),
    "unknown option in a slot": ("{theta: 10000}", "{thta: 10000}", 8),
    "two components in a slot": ("{rope: {theta: 10000}}", "{rope: {}, alibi: {}}", 8),
    "misspelt option": ("activation: gelu", "activatoin: gelu", 9),
    "unknown choice": ("activation: gelu", "activation: gellu", 9),
    "no mixer": ("{mixer: mlp, d_ff", "{d_ff", 9),
    "unknown stage": ("- embed: tokens", "- embedding: tokens", 11),
    "unknown embedding": ("- embed: tokens", "- embed: token", 11),
    "unknown stack key": ("interleave:", "interleaved:", 14),
    "text for a list": ("[attention, ffn]\n      norm", "attention\n      norm", 14),
    "unknown norm": ("norm: rmsnorm\n      override", "norm: rms\n      override", 15),
    "unknown key in an override": ("{d_ff: 1k}", "{d_fff: 1k}", 17),
    "two stages in one": ("- norm: rmsnorm\n", "- norm: rmsnorm\n    position: learned\n", 18),
    "text for true or false": ("tied: true", "tied: 'yes'", 19),
}
"""What is wrong -> the text of GOOD, what it becomes, and the line that is wrong then."""
COMPLETED = {
    "options of the mixer": (
        "    n_heads: 8\n",
        "    |\n",
        {"n_heads", "head_dim", "window", "norm", "residual"},
    ),
    "mixers": ("mixer: multi_head", "mixer: |", {"multi_head", "mamba2", "mlp"}),
    "choices": (
        "{mixer: mlp, d_ff: 4 * d_model, activation: gelu}",
        "\n    mixer: mlp\n    activation: |",
        {"relu2"},
    ),
    "norms": ("norm: rmsnorm\n      override", "norm: |\n      override", {"rmsnorm", "layernorm", "none"}),
    "stages": ("  - norm: rmsnorm\n", "  - |\n", {"norm", "head", "stack"}),
    "stack keys": ("      norm: rmsnorm\n", "      |\n", {"scatter", "cycle", "residual"}),
}
"""What is asked for -> the text of GOOD, what it becomes, and what is offered at the `|` at least."""
HOVERED = {
    "a mixer": ("multi_head", "multi|_head", "Vaswani et al. 2017"),
    "an option": ("n_heads: 8", "n_he|ads: 8", "query heads"),
    "a component in a slot": ("{rope:", "{ro|pe:", "Su et al. 2021"),
    "a stack key": ("interleave:", "interl|eave:", "blocks that take turns"),
    "a top key": ("d_model: 512", "d_mo|del: 512", "channels"),
}
"""What is pointed at -> the text of GOOD, with a `|` in it, and what is said of it."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    program = find()
    if program is None:
        print(f"yaml-language-server is not installed: {HOW_TO_GET_IT}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        schema = Path(folder) / "recipe.schema.json"
        schema.write_text(schema_text(Registry.installed(plugins=False)), encoding="utf-8")
        with LanguageServer(program, schema) as server:
            result = measured(server)
    result = {"server": version(program), "machine": machine(), **result}
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    print(text, end="")
    if args.output is not None:
        args.output.write_text(text, encoding="utf-8")
    return 1 if result["failed"] else 0


def measured(server: LanguageServer) -> dict[str, Any]:
    failed: list[str] = []
    times: list[float] = []
    good = {path.name: path.read_text(encoding="utf-8") for path in sorted(RECIPES.rglob("*.yaml"))}
    for name, text in {**good, "small.yaml": GOOD}.items():
        start = perf_counter()
        found = server.diagnostics(name, text)
        times.append(perf_counter() - start)
        failed += [f"{name}: line {d['range']['start']['line'] + 1}: {d['message']}" for d in found]
    wrong = {}
    for what, (old, new, line) in WRONG.items():
        found = server.diagnostics("wrong.yaml", changed(old, new))
        here = [d["message"] for d in found if d["range"]["start"]["line"] + 1 == line]
        wrong[what] = here[0] if here else None
        failed += [] if here else [f"{what}: nothing on line {line}, but {[d['range'] for d in found]}"]
    completed = {}
    for what, (old, new, wanted) in COMPLETED.items():
        labels = [item["label"] for item in server.completions("complete.yaml", changed(old, new))]
        completed[what] = labels
        failed += [] if wanted <= set(labels) else [f"{what}: {labels} lacks {wanted - set(labels)}"]
    hovered = {}
    for what, (old, new, said) in HOVERED.items():
        hovered[what] = server.hover("hover.yaml", changed(old, new)).partition("\n\nSource:")[0]
        failed += [] if said in hovered[what] else [f"{what}: {hovered[what]!r}"]
    return {
        "good recipes": len(times),
        "median ms a recipe, with the server's own delay": round(1e3 * median(times), 1),
        "wrong recipes": len(wrong),
        "wrong": wrong,
        "completed": completed,
        "hovered": hovered,
        "failed": failed,
    }


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) >= 1, old
    return GOOD.replace(old, new, 1)


def version(program: str) -> str:
    """The version of the server, as its package says it."""
    for folder in Path(program).resolve().parents:
        package = folder / "package.json"
        if package.is_file():
            return f"yaml-language-server {json.loads(package.read_text(encoding='utf-8'))['version']}"
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
