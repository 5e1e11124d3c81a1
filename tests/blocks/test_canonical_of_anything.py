"""Canonical recipes of recipes at random: the same plan, the same model and the same text again; so do lock files."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import blocks
from blocks import Plan, RecipeError, Registry
from blocks.blocktype import BlockType
from blocks.canonical import canonical
from blocks.yaml_text import flow
from blocks_compiler.backends.lock import lock
from blocks_compiler.backends.source import generate

NORMS: list[Any] = ["none", "rmsnorm", "layernorm", {"rmsnorm": {"eps": 1e-6}}]
POSITIONS: list[Any] = ["none", "rope", "alibi", {"relative": {"share": "table"}}, "sinusoidal"]
GAINS: list[Any] = [0.5, 2, "1 / d_model", "let_scale"]


def some(values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(list(values))


def keys(**found: Any) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with any of these keys."""
    return st.fixed_dictionaries({}, optional=found)


def attentions(**more: Any) -> st.SearchStrategy[dict[str, Any]]:
    options = keys(n_kv_heads=some([1, 2]), position=some(POSITIONS), **more)
    return options.map(lambda chosen: {"mixer": "multi_head", "n_heads": 2, **chosen})


def mixers() -> st.SearchStrategy[dict[str, Any]]:
    others: list[dict[str, Any]] = [
        {"mixer": "mlp"},
        {"mixer": "mlp", "d_ff": "2 * d_model", "activation": "relu"},
        {"mixer": "gated_mlp", "d_ff": 12},
        {"mixer": "gru"},
        {"mixer": "mamba", "d_state": 4},
    ]
    return attentions(window=some([3, "d_model"])) | some(others)


def around() -> st.SearchStrategy[dict[str, Any]]:
    return any_around().filter(lambda said: said.get("residual") != "none" or "alpha" not in said)


def any_around() -> st.SearchStrategy[dict[str, Any]]:
    return keys(
        norm=some(NORMS),
        out_norm=some(NORMS),
        residual=some(["pre", "post", "sandwich", "none"]),
        scale=some(GAINS),
        layer_scale=some([0.1, "let_scale"]),
        alpha=some([2, "deepnorm", "depth / 3"]),
    )


def branches() -> st.SearchStrategy[dict[str, Any]]:
    return keys(norm=some(NORMS), out_norm=some(NORMS), scale=some(GAINS), layer_scale=some([0.1]))


