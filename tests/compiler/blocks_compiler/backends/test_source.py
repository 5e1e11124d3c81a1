"""The source backend: a file that stands alone, reads well, and is the model that runs."""

import ast
import hashlib
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import blocks
from blocks_compiler.backends.module import build_module
from blocks_compiler.backends.source import generate, generate_component
from blocks_compiler.backends.text import identifier

RUN = """
import hashlib, importlib.util, inspect, json, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0].startswith("blocks"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
import torch
torch.set_num_threads(1)
found = {}
for file, name in json.loads(sys.argv[1]):
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = getattr(module, name)()
    module.init_weights(model, 0)
    ids = torch.arange(38).reshape(2, 19) % 256
    given = (ids, ids) if hasattr(model, "encoder") else (ids,)
    if "pixels" in inspect.signature(model.forward).parameters:
        given = (torch.linspace(-1, 1, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32),)
    with torch.no_grad():
        logits = model(*given)[0]
    found[name] = [hashlib.sha256(logits.numpy().tobytes()).hexdigest(), list(model.state_dict())]
assert not [name for name in sys.modules if name.split(".")[0].startswith("blocks")]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def ejected(tmp_path_factory, tiny_names, graph) -> dict[str, tuple[Path, str]]:
    """Recipe -> its file and the name of its class."""
    folder = tmp_path_factory.mktemp("ejected")
    found = {}
    for name in tiny_names:
        source = generate(graph(name))
        path = folder / f"{identifier(name)}.py"
        path.write_text(source.text, encoding="utf-8")
        found[name] = (path, source.class_name)
    return found


def test_runs_where_blocks_cannot_be_imported(ejected, model):
    files = json.dumps([(str(path), name) for path, name in ejected.values()])
    done = subprocess.run(
        [sys.executable, "-c", RUN, files], capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ids = torch.arange(38).reshape(2, 19) % 256
    for name, (_, class_name) in ejected.items():
        with torch.no_grad():
            run = model(name)
            given = (ids, ids) if hasattr(run, "encoder") else (ids,)
            if "pixels" in inspect.signature(run.forward).parameters:
                given = (torch.linspace(-1, 1, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32),)
            logits = run(*given)[0]
        digest, parameters = found[class_name]
        assert parameters == list(model(name).state_dict()), name
        assert digest == hashlib.sha256(logits.numpy().tobytes()).hexdigest(), name
    torch.set_num_threads(threads)


def test_passes_ruff(ejected):
    folder = next(iter(ejected.values()))[0].parent
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select",
        "E,F,I,UP,B,W",
        "--line-length",
        "110",
    ]
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_passes_mypy(ejected, tmp_path):
    files = [str(path) for path, _ in ejected.values()]
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--ignore-missing-imports",
        "--config-file=",
        "--cache-dir",
        str(tmp_path),
    ]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout


def test_imports_torch_and_the_standard_library_alone(ejected):
    for path, _ in ejected.values():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            assert all(name.split(".")[0] in sys.stdlib_module_names | {"torch"} for name in names)


def test_holds_the_classes_used_and_no_other(ejected):
    text = ejected["mamba-tiny"][0].read_text()
    assert "class Mamba(" in text
    assert "class PreNormBlock(" in text
    assert not re.search(r"class (Attention|Mamba2|LayerNorm|PostNormBlock|FusedBlock)\(", text)


def test_the_header_names_the_architecture(ejected, graph):
    head = ast.get_docstring(ast.parse(ejected["nemotron-h-tiny"][0].read_text()))
    assert head.startswith("nemotron-h-tiny: 13 blocks, d_model 64, ")
    assert f"13 blocks, {graph('nemotron-h-tiny').graph['plan'].pattern}" in head
    assert "arXiv:2504.03624" in head


def test_the_layout_is_folded(graph):
    text = generate(graph("nemotron-h-56b")).text
    assert (
        "LAYERS = 10 * (3 * [mamba2, ffn] + [mamba2, attention, ffn, mamba2, ffn]) + 4 * [mamba2, ffn]"
        in text
    )


# Names that a recipe brings along ----------------------------------------------------------------------------------

NAMED = """
recipe: {recipe}
d_model: 16
vocab_size: 32
blocks:
  {block}: {{mixer: mamba2, n_heads: 2, head_dim: 16, d_state: 8}}
  other: {{mixer: mlp}}
model:
  - embed: tokens
  - stack: {{name: {stack}, layers: [{block}, other, {block}], norm: rmsnorm}}
  - norm: rmsnorm
  - head: {{lm: {{tied: true}}}}
