"""Block classes: every residual, factor, norm and join computes its formula, and reads as a person would write it."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import blocks
from blocks.blocktype import BlockType
from blocks.yaml_text import flow
from blocks_compiler.backends.block_classes import class_name, class_text, formula, memory_name, plain, reads

FFN = {"mixer": "mlp", "d_ff": 12, "activation": "relu"}
ATTENTION = {"mixer": "multi_head", "n_heads": 2, "position": "none"}
FACTORS: list[dict[str, Any]] = [
    {},
    {"scale": 0.5},
    {"layer_scale": 0.3},
    {"alpha": 1.7},
    {"scale": -2, "layer_scale": 0.3, "alpha": "deepnorm"},
]
DOES: dict[str, dict[str, Any]] = {
    "mixer": ATTENTION,
    "adapter": {**FFN, "share": True, "adapter": {"low_rank": {"rank": 2}}},
    "sum": {"parallel": ["a", "f"]},
    "mean": {"parallel": ["a", "own", "f"], "join": "mean"},
    "concat": {"parallel": ["own", "a"], "join": "concat"},
    "normed": {"parallel": ["own", "own"]},
    "bare": {"parallel": ["a", "bare"]},
    "unread": {"parallel": ["own", "bare"]},
}
BRANCHES: dict[str, dict[str, Any]] = {
    "a": ATTENTION,
    "f": {**FFN, "scale": 0.25, "layer_scale": 0.5},
    "own": {**FFN, "norm": "layernorm", "out_norm": "rmsnorm", "scale": 3},
    "bare": {**FFN, "norm": "none"},
}


def entries() -> dict[str, dict[str, Any]]:
    """One block of each combination."""
    found: dict[str, dict[str, Any]] = {}
    for does, residual, norm, out_norm, factors in product(
        DOES, ("pre", "post", "sandwich", "none"), ("none", "layernorm"), (None, "none", "rmsnorm"), FACTORS
    ):
        if (residual == "none" and "alpha" in factors) or (residual, norm) == ("post", "none"):
            continue
        around = {"residual": residual, "norm": norm, **factors}
        around |= {} if out_norm is None else {"out_norm": out_norm}
        found[f"b{len(found)}"] = {**DOES[does], **around}
    return found


def recipe(blocks_: dict[str, Any], layers: str, **stack: Any) -> str:
    model = [{"embed": "tokens"}, {"stack": {"layers": layers, **stack}}]
    return flow({"recipe": "r", "d_model": 8, "vocab_size": 16, "blocks": blocks_, "model": model}) + "\n"


def stirred(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return model


def kind(entry: dict[str, Any], **stack: Any) -> BlockType:
    made: BlockType = (
        blocks.load(recipe({**BRANCHES, "block": entry}, "block", **stack)).plan().layers[0].type
    )
    return made


def by_hand(entry: dict[str, Any], block: Any, x: Tensor, alpha: float) -> Tensor:
    """What the entry says, of the block's own parts: alpha x + scale * layer_scale * out_norm(join(branches))."""
    residual, has_norm = entry["residual"], entry["norm"] != "none"
    h = block.norm(x) if has_norm and residual != "post" and "normed" not in entry else x
    if "mixer" in entry:
        y = block.mixer(h)[0]
    else:
        parts = []
        seen: list[str] = []
        for name in entry["parallel"]:
            said = BRANCHES[name]
            name = f"{name}_2" if name in seen else name
            seen.append(name)
            own = {None: lambda _: h, "none": lambda x: x}.get(said.get("norm"))
            part = getattr(block, name)((own or getattr(block, f"{name}_norm"))(x))[0]
            part = getattr(block, f"{name}_out_norm")(part) if "out_norm" in said else part
            part = said.get("scale", 1) * part
            parts.append(
                getattr(block, f"{name}_layer_scale").weight * part if "layer_scale" in said else part
            )
        stacked = torch.stack(parts)
        join = entry.get("join", "sum")
        y = {"sum": stacked.sum(0), "mean": stacked.mean(0)}.get(join)  # type: ignore[assignment]
        if join == "concat":
            y = torch.cat(parts, dim=-1) @ block.join.weight.T
    if "adapter" in entry:
        y = y + block.adapter(h)[0]
    sandwich = residual == "sandwich" and "out_norm" not in entry and has_norm
    if sandwich or entry.get("out_norm", "none") != "none":
        y = block.out_norm(y)
    y = entry.get("scale", 1) * y
    if "layer_scale" in entry:
        y = block.layer_scale.weight * y
    if residual != "none":
        y = alpha * x + y
    return block.norm(y) if residual == "post" and has_norm else y


