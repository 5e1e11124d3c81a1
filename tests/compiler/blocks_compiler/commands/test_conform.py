"""`blocks conform`: which mixers are tried, what is shown, and when the exit code is 1."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from blocks import Registry, hookimpl
from blocks.cli import main
from blocks_compiler.commands.conform import COMMAND

QUICK = ("--case", "parameters", "--case", "memory_needed")
SPECS = '''
from blocks import Cost, D, Mixer


class Leak(Mixer):
    """Says what it cannot do: it looks at the next token."""

    module = "leaky_plugin:LeakModule"

    def cost(self) -> Cost:
        return Cost(params=D)

    def capabilities(self):
        return frozenset({"causal"})

    def waivers(self):
        return {"flops": "rolling is no arithmetic"}
'''
MODULE = """
import torch
from torch import Tensor, nn


class LeakModule(nn.Module):
    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d_model))

    def forward(self, x: Tensor, state: None = None, mask: Tensor | None = None) -> tuple[Tensor, None]:
        if x.shape[0] == 3:
            raise RuntimeError("three rows are too many")
        return x.roll(-1, dims=1) * self.weight, None

    def init_weights(self, generator: torch.Generator) -> None:
        nn.init.ones_(self.weight)
"""


def blocks(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    code = main(["conform", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def reported(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    """What --json prints."""
    code, out, _ = blocks(capsys, *arguments, "--json")
    assert code == 0
    found: list[dict[str, Any]] = json.loads(out)
    return found


@pytest.fixture
def leak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry with a stranger's mixer that breaks what it declares."""
    (tmp_path / "leaky_specs.py").write_text(SPECS)
    (tmp_path / "leaky_plugin.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()

    @hookimpl
    def register_mixers(register: Any) -> None:
        register("leak", "leaky_specs:Leak", help="looks ahead")

    return Registry.installed().with_plugin(SimpleNamespace(register_mixers=register_mixers))


def run(registry: Registry, *arguments: str) -> int:
    """The exit code of the command with another registry."""
    parser = ArgumentParser()
    COMMAND.configure(parser)
    args = parser.parse_args(arguments)
    args.registry, args.color = registry, False
    return COMMAND.run(args)


def test_a_mixer_is_tried_with_its_options(capsys):
    options = ("--set", "n_heads=4", "--set", "position=rope", "--d-model", "32")
    code, out, _ = blocks(capsys, "multi_head", *options, *QUICK)
    assert code == 0
    first, _, heading, *rows = out.splitlines()
    assert first == "multi_head  d_model 32, n_heads 4, n_kv_heads 4, head_dim 8, position rope"
    assert heading.split() == ["property", "result", "seconds"]
    assert re.fullmatch(r"  parameters +ok +\d+\.\d\d", rows[0])
    assert rows[1].split(maxsplit=1) == ["memory_needed", "does not apply  it reads no memory"]
    assert re.fullmatch(r"1 mixer: 1 ok, 1 do not apply; \d+\.\d s", rows[-1])


def test_json_is_a_contract(capsys):
    (found,) = reported(capsys, "gru", "--set", "hidden=6", "--seed", "3", "--case", "shape")
    assert found["cases"][0].pop("seconds") > 0
    assert found == {
        "mixer": "gru",
        "blocks": [],
        "d_model": 64,
        "memory": None,
        "borrows": False,
        "options": {"hidden": 6},
        "capabilities": found["capabilities"],
        "seed": 3,
        "cases": [{"case": "shape", "result": "ok", "reason": None}],
    }
    assert {"cached", "causal", "padded"} <= set(found["capabilities"])


def test_a_mixer_that_needs_a_memory_is_given_one(capsys):
    (found,) = reported(capsys, "bahdanau", *QUICK)
    assert found["memory"] == 64
    assert [case["result"] for case in found["cases"]] == ["ok", "ok"]


def test_memory_asks_for_cross_attention(capsys):
    (found,) = reported(capsys, "multi_query", "--memory", "--d-model", "48", *QUICK)
    assert found["memory"] == 48
    assert found["options"] == {"n_heads": 1, "head_dim": 48}
    assert [case["result"] for case in found["cases"]] == ["ok", "ok"]


def test_every_mixer_of_a_recipe_is_tried_once_at_its_own_width(capsys):
    found = reported(capsys, "hybrid-tiny", "--case", "parameters")
    assert [(each["mixer"], each["d_model"], each["blocks"]) for each in found] == [
        ("mamba2", 192, ["mamba2"]),
        ("mlp", 192, ["ffn"]),
        ("multi_head", 192, ["attention"]),
    ]


def test_a_recipe_can_be_tried_at_another_width(capsys):
    found = reported(
        capsys, "gpt2-tiny", "--d-model", "32", "--set", "blocks.ffn.d_ff=48", "--case", "parameters"
    )
    assert {each["d_model"] for each in found} == {32}
    assert {"d_ff": 48}.items() <= found[1]["options"].items()


RECIPE = """\
recipe: mixed
d_model: 16
blocks:
  owner: {mixer: multi_head, n_heads: 2}
  again: {mixer: multi_head, n_heads: 2}
  borrower: {mixer: multi_head, n_heads: 2, kv_from: owner}
  reader: {mixer: multi_head, n_heads: 2, memory: encoder}
  both: {parallel: [again, ffn], join: sum}
  ffn: {mixer: mlp, d_ff: 8}
  shared: {mixer: linear, share: true, adapter: {low_rank: {rank: 2}}}
  narrow: {mixer: linear, d_out: 8, residual: none}
model:
  encoder:
    - stack: {layers: [ffn], norm: none}
  decoder:
    - stack: {layers: [owner, again, borrower, reader, both, shared, shared, narrow], norm: none}
"""


def test_mixers_of_a_recipe_differ_by_options_and_by_what_they_read(capsys, tmp_path):
    file = tmp_path / "mixed.yaml"
    file.write_text(RECIPE)
    found = reported(capsys, str(file), "--case", "parameters")
    assert [(each["mixer"], each["memory"], each["borrows"], each["blocks"]) for each in found] == [
        ("mlp", None, False, ["ffn"]),
        ("multi_head", None, False, ["owner", "again"]),
        ("multi_head", None, True, ["borrower"]),
        ("multi_head", 16, False, ["reader"]),
        ("linear", None, False, ["shared"]),
        ("low_rank", None, False, ["shared, adapter"]),
        ("linear", None, False, ["narrow"]),
    ]


def test_what_fails_is_said_in_full_and_the_rest_goes_on(leak, capsys):
    cases = ("causal_gradient", "shape", "flops", "parameters")
    assert run(leak, "leak", "--d-model", "8", *(word for case in cases for word in ("--case", case))) == 1
    out = capsys.readouterr().out
    assert re.search(r"\n  parameters +ok ", out)
    assert re.search(r"\n  flops +waived +rolling is no arithmetic\n", out)
    assert re.search(r"\n  causal_gradient +failed +output 0 has gradient .* the first of token 1 +\d", out)
    assert (
        "\ncausal_gradient: The gradient of output t with respect to every input after t is exactly 0.\n"
        in out
    )
    assert "\n  RuntimeError: three rows are too many\n" in out
    assert re.search(r"\n1 mixer: 1 ok, 2 failed, 1 waived; ", out)


def test_a_waiver_lets_a_case_pass_and_shows_its_reason(leak, capsys):
    waive = ("--waive", "causal_gradient=it looks ahead on purpose")
    assert run(leak, "leak", "--d-model", "8", "--case", "causal_gradient", *waive) == 0
    assert re.search(r"causal_gradient +waived +it looks ahead on purpose\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("mamba3",), 1, "did you mean 'mamba'?"),
        (("attention",), 1, "did you mean 'multi_head'?"),
        (("hybrid-tinny",), 1, "did you mean 'hybrid-tiny'?"),
        (("nothing.yaml",), 1, "there is no file nothing.yaml"),
        (("mamba2", "--set", "n_head=4"), 1, "did you mean 'n_heads'?"),
        (("multi_head", "--set", "n_heads=5"), 1, "5 heads do not divide d_model = 64"),
        (("mlp", "--memory"), 1, "mlp cannot read another stream"),
        (("hybrid-tiny", "--memory"), 2, "--memory is for one mixer"),
        (("mlp", "--case", "shapes"), 2, "did you mean 'shape'?"),
        (("mlp", "--case", "everything"), 2, "cases: no_torch, options,"),
        (("mlp", "--waive", "flop=no"), 2, "did you mean 'flops'?"),
        (("mlp", "--waive", "flops"), 2, "waiving flops needs a reason"),
        (("mlp", "--waive", "flops= "), 2, "waiving flops needs a reason"),
        (("mlp", "--seed", "-1"), 2, "--seed '-1' is not a positive whole number"),
        (("mlp", "--d-model", "x"), 2, "--d-model 'x'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(capsys, arguments, code, said):
    found, out, err = blocks(capsys, *arguments)
    assert (found, out) == (code, "")
    assert said in err


def test_neither_pytest_nor_a_bar_where_there_is_no_terminal():
    program = (
        "import sys; sys.modules['pytest'] = None; from blocks.cli import main; "
        "sys.exit(main(['conform', 'mlp', '--case', 'parameters']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 mixer: 1 ok" in done.stdout
