"""The suite is tested by what it kills: mutants of a correct toy mixer, each by the case that is meant for it."""

import pytest

from blocks import BuildError
from blocks_compiler.conformance.cases import CASES
from blocks_compiler.conformance.measure import Violation
from blocks_compiler.conformance.subject import Subject

BY_NAME = {case.name: case for case in CASES}
STEP = "h = keep[:, t] * h + u[:, t]"
FEED = "u = u * mask[..., None]"
START = "h = x.new_zeros(x.shape[0], x.shape[2]) if state is None else state[0]"
PROJECT = "u = self.in_proj(x)"
RETURN = "return self.out_proj(torch.cat(ys, dim=1)), (h,)"
INIT = "self.rate.copy_(torch.randn(self.rate.shape, generator=generator))"
RATE = "self.rate = nn.Parameter(torch.empty(d_model))"

MUTANTS = {
    "a parameter too many declared": ("parameters", ("2 * D * D + D +", "2 * D * D + D + 1 +")),
    "an undeclared bias": ("parameters", ("nn.Linear(d_model, d_model, bias=bias)", "nn.Linear(d_model, d_model)")),
    "flops of one map alone": ("flops", ("flops=4 * D * D * T", "flops=2 * D * D * T")),
    "flops off by one token": ("flops", ("4 * D * D * T", "4 * D * D * (T + 1)")),
    "a step that grows": ("step_flops", ("state=D)", "state=D, step=4 * D * T)")),
    "state declared twice too large": ("state_size", ("state=D)", "state=2 * D)")),
    "state declared in fp32": ("state_size", ("state=D)", "state_fp32=D)")),
    "state that grows": ("state_size", ("state=D)", "state=D * T)")),
    "a look at the next token": ("causal_gradient", (PROJECT, f"{PROJECT}; u = u + u.roll(-1, dims=1)")),
    "a faint look at all tokens": (
        "causal_gradient", (PROJECT, f"{PROJECT}; u = u + 1e-12 * u.sum(dim=1, keepdim=True)"),
    ),
    "a look at the future's size": (
        "causal_replacement", (PROJECT, f"{PROJECT}; u = u * (1 + u.detach().abs().sum() * 0.001)"),
    ),
    "a state that is not read": ("any_split", (START, "h = x.new_zeros(x.shape[0], x.shape[2])")),
    "a carried state that fades twice": ("any_split", (START, f"{START}; h = torch.sigmoid(self.rate) * h")),
    "a wrong step": ("token_by_token", (STEP, f"{STEP} * (1.001 if x.shape[1] == 1 else 1)")),
    "a state of the token before": (
        "any_split", (RETURN, RETURN.replace("(h,)", "(ys[-2][:, 0] if len(ys) > 2 else h,)")),
    ),
    "a state kept in the module": (
        "state_untouched",
        (START, "h = getattr(self, 'last', torch.zeros(())) if state is None else state[0]"),
        (RETURN, f"self.last = h[:1].detach(); {RETURN}"),
    ),
    "a state changed in place": (
        "state_untouched", (STEP, "h = h.mul_(keep[:, t]).add_(u[:, t]); h = h if t % 2 else h.clone()"),
    ),
    "padding that feeds": ("padding_content", (FEED, "pass")),
    "padding that feeds a little": ("padding_gradient", (FEED, "u = u * (mask[..., None] + 1e-14)")),
    "positions counted over padding": (
        "padded_batch", (PROJECT, f"{PROJECT}; u = u * torch.arange(x.shape[1])[:, None]"),
    ),
    "padding that fades": ("padded_state", ("keep.masked_fill(~mask[..., None], 1.0)", "keep")),
    "padding that fades the last state": (
        "padded_state", (RETURN, f"h = h if mask is None else h * (0.5 + 0.5 * mask[:, -1:]); {RETURN}"),
    ),
    "nothing without a real token": (
        "padding_finite", (FEED, f"{FEED}; u = u / mask.any(dim=1)[:, None, None]"),
    ),
    "a dead weight": (
        "every_weight_learns",
        ("2 * D * D + D +", "2 * D * D + 2 * D +"),
        (RATE, f"{RATE}; self.unused = nn.Parameter(torch.zeros(d_model))"),
        (INIT, f"{INIT}; self.unused.zero_()"),
    ),
    "a weight behind detach": (
        "every_weight_learns", ("torch.sigmoid(self.rate)", "torch.sigmoid(self.rate.detach())"),
    ),
    "a weight left as it was": ("every_weight_starts", (INIT, "self.rate[1:].fill_(0.5)")),
    "weights from the global generator": ("seeded", (INIT, "self.rate.copy_(torch.randn(self.rate.shape))")),
    "weights without a start": ("seeded", ("def init_weights", "def begin")),
    "an output always in fp32": ("shape", (RETURN, RETURN.replace("dim=1))", "dim=1)).float()"))),
    "no output for no token": ("shape", ("ys = [x.new_zeros(x.shape[0], 0, x.shape[2])]", "ys = []")),
    "an output for no token": (
        "shape_with_state", (RETURN, f"ys = ys if state is None or x.shape[1] else [h[:, None]]; {RETURN}"),
    ),
    "a mask ignored": ("undeclared", (', "padded"})', "})"), (FEED, "pass")),
    "a state ignored": ("undeclared", (', "cached"', ""), (START, "h = x.new_zeros(x.shape[0], x.shape[2])")),
    "a misspelt capability": ("capabilities", ('"causal"', '"casual"')),
    "an import of numpy": ("stands_alone", ("import torch\n", "import numpy\nimport torch\n")),
    "a name from nowhere": ("stands_alone", (START, f"{START}; h = missing(h) if x.shape[1] > 10**6 else h")),
    "an option without a word": ("options", (', description="biases in both linear maps"', "")),
    "a declaration that imports torch": ("no_torch", ("from blocks import", "import torch\nfrom blocks import")),
}  # fmt: skip