@torch.no_grad()
def test_every_combination_computes_its_formula() -> None:
    made = entries()
    model: Any = stirred(blocks.build(recipe(BRANCHES | made, ", ".join(made)), dtype="float64")).eval()
    x = torch.randn(2, 5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert len(model.layers) == len(made) > 500
    for entry, block in zip(made.values(), model.layers, strict=True):
        if entry.get("parallel") in (["own", "own"], ["own", "bare"]):
            entry = {**entry, "normed": True}
        alpha = {None: 1.0, "deepnorm": len(made) ** 0.25}.get(entry.get("alpha"), entry.get("alpha"))
        wanted = by_hand(entry, block, x, alpha)
        found, _ = block(x)
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12, msg=lambda m, e=entry: f"{e}: {m}")  # type: ignore[misc]


@torch.no_grad()
def test_a_combination_steps_as_it_runs_whole() -> None:
    made = dict(list(entries().items())[::17])
    model: Any = stirred(blocks.build(recipe(BRANCHES | made, ", ".join(made)), dtype="float64")).eval()
    x = torch.randn(2, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for name, block in zip(made, model.layers, strict=True):
        whole, _ = block(x)
        first, state = block(x[:, :2])
        steps = [first]
        for at in range(2, 6):
            y, state = block(x[:, at : at + 1], state)
            steps.append(y)
        torch.testing.assert_close(torch.cat(steps, 1), whole, msg=lambda m, n=name: f"{made[n]}: {m}")  # type: ignore[misc]


GOLDEN: list[tuple[dict[str, Any], str, str]] = [
    (
        {**FFN, "residual": "sandwich", "norm": "rmsnorm"},
        "SandwichBlock",
        '''\
class Block(nn.Module):
    """x + out_norm(mixer(norm(x)))."""

    def __init__(self, norm: nn.Module, mixer: nn.Module, out_norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.mixer = mixer
        self.out_norm = out_norm

    def forward(self, x: Tensor, state: Any = None, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        y, state = self.mixer(self.norm(x), state, mask)
        return x + self.out_norm(y), state  # [B, T, D]
''',
    ),
    (
        {**FFN, "residual": "post", "norm": "layernorm", "alpha": 2, "scale": 0.5, "layer_scale": 0.1},
        "PostNormScaledBlock",
        '''\
class Block(nn.Module):
    """norm(alpha * x + layer_scale(scale * mixer(x)))."""

    def __init__(
        self,
        norm: nn.Module,
        mixer: nn.Module,
        scale: float,
        layer_scale: nn.Module,
        alpha: float,
    ) -> None:
        super().__init__()
        self.norm = norm
        self.mixer = mixer
        self.scale = scale
        self.layer_scale = layer_scale
        self.alpha = alpha

    def forward(self, x: Tensor, state: Any = None, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        y, state = self.mixer(x, state, mask)
        return self.norm(self.alpha * x + self.layer_scale(self.scale * y)), state  # [B, T, D]
''',
    ),
    (
        {"parallel": ["a", "f"], "residual": "pre", "norm": "rmsnorm"},
        "BlockBlock",
        '''\
class Block(nn.Module):
    """x + a(norm(x)) + layer_scale(scale * f(norm(x)))."""

    def __init__(
        self,
        norm: nn.Module,
        a: nn.Module,
        f: nn.Module,
        f_scale: float,
        f_layer_scale: nn.Module,
    ) -> None:
        super().__init__()
        self.norm = norm
        self.a = a
        self.f = f
        self.f_scale = f_scale
        self.f_layer_scale = f_layer_scale

    def forward(self, x: Tensor, state: Any = None, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        h = self.norm(x)
        old = (None,) * 2 if state is None else state
        a, a_state = self.a(h, old[0], mask)
        f, f_state = self.f(h, old[1], mask)
        f = self.f_layer_scale(self.f_scale * f)
        y = a + f
        return x + y, (a_state, f_state)  # [B, T, D]
''',
    ),
    (
        {**FFN, "residual": "pre", "norm": "rmsnorm", "share": True, "adapter": {"low_rank": {"rank": 2}}},
        "PreNormAdaptedBlock",
        '''\
class Block(nn.Module):
    """x + mixer(norm(x)) + adapter(norm(x))."""

    def __init__(self, norm: nn.Module, mixer: nn.Module, adapter: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.mixer = mixer
        self.adapter = adapter

    def forward(self, x: Tensor, state: Any = None, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        h = self.norm(x)
        y, state = self.mixer(h, state, mask)
        y = y + self.adapter(h, None, mask)[0]
        return x + y, state  # [B, T, D]
''',
    ),
]


@pytest.mark.parametrize(("entry", "name", "text"), GOLDEN, ids=[name for _, name, _ in GOLDEN])
def test_a_class_reads_as_a_person_would_write_it(entry: dict[str, Any], name: str, text: str) -> None:
    made = kind(entry)
    assert class_name(made) == name
    assert class_text(made, "Block") == text
    assert plain(made) is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({**FFN, "residual": "none", "norm": "none"}, "mixer(x)"),
        ({**FFN, "residual": "none", "norm": "none", "scale": 2}, "scale * mixer(x)"),
        ({"parallel": ["a", "own"], "join": "mean"}, "x + (a(norm(x)) + scale * out_norm(own(norm(x)))) / 2"),
        ({"parallel": ["a", "a"], "join": "concat"}, "x + concat(a(norm(x)), a_2(norm(x))) W"),
        ({"parallel": ["a", "a"], "scale": 0.5}, "x + scale * (a(norm(x)) + a_2(norm(x)))"),
    ],
)
def test_formulas(entry: dict[str, Any], said: str) -> None:
    assert formula(kind(entry)) == said


