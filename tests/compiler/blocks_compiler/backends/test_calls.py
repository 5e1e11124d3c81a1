"""Constructor calls as text."""

from blocks import Call
from blocks_compiler.backends.calls import Calls, brief
from blocks_compiler.backends.inline import Inliner

NORM = Call("blocks_norms.module:RMSNorm", (64,), {"eps": 1e-6})
MLP = "blocks_feedforward.module:MLP"


def test_arguments_equal_to_defaults_are_left_out():
    write = Calls(Inliner()).call
    assert write(Call(MLP, (8,), {"d_ff": 16, "activation": "gelu", "bias": False}), 0) == "MLP(8, d_ff=16)"
    assert write(Call(MLP, (8,), {"d_ff": 16, "bias": True}), 0) == "MLP(8, d_ff=16, bias=True)"


def test_a_default_of_another_type_is_kept():
    assert Calls(Inliner()).call(Call(MLP, (8,), {"d_ff": 16, "bias": 0}), 0) == "MLP(8, d_ff=16, bias=0)"


def test_calls_inside_calls_are_inlined_too():
    calls = Calls(Inliner())
    assert calls.call(Call("torch.nn:Sequential", (NORM,)), 0) == "nn.Sequential(RMSNorm(64, eps=1e-06))"
    assert "RMSNorm" in calls.inliner.texts


def test_long_calls_take_several_lines():
    call = Call("blocks_norms.module:RMSNorm", (64,), {f"option_{i}": "x" * 20 for i in range(6)})
    text = Calls(Inliner()).call(call, 8)
    assert all(len(line) <= 110 for line in text.splitlines())
    compile(text, "call", "eval")


def test_in_the_words_of_a_header():
    assert brief(Call(MLP, (8,), {"d_ff": 16, "activation": "relu"})) == "MLP(8, d_ff=16, activation=relu)"
