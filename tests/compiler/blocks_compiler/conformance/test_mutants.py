"""The suite is tested by what it kills: mutants of a correct toy mixer, each by the case that is meant for it."""

import pytest

from blocks import BuildError
from blocks_compiler.conformance.cases import CASES
from blocks_compiler.conformance.measure import Violation
from blocks_compiler.conformance.subject import Subject

BY_NAME = {case.name: case for case in CASES}
STEP = "h = keep[:, t] * h + u[:, t]"
FEED = "u = u * mask[..., None]"
START = "h = u.new_zeros(x.shape[0], x.shape[2]) if state is None else state[0]"
PROJECT = "u = self.in_proj(x).to(wide)"
RETURN = "return self.out_proj(ys.to(x.dtype)), None if packed else (h,)"
INIT = "self.rate.copy_(3 + torch.randn(self.rate.shape, generator=generator))"
RATE = "self.rate = nn.Parameter(torch.empty(d_model))"
APART = "keep = keep.masked_fill(starts(mask)[..., None], 0.0)"
CAN = '"causal", "cached", "padded", "packed"'
COST = "    def cost(self)"
COMPILING = "if torch.compiler.is_compiling():"
BUFFER = f'{RATE}; self.register_buffer("gain", torch.ones(d_model), persistent=False)'


def declared(sight: str) -> tuple[str, str]:
    """The declaration says which tokens a token sees."""
    return COST, f"    def sees(self, query, key):\n        return {sight}\n\n{COST}"