"""


@pytest.mark.parametrize(
    "block", ["rms_norm", "zip", "Mamba2", "class", "LAYERS", "torch", "init_weights", "F", "a-2"]
)
def test_names_of_blocks_hide_nothing(block):
    model = blocks.build(NAMED.format(recipe="any", block=block, stack="layers"))
    assert model(torch.zeros(1, 3, dtype=torch.int64))[0].isfinite().all()


@pytest.mark.parametrize(
    "recipe", ["mamba2", "pre-norm-block", "tensor", "any", "3-layers", "rms-norm", "RMSNorm"]
)
def test_names_of_recipes_hide_nothing(recipe):
    model = blocks.build(NAMED.format(recipe=recipe, block="a", stack="layers"))
    assert model(torch.zeros(1, 3, dtype=torch.int64))[0].isfinite().all()


@pytest.mark.parametrize(
    "stack", ["x", "y", "state", "mask", "tokens", "layer", "before", "new", "norm", "embed"]
)
def test_stacks_may_have_any_other_name(stack):
    model = blocks.build(NAMED.format(recipe="any", block="a", stack=stack))
    logits, state = model(torch.zeros(1, 3, dtype=torch.int64))
    assert logits.isfinite().all()
    assert model(torch.zeros(1, 1, dtype=torch.int64), state)[0].shape == (1, 1, 32)


def test_a_second_stack_and_a_bare_one(graph):
    text = """
recipe: two
d_model: 16
vocab_size: 32
blocks: {a: {mixer: mlp}, b: {mixer: multi_head, n_heads: 2}}
model:
  - embed: tokens
  - stack: {layers: [a, b], residual: post}
  - stack: {name: more, layers: [b, a], residual: none, norm: layernorm}
"""
    model = blocks.build(text)
    hidden, state = model(torch.zeros(2, 5, dtype=torch.int64))
    assert hidden.shape == (2, 5, 16)
    assert state.keys() == {"layers", "more"}


# Fused kernels -----------------------------------------------------------------------------------------------------

FUSED = """
import json, sys
import torch
import blocks
from blocks_compiler.backends.source import generate

torch.set_num_threads(1)
BARE = '''
recipe: bare
d_model: 32
vocab_size: 64
blocks: {a: {mixer: mlp}, b: {mixer: multi_head, n_heads: 2}}
model:
  - embed: tokens
  - stack: {layers: [a, b, a]}
  - stack: {name: more, layers: [b]}
  - head: {lm: {tied: true}}
'''
MIXED = BARE.replace("{mixer: mlp}", "{mixer: mlp, norm: layernorm}")
found = {}
for name in [*sys.argv[1:], BARE, MIXED]:
    fused = blocks.compile_graph(name, kernels="triton")
    text = generate(fused).text
    ids = torch.arange(22).reshape(2, 11) % 64
    with torch.no_grad():
        fast = blocks.build(name, kernels="triton")
        slow = blocks.build(name, kernels="reference")
        wanted, state = slow(ids)
        got, held = fast(ids)
        later, _ = fast(ids[:, :1], held)
        later_wanted, _ = slow(ids[:, :1], state)
    error = max((a - b).abs().max().item() / b.abs().max().item() for a, b in ((got, wanted), (later, later_wanted)))
    roles = [node.role for node in fused.walk()]
    found[fused.graph["plan"].name + ("-mixed" if name == MIXED else "")] = {
        "error": error, "adds": roles.count("add"), "add_norms": roles.count("add_norm"),
        "block": "class FusedBlock(" in text, "last": "_, x = self.norm.add(x, y)" in text,
        "sum": text.count("x = x + y"), "kernel": "from blocks_triton" in text,
        "names": list(fast.state_dict()) == list(slow.state_dict()),
    }
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def fused() -> dict[str, dict[str, object]]:
    """What kernels="triton" makes of some models, in a process in which Triton interprets."""
    pytest.importorskip("triton")
    root = Path(__file__).parents[4] / "recipes"
    done = subprocess.run(
        [sys.executable, "-c", FUSED, str(root / "llama-3.1-tiny.yaml"), str(root / "nemotron-h-tiny.yaml")],
        capture_output=True, text=True, check=False, env={**os.environ, "TRITON_INTERPRET": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_fused_models_agree_with_the_reference(fused):
    assert len(fused) == 4
    for name, found in fused.items():
        assert found["error"] < 1e-5, name
        assert found["names"], name
        assert found["kernel"], name


@pytest.mark.parametrize(("name", "depth"), [("llama-3.1-tiny", 4), ("nemotron-h-tiny", 13)])
def test_every_sum_goes_to_a_norm_the_last_one_to_the_final_norm(fused, name, depth):
    assert fused[name]["adds"] == 0
    assert fused[name]["add_norms"] == depth
    assert fused[name]["block"]
    assert fused[name]["last"]
    assert fused[name]["sum"] == 0


def test_a_stack_without_a_final_norm_adds_its_last_sum_itself(fused):
    assert fused["bare"]["block"]
    assert not fused["bare"]["last"]
    assert fused["bare"]["sum"] >= 1


def test_a_stack_with_a_norm_that_cannot_fuse_is_left_as_it_is(fused):
    assert fused["bare-mixed"]["adds"] >= 1


# Pieces ------------------------------------------------------------------------------------------------------------


def test_one_component_alone():
    from blocks import Sizes
    from blocks_attention.specs import GroupedQuery
    from blocks_positions.specs import RoPE

    bound = GroupedQuery(n_heads=8, n_kv_heads=2, position=RoPE()).bind(Sizes(64))
    text = generate_component(bound, 64).text
    assert "class Attention(" in text
    assert "class RoPE(" in text
    assert "SlidingWindow" not in text


def test_a_model_built_again_has_the_same_class(graph):
    first = build_module(graph("gpt2-tiny"))
    assert type(build_module(graph("gpt2-tiny"))) is type(first)
