"""Recipes with mistakes: a good one, changed here and there as text, as tokens, as YAML, or by the language's keys.

`mutated(random, seeds)` makes one and what `--set` changes of it; `attempt(text, set, registry)` reads, plans and,
where that is quick, compiles it.
Nothing but BlocksError may come out of that. The tests and benchmarks/fuzz_recipes.py share this file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import fluent

import blocks
from blocks import BlocksError, Registry
from blocks_compiler import compile_plan

RECIPES = Path(__file__).parents[2] / "recipes"
MAX_LAYERS = 40  # blocks of a recipe that is compiled after it was planned

RICH = """\
recipe: rich
about: "Everything: a little of it"
d_model: 8 * width
vocab_size: 1k
let: {width: 16, heads: 4, ratio: 2.5, depth_of: 6}
tokenizer: byte
blocks:
  attention: {mixer: multi_head, n_heads: heads, n_kv_heads: 2, position: {rope: {theta: 10000}}}
  local: {mixer: multi_head, n_heads: 2, position: alibi, window: 128}
  ffn:
    mixer: gated_mlp
    d_ff: round_up(ratio * d_model, 32)
    activation: geglu
    norm: {layernorm: {eps: 1e-6}}
    residual: post
  mamba2: {mixer: mamba2, n_heads: 4, head_dim: 64, d_state: 16}
  both: {parallel: [attention, mamba2], join: mean, out_norm: rmsnorm, scale: 0.5, layer_scale: 1e-4}
  shared: {mixer: multi_head, n_heads: 4, share: true, adapter: {low_rank: {rank: 8}}}
  later:
    {mixer: multi_head, n_heads: 4, n_kv_heads: 2, position: rope, kv_from: "attention[-1]", residual: sandwich,
     alpha: deepnorm}
model:
  - embed: {tokens: {}}
  - position: {learned: {max_len: 512}}
  - stack:
      name: first
      depth: depth_of * 2
      interleave: [mamba2, ffn]
      scatter: {attention: 17%, before: ffn}
      norm: rmsnorm
      residual: pre
      override: {"attention[-1]": {n_kv_heads: 1}, "first[0:2]": {norm: none}, ffn: {mixer: mlp}}
  - stack: {name: second, layers: [2 x [attention, ffn], attention, "3 x [mamba2]"]}
  - stack: {name: third, pattern: "M-M*-", symbols: {M: mamba2, "-": ffn, "*": attention}}
  - stack: {name: fourth, depth: 5, cycle: [attention, both, shared, later, local]}
  - norm: rmsnorm
  - head: {lm: {tied: true}}
"""
STREAMS = """\
recipe: two-streams
d_model: 64
vocab_size: 100
blocks:
  reads: {mixer: multi_head, n_heads: 4, mask: bidirectional}
  writes: {mixer: multi_head, n_heads: 4}
  crosses: {mixer: multi_head, n_heads: 4, memory: encoder}
  ffn: {mixer: mlp, activation: relu}
model:
  encoder:
    - embed: {tokens: {share: vocabulary}}
    - position: sinusoidal
    - stack: {depth: 4, interleave: [reads, ffn], residual: post, norm: layernorm}
  decoder:
    - embed: {tokens: {share: vocabulary}}
    - position: sinusoidal
    - stack: {depth: 6, interleave: [writes, crosses, ffn], residual: post, norm: layernorm}
    - heads: {next: lm, other: {lm: {tied: false}}}
