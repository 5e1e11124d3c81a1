"""Mistakes of somebody who knows the language: keys that exist, values of the right kind, in the wrong place.

Every change here reads YAML and writes JSON, which is YAML on one line. Most of what comes out gets past the reader.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Sequence
from functools import lru_cache
from random import Random
from typing import Any

import yaml

from blocks import Registry

ROPE = {"rope": {"theta": 500}}
AROUND: dict[str, tuple[Any, ...]] = {
    "norm": ("rmsnorm", "layernorm", "none", {"layernorm": {"eps": 1e-5}}),
    "out_norm": ("rmsnorm", "none", {"rmsnorm": {"eps": 1e-6}}),
    "residual": ("pre", "post", "sandwich", "none"),
    "scale": (0.5, 1, 0, -1, "1 / sqrt(depth)", "d_model"),
    "layer_scale": (1e-4, 1, 0, "1 / depth"),
    "alpha": ("deepnorm", 2, 0, "sqrt(depth)", -1),
}
BLOCK = AROUND | {
    "mixer": ("mlp", "multi_head", "gated_mlp", "mamba", "mamba2", "gru", "retention"),
    "parallel": ("@block, @block", "@block", "@block, @block, @block"),
    "join": ("sum", "mean", "concat"),
    "share": (True, False, "g", "vocabulary", "class", "a b"),
    "adapter": ("low_rank", {"low_rank": {"rank": 4}}, {"low_rank": {"rank": 10**6}}, "mlp"),
    "memory": ("@stream", "encoder", "decoder", "nobody"),
    "kv_from": ("@block", "@block[-1]", "@block[0]", "layers[1]", "layers[99]", "@block[-9]"),
    "mask": ("bidirectional", "causal"),
    "window": (64, 1, 0),
    "position": ("rope", "alibi", ROPE, "none", "learned", {"relative": {"n_buckets": 8, "share": "r"}}),
    "n_heads": (1, 2, 4, 8, 3),
    "n_kv_heads": (1, 2, 3),
    "d_ff": (64, "4 * d_model", 1),
    "bias": (True, False),
    "activation": ("relu", "silu", "geglu"),
}
STACK = AROUND | {
    "name": ("first", "head", "layers", "encoder"),
    "depth": (1, 2, 6, 12, "depth", 0),
    "layers": ("@block", "2 x [@block, @block], @block", "3 x @block"),
    "pattern": ("AB" * 3, "A", "ABBA"),
    "symbols": ({"A": "@block", "B": "@block"}, {"A": "@block"}),
    "interleave": (["@block"], ["@block", "@block"]),
    "cycle": (["@block"], ["@block", "@block", "@block"]),
    "scatter": ({"@block": "10%"}, {"@block": 2, "before": "@block"}, {"@block": 1}),
    "override": (
        {"@block": {"scale": 2}},
        {"@block[0]": {"norm": "none"}},
        {"layers[0:2]": {"residual": "post"}},
    ),
}
STAGES: tuple[Any, ...] = (
    {"norm": "rmsnorm"},
    {"position": "sinusoidal"},
    {"head": "lm"},
    {"head": {"lm": {"tied": True}}},
    {"heads": {"next": "lm", "other": {"classifier": {"pool": "last"}}}},
    {"heads": {"next": "lm"}},
    {"embed": "tokens"},
    {"embed": {"tokens": {"share": "vocabulary", "scale": 2}}},
    {"stack": {"layers": "@block"}},
    {"stack": {"depth": 2, "interleave": ["@block", "@block"], "residual": "none"}},
)
TOP: dict[str, tuple[Any, ...]] = {
    "d_model": (64, 60, 128, "2 * width", 1),
    "vocab_size": (10, 1000, "1k"),
    "depth": (1, 6, 24),
    "let": ({"width": 32}, {"heads": 4}, {"a": "a"}),
    "tokenizer": ("byte", "gpt2"),
    "extends": ("gpt2-tiny", "hybrid-tiny", "transformer-tiny", "gpt2", "gpt3"),
    "about": ("", "words"),
    "plugins": ({}, {"blocks": "1"}),
}


def grown(random: Random, text: str, seeds: Sequence[str]) -> str:
    """A key of the language, or a stage, is added or has another value."""
    root = _mapping(text)
    if root is None:
        return text
    blocks, stacks = list(_blocks(root)), list(_stacks(root))
    kind = random.randrange(8)
    if kind < 4 and blocks:
        _put(random, root, random.choice(blocks), BLOCK)
    elif kind < 6 and stacks:
        _put(random, root, random.choice(stacks), STACK)
    elif kind == 6 and (streams := list(_streams(root))):
        stages = random.choice(streams)
        stages.insert(random.randrange(len(stages) + 1), _filled(random, root, random.choice(STAGES)))
    else:
        _put(random, root, root, TOP)
    return _written(root, text)


def near(random: Random, text: str, seeds: Sequence[str]) -> str:
    """A value is another one of its kind."""
    root = _mapping(text)
    leaves = list(_leaves(root)) if root is not None else []
    if not leaves:
        return text
    owner, key, _ = random.choice(leaves)
    owner[key] = _alike(random, root, owner[key])
    return _written(root, text)


def child(random: Random, text: str, seeds: Sequence[str]) -> str:
    """A recipe that extends a published one and takes some keys of this one."""
    root = _mapping(text)
    if root is None:
        return text
    kept = {key: value for key, value in root.items() if random.random() < 0.3 and isinstance(key, str)}
    base = random.choice(("gpt2-tiny", "hybrid-tiny", "transformer-tiny"))
    return _written({"extends": base, "recipe": "child", **kept}, text)


def settings(random: Random, text: str) -> list[str]:
    """What `--set` could say of a recipe."""
    root = _mapping(text)
    leaves = list(_leaves(root)) if root is not None else []
    made = []
    for _ in range(random.choice((1, 1, 2)) if leaves else 0):
        owner, key, path = random.choice(leaves)
        if random.random() < 0.3:
            options = random.choice((BLOCK, STACK, TOP))
            last = random.choice(list(options))
            value, path = _filled(random, root, random.choice(options[last])), (*path[:-1], last)
        else:
            value = random.choice((_alike(random, root, owner[key]), owner[key], None))
        if random.random() < 0.2:
            path = ("stack", *path[-1:])
        made.append(".".join(map(str, path)) + "=" + json.dumps(value, default=str))
    return made


_NAMES = {entry.name: entry.kind for entry in Registry.installed().entries}


def _mapping(text: str) -> dict[Any, Any] | None:
    root = parsed(text)
    return root if isinstance(root, dict) else None


def parsed(text: str) -> Any:
    """What YAML says, to be changed; None where it says nothing."""
    return pickle.loads(_pickled(text))


@lru_cache(256)  # most texts are those that the changes begin with
def _pickled(text: str) -> bytes:
    try:
        return pickle.dumps(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, ValueError, RecursionError):
        return pickle.dumps(None)


def _written(root: Any, text: str) -> str:
    try:
        return json.dumps(root, ensure_ascii=False, default=str) + "\n"
    except (ValueError, RecursionError, TypeError):  # an alias of itself, or a key that JSON has not
        return text


def _blocks(root: dict[Any, Any]) -> Iterator[dict[Any, Any]]:
    named = root.get("blocks")
    yield from (
        block for block in (named.values() if isinstance(named, dict) else ()) if isinstance(block, dict)
    )


def _streams(root: dict[Any, Any]) -> Iterator[list[Any]]:
    model = root.get("model")
    yield from (
        stages
        for stages in (model.values() if isinstance(model, dict) else [model])
        if isinstance(stages, list)
    )


def _stacks(root: dict[Any, Any]) -> Iterator[dict[Any, Any]]:
    for stages in _streams(root):
        for stage in stages:
            if isinstance(stage, dict) and isinstance(stage.get("stack"), dict):
                yield stage["stack"]


def _leaves(value: Any) -> Iterator[tuple[Any, Any, tuple[Any, ...]]]:
    """Owner, key and path of everything that is no mapping or list."""
    pending: list[tuple[Any, tuple[Any, ...]]] = [(value, ())]
    for _ in range(2000):
        if not pending:
            return
        here, path = pending.pop()
        for key in list(here) if isinstance(here, dict) else range(len(here)):
            if isinstance(here[key], dict | list):
                pending.append((here[key], (*path, key)))
            else:
                yield here, key, (*path, key)


def _put(
    random: Random, root: dict[Any, Any], owner: dict[Any, Any], keys: dict[str, tuple[Any, ...]]
) -> None:
    key = random.choice(list(keys))
    value = _filled(random, root, random.choice(keys[key]))
    owner[key] = value.split(", ") if key == "parallel" else value


def _filled(random: Random, root: dict[Any, Any], value: Any) -> Any:
    """The value, with names that the recipe has for @block and @stream."""
    if isinstance(value, dict):
        return {_filled(random, root, key): _filled(random, root, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(random, root, inner) for inner in value]
    if isinstance(value, str):
        for mark, key in (("@block", "blocks"), ("@stream", "model")):
            names = root.get(key)
            while mark in value:
                value = value.replace(
                    mark, str(random.choice(list(names))) if isinstance(names, dict) and names else "x", 1
                )
    return value


def _alike(random: Random, root: dict[Any, Any], value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return random.choice((value + 1, value - 1, value * 2, value // 2, 1, 2, 4, 8))
    if isinstance(value, float):
        return random.choice((value * 2, value / 2, 1.0, -value))
    if isinstance(value, str):
        blocks = root.get("blocks")
        if isinstance(blocks, dict) and value in blocks:
            return random.choice(list(blocks))
        if value in _NAMES:
            return random.choice([name for name, kind in _NAMES.items() if kind == _NAMES[value]])
        return random.choice((value, value + " + 1", f"2 * ({value})", f"2 x [{value}]", value.upper()))
    return random.choice((value, 1, "none"))