CRASHES = {
    "no output for no token": (RuntimeError, ValueError),
    "weights without a start": BuildError,
    "an import of numpy": BuildError,
    "a name from nowhere": BuildError,
}
"""Mutants that fail before the property is looked at."""


@pytest.mark.parametrize("name", [case.name for case in CASES if not case.reads])
def test_the_toy_holds_every_case(fade, name):
    BY_NAME[name].check(Subject(fade()(bias=True), 8))


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_is_killed(fade, mutant):
    name, *changes = MUTANTS[mutant]
    subject = Subject(fade(*changes)(), 8)
    case = BY_NAME[name]
    assert case.applies(subject)
    with pytest.raises(CRASHES.get(mutant, Violation)) as caught:
        case.check(subject)
    assert str(caught.value)


def test_a_violation_says_where_and_by_how_much(fade):
    subject = Subject(fade((PROJECT, f"{PROJECT}; u = u + u.roll(-1, dims=1)"))(), 8)
    with pytest.raises(Violation, match=r"output 0 has gradient .* the first of token 1"):
        BY_NAME["causal_gradient"].check(subject)
    subject = Subject(fade(("state=D)", "state=2 * D)"))(), 8)
    with pytest.raises(Violation, match="1 x 1 tokens: declared 16 elements of state, found 8"):
        BY_NAME["state_size"].check(subject)


def test_lengths_pass_every_bound():
    from blocks_attention.specs import SlidingWindow
    from blocks_ssm.specs import Mamba2

    window = Subject(SlidingWindow(n_heads=2, window=8), 16)
    assert window.bounds == (7, 16)
    assert window.length == 37
    scan = Subject(Mamba2(n_heads=2, head_dim=8, d_state=8, chunk_size=64), 16)
    assert scan.bounds == (64,)
    assert scan.length == 131
    assert scan.whole_lengths == (2, 64, 128)
    assert all(
        len(Subject(SlidingWindow(n_heads=2, window=w), 16).whole_lengths) == 3 for w in (1, 2, 7, 4096)
    )