def test_a_formula_with_names() -> None:
    made = kind({**FFN, "scale": 0.5, "alpha": 2})
    assert formula(made, names=True) == "2 x + 0.5 MLP(RMSNorm(x))"


@pytest.mark.parametrize(
    ("residual", "runtime"), [("pre", "PreNormBlock"), ("post", "PostNormBlock"), ("none", "PlainBlock")]
)
def test_plain_blocks_need_no_class_of_their_own(residual: str, runtime: str) -> None:
    assert plain(kind(FFN, residual=residual)) == runtime
    assert plain(kind({**FFN, "scale": 0.5}, residual=residual)) is None


def test_a_factor_of_the_stream_is_nowhere_where_there_is_no_sum() -> None:
    made = kind({**FFN, "residual": "none"}, alpha=2)
    assert plain(made) == "PlainBlock"
    assert "alpha" not in class_text(made, "Block")


def test_one_class_for_all_blocks_of_one_structure() -> None:
    from blocks_compiler.backends.source import generate

    entry = {**FFN, "residual": "sandwich"}
    text = generate(
        blocks.compile_graph(recipe({"f": entry, "a": {**ATTENTION, "residual": "sandwich"}}, "2 x [a, f]"))
    ).text
    assert text.count("class SandwichBlock(") == 1
    assert "class SandwichBlock2(" not in text


# Names that mean something else in the text of a class

AWKWARD = [
    "x", "y", "h", "old", "state", "mask", "kv", "self", "torch", "super", "norm", "scale", "join", "type", "forward",
    "a_norm", "a_out_norm", "a_scale", "a_state", "encoder_memory", "class", "1st", "b-2", "Tensor", "None",
]  # fmt: skip


@pytest.mark.parametrize("name", AWKWARD)
@torch.no_grad()
def test_a_branch_may_have_any_name(name: str) -> None:
    branches = {"a": BRANCHES["own"], name: {**BRANCHES["own"], "layer_scale": 0.5}}
    usual = {"a": BRANCHES["own"], "other": branches[name]}
    outputs = []
    for found in (branches, usual):
        text = recipe({**found, "both": {"parallel": list(found), "join": "concat"}}, "both, both")
        model: Any = blocks.build(text)
        generator = torch.Generator().manual_seed(3)
        for parameter in model.parameters():  # in the same order, whatever they are called
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        tokens = torch.arange(5).view(1, 5)
        y, state = model(tokens[:, :3])
        outputs.append(torch.cat((y, model(tokens[:, 3:], state)[0]), 1))
    assert torch.equal(*outputs)


def test_memories_are_called_like_their_streams_where_that_means_nothing_else() -> None:
    assert [memory_name(name) for name in ("encoder", "x", "state", "zip", "layers_state", "source")] == [
        "encoder", "x_memory", "state_memory", "zip_memory", "layers_state_memory", "source_memory",
    ]  # fmt: skip
    entry = {**ATTENTION, "memory": "x"}
    model = {"x": [{"embed": "tokens"}], "y": [{"embed": "tokens"}, {"stack": {"layers": "c"}}]}
    text = (
        flow({"recipe": "r", "d_model": 8, "vocab_size": 16, "blocks": {"c": entry}, "model": model}) + "\n"
    )
    assert reads(blocks.load(text).plan().layers[0].type) == ("x_memory",)