MUTANTS = {
    "a parameter too many declared": ("parameters", ("2 * D * D + D +", "2 * D * D + D + 1 +")),
    "an undeclared bias": (
        "parameters",
        ("self.in_proj = nn.Linear(d_model, d_model, bias=bias)", "self.in_proj = nn.Linear(d_model, d_model)"),
    ),
    "flops of one map alone": ("flops", ("flops=4 * D * D * T", "flops=2 * D * D * T")),
    "flops off by one token": ("flops", ("4 * D * D * T", "4 * D * D * (T + 1)")),
    "a step that grows": ("step_flops", ("state_fp32=D)", "state_fp32=D, step=4 * D * T)")),
    "state declared twice too large": ("state_size", ("state_fp32=D)", "state_fp32=2 * D)")),
    "state declared in the model's dtype": ("state_size", ("state_fp32=D)", "state=D)")),
    "state that grows": ("state_size", ("state_fp32=D)", "state_fp32=D * T)")),
    "parameters that are nowhere inside": ("inside", ('("B", "T", D), D),', '("B", "T", D)),')),
    "parameters at the wrong place inside": (
        "inside",
        ('("x",), ("B", "T", D), weights', '("x",), ("B", "T", D), D'),
        ('("B", "T", D), D),', '("B", "T", D), weights),'),
    ),
    "another width inside": ("inside", ('("x",), ("B", "T", D)', '("x",), ("B", "T", 2 * D)')),
    "another output inside": ("inside", ('("fade",), ("B", "T", D)', '("fade",), ("B", D, "T")')),
    "a look at the next token": ("causal_gradient", (PROJECT, f"{PROJECT}; u = u + u.roll(-1, dims=1)")),
    "a faint look at all tokens": (
        "causal_gradient", (PROJECT, f"{PROJECT}; u = u + 1e-12 * u.sum(dim=1, keepdim=True)"),
    ),
    "a look at the future's size": (
        "causal_replacement", (PROJECT, f"{PROJECT}; u = u * (1 + u.detach().abs().sum() * 0.001)"),
    ),
    "a look at the length": ("prefix", (PROJECT, f"{PROJECT}; u = u * (1 + 0.01 * x.shape[1])")),
    "a past that is not seen": ("sight", (STEP, "h = keep[:, t] * h.detach() + u[:, t]")),
    "a window of its own": (
        "sight", (STEP, "h = sum(u[:, s] * keep[:, s + 1 : t + 1].prod(dim=1) for s in range(max(t - 19, 0), t + 1))"),
    ),
    "a future declared to be seen": ("sight", declared("True")),
    "a window declared one too short": ("blindness", declared("0 <= query - key < 36")),
    "itself alone declared to be seen": ("blindness", declared("query == key")),
    "a state that is not read": ("any_split", (START, "h = u.new_zeros(x.shape[0], x.shape[2])")),
    "a carried state that fades twice": ("any_split", (START, f"{START}; h = torch.sigmoid(self.rate) * h")),
    "a wrong step": ("token_by_token", (STEP, f"{STEP} * (1.001 if T == 1 else 1)")),
    "a state of the token before": (
        "any_split", (RETURN, RETURN.replace("(h,)", "(ys[:, -2] if ys.shape[1] > 1 else h,)")),
    ),
    "a state kept in the module": (
        "state_untouched",
        (START, "h = getattr(self, 'last', torch.zeros(())) if state is None else state[0]"),
        (RETURN, f"self.last = h[:1].detach(); {RETURN}"),
    ),
    "a state changed in place": (
        "state_untouched", (STEP, "h = h.mul_(keep[:, t]).add_(u[:, t]); h = h if t % 2 else h.clone()"),
    ),
    "a step that takes its state along": (
        "state_rewound", (STEP, f"{STEP} if T > 1 else h.mul_(keep[:, t]).add_(u[:, t])"),
    ),
    "a state with its rows side by side": (
        "state_reordered",
        (START, START.replace("state[0]", "state[0].t()")),
        (RETURN, RETURN.replace("(h,)", "(h.t(),)")),
    ),
    "rows that know their number": (
        "state_reordered", (RETURN, RETURN.replace("(h,)", "(h + torch.arange(len(h))[:, None],)")),
    ),
    "a mask that steps do not look at": (
        "decoding", ("        if mask is not None:\n", "        if mask is not None and x.shape[1] > 1:\n"),
    ),
    "a state in bf16": ("decoding", (RETURN, RETURN.replace("(h,)", "(h.bfloat16().to(h.dtype),)"))),
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
    "no gradient without a real token": (
        "padding_finite", (FEED, f"{FEED}; u = u / (u.norm(dim=(1, 2), keepdim=True) + 1e-9).sqrt()"),
    ),
    "documents that run on": ("packed_documents", (APART, "pass")),
    "documents that a token runs on into": (
        "packed_documents", ("return documents > before", "return F.pad(documents > before, (1, 0))[:, :-1]"),
    ),
    "documents that run on a little": ("packed_gradient", (APART, APART.replace("0.0", "1e-14"))),
    "a document that is not learnt from": ("packed_gradient", (APART, f"{APART}; u = u.detach()")),
    "a state that packed rows leave": ("packed_alone", (RETURN, RETURN.replace("None if packed else (h,)", "(h,)"))),
    "a state that packed rows go on from": (
        "packed_alone", ('raise ValueError("packed documents start without a state")', "pass"),
    ),
    "half precision where it is single": (
        "precision_fp32", (RETURN, f"ys = ys.half() if x.dtype == torch.float32 else ys; {RETURN}"),
    ),
    "a sum in the model's dtype": ("precision_bf16", ("torch.promote_types(x.dtype, torch.float32)", "x.dtype")),
    "a cumulative sum in the model's dtype": (
        "precision_bf16",
        (PROJECT, "u = self.in_proj(x); u = F.pad((u + 1).cumsum(dim=1), (0, 0, 1, 0)).diff(dim=1).to(wide) - 1"),
    ),
    "dropout left on": ("determinism", (PROJECT, f"{PROJECT}; u = F.dropout(u, 0.01)")),
    "another result in evaluation": ("determinism", (PROJECT, f"{PROJECT}; u = u if self.training else 0.99 * u")),
    "a count of calls": (
        "determinism",
        (RATE, f"{RATE}; self.calls = 0"),
        (PROJECT, f"{PROJECT}; self.calls += 1; u = u * (1 + 1e-6 * self.calls)"),
    ),
    "a mean over the batch": ("batch_slices", (PROJECT, f"{PROJECT}; u = u - 1e-3 * u.mean(dim=0)")),
    "tokens as they lie in memory": (
        "batch_slices", (PROJECT, "u = self.in_proj(x.as_strided(x.shape, torch.empty(x.shape).stride())).to(wide)"),
    ),
    "a sum that grows": ("many_tokens", (STEP, "h = 1.03 * h + u[:, t]")),
    "a state behind detach": ("gradcheck", (START, START.replace("state[0]", "state[0].detach()"))),
    "single precision where it is double": ("gradcheck", (RETURN, RETURN.replace("ys.to", "ys.float().to"))),
    "a gradient of another function": (
        "gradcheck", (PROJECT, f"{PROJECT}; u = u.tanh().detach() - u.sigmoid().detach() + u.sigmoid()"),
    ),
    "a buffer that is not saved": (
        "meta_device",
        (RATE, BUFFER),
        (INIT, f"{INIT}; self.gain.fill_(2.0)"),
        (PROJECT, f"{PROJECT} * self.gain"),
    ),
    "a weight that is not saved": (
        "state_dict",
        (RATE, BUFFER),
        (INIT, f"{INIT}; self.gain.copy_(torch.randn(self.gain.shape, generator=generator))"),
        (PROJECT, f"{PROJECT} * self.gain"),
    ),
    "a graph for each length": ("compiles", (COMPILING, "if torch.compiler.is_exporting():")),
    "a look at a value": ("compiles", (PROJECT, f"{PROJECT}; u = u if u.sum() > 0 else u + 0")),
    "a loop while exporting": (
        "exports", (COMPILING, "if torch.compiler.is_compiling() and not torch.compiler.is_exporting():"),
    ),
    "a batch that is written down": ("exports", (START, f"{START}; h = h + torch.zeros(len(x), 1, dtype=h.dtype)")),
    "a dead weight": (
        "every_weight_learns",
        ("2 * D * D + D +", "2 * D * D + 2 * D +"),
        (RATE, f"{RATE}; self.unused = nn.Parameter(torch.zeros(d_model))"),
        (INIT, f"{INIT}; self.unused.zero_()"),
    ),
    "a weight behind detach": (
        "every_weight_learns", ("torch.sigmoid(self.rate.to(wide))", "torch.sigmoid(self.rate.detach().to(wide))"),
    ),
    "a weight left as it was": ("every_weight_starts", (INIT, "self.rate[1:].fill_(0.5)")),
    "weights from the global generator": ("seeded", (INIT, "self.rate.copy_(torch.randn(self.rate.shape))")),
    "weights without a start": ("seeded", ("def init_weights", "def begin")),
    "an output always in fp32": ("shape", (RETURN, RETURN.replace("x.dtype))", "x.dtype)).float()"))),
    "no output for no token": ("shape", ("ys = [u[:, :0]]", "ys = []")),
    "an output for no token": (
        "shape_with_state", (RETURN, f"ys = ys if state is None or x.shape[1] else h[:, None]; {RETURN}"),
    ),
    "a mask ignored": ("undeclared", (CAN, '"causal", "cached"'), (FEED, "pass")),
    "documents taken for a mask": (
        "undeclared", (CAN, '"causal", "cached", "padded"'), ("mask is not None and mask.dtype != torch.bool", "False"),
        (FEED, "mask = mask > 0; u = u * mask[..., None]"),
    ),
    "a state ignored": (
        "undeclared", (CAN, '"causal", "padded"'), (START, "h = u.new_zeros(x.shape[0], x.shape[2])"),
    ),
    "a misspelt capability": ("capabilities", ('"causal"', '"casual"')),
    "an import of numpy": ("stands_alone", ("import torch\nimport", "import numpy\nimport torch\nimport")),
    "a name from nowhere": ("stands_alone", (START, f"{START}; h = missing(h) if x.shape[1] > 10**6 else h")),
    "an option without a word": ("options", (', description="biases in both linear maps"', "")),
    "an option that no recipe can say": (
        "options", (COST, f'    sizes: tuple[int, ...] = Field((3, 5), description="two sizes")\n\n{COST}'),
    ),
    "a declaration that imports torch": ("no_torch", ("from blocks import", "import torch\nfrom blocks import")),
}  # fmt: skip


CRASHES = {
    "no output for no token": (RuntimeError, ValueError),
    "weights without a start": BuildError,
    "an import of numpy": BuildError,
    "a name from nowhere": BuildError,
}
"""Mutants that fail before the property is looked at."""


@pytest.mark.parametrize(
    "name", [case.name for case in CASES if not case.reads and not case.method and case.name != "permutation"]
)
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
    subject = Subject(fade(("state_fp32=D)", "state_fp32=2 * D)"))(), 8)
    with pytest.raises(Violation, match="1 x 1 tokens: declared 16 elements of state_fp32, found 8"):
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