"""
SENTENCES = (
    "recipe: said\nd_model: 128\ndepth: 13\nvocab_size: 100\n"
    "model: 8% attention with 4 heads and window of 64, interleaved Mamba-2 and SwiGLU FFN, pre-norm, RoPE, tied "
    "embeddings\n",
    "extends: gpt2-tiny\nrecipe: child\nd_model: 96\n"
    "blocks: {attention: {n_heads: 2, norm: null, position: {rope: {theta: 1}}}}\n",
)

_NUMBERS = """
0 1 -1 2 3 7 10 64 512 1000 99999 100001 2147483648 9223372036854775808 1000000000000 1e5 1e-5 1e400 0.5 -0.0 .5 1.5
010 0x10 0o7 1_000 32k 8B 1T 8% 100% 101% -1% 12.5% .inf .nan 9**9 1/3 3/0 2**64 1e18 999999999999999999999
"""
_WORDS = """
null ~ true false yes no none '' "" [] {} [[]] {a:1} - ? : * & ! | > % @ ` # , x 3x 3×[ a[-1] layers layers[0:4]
attention[9] ffn[:] d_model d_model/0 min() max(1,) round_up(1) sqrt(2) ((( ))) ** // <<: &a *a !!python/name:x
mlp mamba mamba2 multi_head gated_mlp rmsnorm layernorm rope alibi learned sinusoidal tokens lm byte pre post
sandwich relu2 silu share kv_from memory parallel join extends residual norm symbols pattern cycle interleave
scatter before override depth name model blocks recipe embed stack head heads position let tokenizer plugins
__class__ self forward class \\0 \\ud800 é 中 \U0001f4a9
"""
NUMBERS = tuple(_NUMBERS.split())
WORDS = (*_WORDS.split(), "", " ", "{a: 1}", "\u202e", "\x00", "\x1b", "\ufeff", "\xa0", "\u2028")
_TOKEN = re.compile(r"[A-Za-z_][\w-]*|\d[\d.]*|\s+|.", re.DOTALL)
_LINES = re.compile(r"(?<=\n)")


def seeds() -> list[str]:
    """Good recipes: all published ones, and some written to have everything."""
    published = [path.read_text(encoding="utf-8") for path in sorted(RECIPES.rglob("*.yaml"))]
    return [*published, *[RICH, STREAMS] * 4, *SENTENCES * 4]


def mutated(random: Random, seeds: Sequence[str]) -> tuple[str, list[str]]:
    """A recipe with up to six changes, and settings for some."""
    text = random.choice(seeds)
    settings = fluent.settings(random, text) if random.random() < 0.15 else []
    for _ in range(random.choice((1, 1, 1, 1, 2, 3, 6))):
        change = random.choices(list(_CHANGES), list(_CHANGES.values()))[0]
        text = change(random, text, seeds)
    return text, settings


def attempt(text: str, settings: Sequence[str], registry: Registry) -> str:
    """What comes of a text: `compiled`, `planned`, or the code of the first thing that is wrong with it.

    Raises whatever is not the project's own; a refusal is drawn, and says where it is.
    """
    try:
        plan = blocks.load(text if "\n" in text else text + "\n", set=settings).plan(registry=registry)
        if len(plan.layers) > MAX_LAYERS:
            return "planned"
        compile_plan(plan, registry=registry, kernels="reference")
    except BlocksError as error:
        return _refused(error)
    return "compiled"


def _refused(error: BlocksError) -> str:
    """The code of a refusal, which can be drawn and written as JSON."""
    assert error.diagnostics, "a refusal without a reason"
    assert all(found.code != "B0900" for found in error.diagnostics)
    assert str(error)
    json.dumps([found.as_json() for found in error.diagnostics])
    return error.diagnostics[0].code


# Changes ----------------------------------------------------------------------------------------------------------


def _anything(random: Random, seeds: Sequence[str]) -> str:
    kind = random.randrange(4)
    if kind == 0:
        return random.choice(NUMBERS)
    if kind == 1:
        return random.choice(WORDS)
    tokens = _TOKEN.findall(random.choice(seeds))
    start = random.randrange(len(tokens))
    return "".join(tokens[start : start + random.randrange(1, 5)])


def _text(random: Random, text: str, seeds: Sequence[str]) -> str:
    """Some characters are lost, doubled, moved, or replaced."""
    start = random.randrange(len(text) + 1)
    end = min(len(text), start + random.choice((0, 1, 1, 2, 10, 100)))
    match random.randrange(5):
        case 0:
            return text[:start] + text[end:]
        case 1:
            return text[:end] + text[start:]
        case 2:
            return text[:start] + _anything(random, seeds) + text[end:]
        case 3:
            at = random.randrange(len(text) + 1)
            return text[:at] + text[start:end] + text[at:]
    return text[:start]


def _lines(random: Random, text: str, seeds: Sequence[str]) -> str:
    """A line is lost, doubled, moved, indented, or taken from elsewhere."""
    lines = _LINES.split(text)
    at = random.randrange(len(lines))
    match random.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(random.randrange(len(lines) + 1), lines[at])
        case 2:
            lines[at] = " " * random.randrange(1, 4) + lines[at]
        case 3:
            lines[at] = lines[at].lstrip(" ")
        case 4:
            lines[at] = random.choice(_LINES.split(random.choice(seeds)))
    return "".join(lines)


def _tokens(random: Random, text: str, seeds: Sequence[str]) -> str:
    """A word, number or sign is another one."""
    tokens = _TOKEN.findall(text) or [""]
    at = random.randrange(len(tokens))
    for _ in range(8):
        if not tokens[at].isspace():
            break
        at = random.randrange(len(tokens))
    match random.randrange(4):
        case 0:
            tokens[at] = random.choice(tokens)
        case 1:
            tokens[at] = random.choice(NUMBERS) if tokens[at][:1].isdigit() else random.choice(WORDS)
        case 2:
            del tokens[at]
        case 3:
            tokens[at] = _anything(random, seeds)
    return "".join(tokens)


def _tree(random: Random, text: str, seeds: Sequence[str]) -> str:
    """A key, a value or an item is lost, doubled, moved, wrapped, unwrapped, renamed, or something else."""
    root = fluent.parsed(text)
    if root is None:
        return _tokens(random, text, seeds)
    places: list[tuple[Any, Any]] = []
    pending = [root]
    while pending and len(places) < 2000:
        here = pending.pop()
        if isinstance(here, dict | list):
            keys = list(here) if isinstance(here, dict) else range(len(here))
            places += [(here, key) for key in keys]
            pending += [here[key] for key in keys]
    if not places:
        return _tokens(random, text, seeds)
    owner, key = random.choice(places)
    other, other_key = random.choice(places)
    match random.randrange(9):
        case 0:
            del owner[key]
        case 1:
            owner[key], other[other_key] = other[other_key], owner[key]
        case 2:
            owner[key] = [owner[key]] * random.randrange(0, 4)
        case 3:
            owner[key] = {random.choice(WORDS): owner[key]}
        case 4:
            owner[key] = _value(random)
        case 5:
            owner[key] = str(owner[key])
        case 6 if isinstance(owner, dict):
            owner[random.choice([*owner, *WORDS])] = owner.pop(key)
        case 7 if isinstance(owner[key], dict) and owner[key]:
            owner[key] = next(iter(owner[key].values()))
        case _:
            if isinstance(owner, dict):
                owner[random.choice(WORDS)] = _value(random)
            else:
                owner.insert(random.randrange(len(owner) + 1), _value(random))
    try:
        return json.dumps(root, ensure_ascii=random.random() < 0.5, default=str)
    except (ValueError, RecursionError, TypeError):  # a circle that a swap made, or a key that JSON has not
        return text


def _value(random: Random) -> Any:
    match random.randrange(8):
        case 0:
            return None
        case 1:
            return random.random() < 0.5
        case 2:
            return random.choice((0, 1, -1, 2, 3, 64, 10**6, 10**12, 10**30, -(10**18)))
        case 3:
            return random.choice((0.0, -0.0, 0.5, 1e-300, 1e300, -1.5, 2.0))
        case 4:
            return random.choice(NUMBERS)
        case 5:
            return [random.choice(WORDS) for _ in range(random.randrange(4))]
        case 6:
            return {random.choice(WORDS): random.choice(WORDS) for _ in range(random.randrange(3))}
    return random.choice(WORDS)


_CHANGES: dict[Callable[[Random, str, Sequence[str]], str], int] = {
    _text: 1,
    _lines: 1,
    _tokens: 2,
    _tree: 3,
    fluent.near: 5,
    fluent.grown: 7,
    fluent.child: 1,
}
"""Kinds of change, and how often each is made in twenty."""
