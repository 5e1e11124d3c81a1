"""Feed-forward declarations: default widths, the same cost inside and out, and what sentences call them."""

import pytest

import blocks
from blocks import Mixer, Sizes
from blocks_feedforward import module
from blocks_feedforward.specs import MLP, GatedMLP, LowRank


@pytest.mark.parametrize(
    ("mixer", "d_model", "d_ff"),
    [
        (MLP(), 24, 96), (MLP(d_ff=7), 24, 7), (GatedMLP(), 24, 64), (GatedMLP(), 25, 128), (GatedMLP(), 1, 64),
        (GatedMLP(), 4096, 10944), (GatedMLP(d_ff=7), 24, 7),
    ],
)  # fmt: skip
def test_default_widths(mixer: MLP | GatedMLP, d_model: int, d_ff: int) -> None:
    assert mixer.bind(Sizes(d_model)).d_ff == d_ff


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", [MLP, GatedMLP])
@pytest.mark.parametrize("bound", [False, True])
def test_what_is_inside_adds_up(kind: type[MLP] | type[GatedMLP], bias: bool, bound: bool) -> None:
    mixer: MLP | GatedMLP = kind(bias=bias)
    if bound:
        mixer = mixer.bind(Sizes(24))
    inside = mixer.inside()
    total = sum((op.params for op in inside.ops), start=0 * mixer.cost().params)
    assert total == mixer.cost().params
    fused = sum((op.params for op in inside.fused().ops), start=0 * mixer.cost().params)
    assert fused == total


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", [MLP, GatedMLP])
def test_the_module_has_the_parameters_that_were_declared(
    kind: type[MLP] | type[GatedMLP], bias: bool
) -> None:
    mixer = kind(bias=bias).bind(Sizes(24))
    call = mixer.call(24)
    built = getattr(module, kind.__name__)(*call.args, **call.kwargs)
    assert sum(p.numel() for p in built.parameters()) == mixer.cost().parameters(24)
    names = {name.partition(".")[0] for name, _ in built.named_parameters()}
    assert names == {op.name for op in mixer.inside().fused().ops if op.kind == "linear"}


@pytest.mark.parametrize(
    ("activation", "function"),
    [("swiglu", "silu"), ("geglu", "gelu"), ("geglu_tanh", "gelu_tanh"), ("reglu", "relu")],
)
def test_a_gate_calls_its_function(activation: str, function: str) -> None:
    mixer: Mixer = GatedMLP(activation=activation, d_ff=8)  # type: ignore[arg-type]
    assert mixer.call(4).kwargs == {"d_ff": 8, "activation": function, "bias": False}


def test_a_low_rank_map_adds_up() -> None:
    mixer = LowRank(rank=4)
    assert mixer.cost().parameters(24) == 2 * 4 * 24
    assert mixer.cost().forward(10, 24) == 4 * 4 * 24 * 10
    assert sum((op.params for op in mixer.inside().ops), start=0 * mixer.cost().params) == mixer.cost().params
    call = mixer.call(24)
    built = getattr(module, call.target.partition(":")[2])(*call.args, **call.kwargs)
    assert [name.partition(".")[0] for name, _ in built.named_parameters()] == [
        op.name for op in mixer.inside().ops
    ]


@pytest.mark.parametrize(("rank", "wrong"), [(23, False), (24, True), (400, True)])
def test_a_rank_is_low(rank: int, wrong: bool) -> None:
    found = [
        (complaint.code, complaint.field, complaint.help) for complaint in LowRank(rank=rank).check(Sizes(24))
    ]
    assert found == ([("B0341", "rank", "a rank below 24; up to 12 saves parameters")] if wrong else [])


@pytest.mark.parametrize(
    ("phrase", "mixer"),
    [
        ("FFN", MLP()), ("MLP", MLP()), ("ReLU FFN", MLP(activation="relu")), ("relu mlp", MLP(activation="relu")),
        ("squared-ReLU MLP", MLP(activation="relu2")), ("Squared ReLU FFN", MLP(activation="relu2")),
        ("ReLU² FFN", MLP(activation="relu2")), ("tanh-GELU FFN", MLP(activation="gelu_tanh")),
        ("GELU feed-forward network", MLP(activation="gelu")), ("SiLU MLP", MLP(activation="silu")),
        ("SwiGLU FFN", GatedMLP()), ("SwiGLU", GatedMLP()), ("gated MLP", GatedMLP()),
        ("GEGLU", GatedMLP(activation="geglu")), ("GeGLU FFN", GatedMLP(activation="geglu")),
        ("ReGLU MLP", GatedMLP(activation="reglu")), ("GEGLU feed-forward", GatedMLP(activation="geglu")),
        ("gated-GELU FFN", GatedMLP(activation="geglu")),
    ],
)  # fmt: skip
def test_sentences_understand_how_people_call_them(phrase: str, mixer: Mixer) -> None:
    recipe = blocks.load(
        f"{{recipe: r, d_model: 24, vocab_size: 10, depth: 2, model: 'interleaved attention and {phrase}'}}"
    )
    (stack,) = (stage for stage in recipe.plan().stages if stage.layers)
    found = stack.layers[1].type.mixer
    assert type(found) is type(mixer)
    assert found.model_dump() == mixer.bind(Sizes(24)).model_dump()


MESSAGES = [
    (
        """recipe: r
d_model: 32
vocab_size: 9
blocks:
  a: {mixer: low_rank, rank: 32}
model: [embed: tokens, stack: {layers: [a]}]
""",
        """error[B0341]: a rank of 32 is not low for d_model = 32: the two matrices hold more than one
  --> <text>:5:30
2 | d_model: 32
  |          -- d_model is set here
5 |   a: {mixer: low_rank, rank: 32}
  |                              ^^
  = help: a rank below 32; up to 16 saves parameters""",
    ),
]


@pytest.mark.parametrize(("recipe", "message"), MESSAGES)
def test_a_mistake_is_answered(recipe: str, message: str) -> None:
    with pytest.raises(blocks.RecipeError) as caught:
        blocks.load(recipe).plan()
    assert str(caught.value).rstrip() == message