@st.composite
def vocabularies(draw: Any, cross: bool) -> dict[str, dict[str, Any]]:
    """Entries of every kind; one that reads where there is what it could read."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("plain", "b-2"):
        found[name] = {**draw(mixers()), **draw(around())}
    for name in ("left", "right.side"):
        found[name] = {**draw(mixers()), **draw(branches())}
    attention = draw(attentions())
    found["owner"] = {**attention, **draw(around())}
    lender = draw(some(["owner", "owner[-1]", "owner[0]"]))
    found["borrower"] = {**attention, **draw(around()), "kv_from": lender}
    found["both"] = {
        "parallel": draw(st.lists(some(["left", "right.side"]), min_size=2, max_size=3)),
        **draw(keys(join=some(["sum", "mean", "concat"]))),
        **draw(around()),
    }
    same = {"norm": draw(some(NORMS)), "out_norm": draw(some(NORMS)), "layer_scale": 0.1}
    found["shared"] = {**draw(mixers()), **draw(around()), **same, "share": draw(some([True, "group"]))}
    if draw(st.booleans()):
        found["shared"]["adapter"] = draw(some([{"low_rank": {"rank": 2}}, "mlp"]))
    found["wide"] = {"mixer": "gru", "hidden": 12, "residual": "none", **draw(keys(norm=some(NORMS)))}
    if cross:
        found["cross"] = {"mixer": "multi_head", "n_heads": 2, "memory": "encoder", **draw(around())}
    return found


def changes() -> st.SearchStrategy[dict[str, Any]]:
    """What an override may say: structure, options, another mixer, nothing in place of something."""
    mixer = some([{"mixer": "mlp"}, {"mixer": "mlp", "d_ff": 20}, {"mixer": "gru"}])
    structure = keys(kv_from=some([None]), adapter=some([None]), scale=some([None]), layer_scale=some([None]))
    parallel = some(
        [{"parallel": ["left", "right.side"]}, {"parallel": ["right.side", "left"], "join": "mean"}]
    )
    return st.one_of(around(), around(), mixer, parallel, structure)


@st.composite
def stacks(draw: Any, cross: bool, name: str) -> dict[str, Any]:
    usual = ["plain", "b-2", "both", "shared", "owner", "left"] + ["cross"] * (2 * cross)
    members = [
        "owner",
        *["cross"] * cross,
        *draw(st.lists(some([*usual, "borrower"]), min_size=2, max_size=5)),
    ]
    if draw(st.integers(0, 4)) == 0:
        members = [*members, "wide", *draw(st.lists(some(usual), max_size=2))]
    way = draw(some(["layers", "cycle", "interleave"]))
    stack: dict[str, Any] = {"name": name, **draw(around())}
    if way == "layers":
        stack["layers"] = ["2 x [" + ", ".join(members) + "]"]
    elif way == "cycle":
        stack |= {"depth": len(members) + 2, "cycle": members}
    else:
        pair = ["cross" if cross else "plain", draw(some(["both", "shared", "left"]))]
        stack |= {"depth": 6, "interleave": pair, "scatter": {"owner": 2}}
        members = [*pair, "owner"]
    if draw(st.booleans()):
        selectors = some([f"{name}[0]", f"{name}[-1]", f"{name}[1:4]", name, *members])
        stack["override"] = draw(st.dictionaries(selectors, changes(), min_size=1, max_size=3))
    return stack


@st.composite
def recipes(draw: Any) -> str:
    heads = draw(
        some(
            [
                {"head": "lm"},
                {"head": {"lm": {"tied": True}}},
                {"heads": {"words": "lm", "kind": {"classifier": {"n_classes": 3, "pool": "last"}}}},
                {"norm": "rmsnorm"},
            ]
        )
    )
    embed: dict[str, Any] = {"embed": draw(some(["tokens", {"tokens": {"share": "words"}}]))}
    two = draw(st.booleans())
    last = [embed, {"stack": draw(stacks(two, "layers"))}]
    if draw(st.booleans()):
        last.append({"stack": draw(stacks(two, draw(some(["layers", "tail"]))))})
    last.append(heads)
    model: Any = last
    if two:
        model = {"encoder": [embed, {"stack": draw(stacks(False, "layers"))}], "decoder": last}
    recipe = {
        "recipe": "r",
        "d_model": 8,
        "vocab_size": 16,
        "depth": 4,
        "let": {"let_scale": 0.25, "unused": "depth"},
        "blocks": draw(vocabularies(two)),
        "model": model,
    }
    return flow(recipe) + "\n"


def structure(kind: BlockType) -> tuple[Any, ...]:
    whole = (
        "name", "norm", "residual", "width", "out_width", "out_norm", "scale", "layer_scale", "alpha", "join",
        "adapter", "share",
    )  # fmt: skip
    branch = ("name", "entry", "mixer", "norm", "out_norm", "scale", "layer_scale", "memory", "unnormed")
    return (
        tuple(getattr(kind, name) for name in whole),
        [tuple(getattr(each, name) for name in branch) for each in kind.branches],
    )


def meaning(plan: Plan) -> Any:
    stages = [
        (stage.stream, stage.path, stage.role, stage.component, stage.name, stage.width, stage.out_width)
        for stage in plan.stages
    ]
    layers = [
        (layer.path, layer.symbol, layer.kv_source, layer.shares, structure(layer.type))
        for layer in plan.layers
    ]
    return stages, layers, plan.shares, plan.parameters


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(recipes())
def test_it_stands_for_the_same_model(text: str) -> None:
    try:
        plan = blocks.load(text).plan()
        graph = blocks.compile_graph(blocks.load(text))
    except RecipeError:
        assume(False)
    written = canonical(plan)
    other = blocks.load(written).plan()
    assert meaning(other) == meaning(plan)
    assert canonical(other) == written
    source = generate(graph).text
    assert generate(blocks.compile_graph(blocks.load(written))).text == source
    locked = lock(plan, Registry.installed())
    assert generate(blocks.compile_graph(blocks.load(locked))).text == source
