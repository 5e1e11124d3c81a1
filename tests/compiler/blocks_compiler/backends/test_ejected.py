"""Ejected files of rich recipes: clean to ruff and mypy --strict, and the built model to the bit without blocks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import blocks
from blocks_compiler.backends.source import generate

HEAD = """\
recipe: {name}
d_model: 16
vocab_size: 32
blocks:
  a:     {{mixer: multi_head, n_heads: 2, position: rope}}
  w:     {{mixer: sliding_window, n_heads: 2, window: 3}}
  f:     {{mixer: mlp, d_ff: 24}}
  own:   {{mixer: gated_mlp, d_ff: 24, norm: layernorm, scale: 0.5, layer_scale: 0.1}}
  p:     {{parallel: [a, own, own], join: mean, out_norm: rmsnorm}}
  cat:   {{parallel: [w, f], join: concat, residual: sandwich, layer_scale: 1e-4}}
  deep:  {{mixer: mlp, d_ff: 24, residual: post, alpha: deepnorm, scale: 1 / 3}}
  s:     {{mixer: multi_head, n_heads: 2, share: true, adapter: {{low_rank: {{rank: 2}}}}}}
  half:  {{mixer: mlp, d_ff: 24, share: thin, scale: 0.5}}
  full:  {{mixer: mlp, d_ff: 24, share: thin}}
  kv:    {{mixer: multi_head, n_heads: 2, position: rope, kv_from: a}}
  table: {{mixer: multi_head, n_heads: 2, position: {{relative: {{share: bias}}}}}}
  wide:  {{mixer: gru, hidden: 20, residual: none, norm: none}}
  read:  {{mixer: multi_head, n_heads: 2, mask: bidirectional}}
"""
CROSS = """\
  cross: {mixer: multi_head, n_heads: 2, memory: encoder}
  both:  {parallel: [a, cross], residual: sandwich}
"""
LM = "  - head: lm\n"


def one(layers: str, *after: str, embed: str = "tokens") -> str:
    return f"model:\n  - embed: {embed}\n  - stack: {{layers: '{layers}'}}\n{''.join(after) or LM}"


def streams(encoder: str, decoder: str, head: str = "head: lm", embed: str = "tokens") -> str:
    parts = [f"    - embed: {embed}\n    - stack: {{layers: '{layers}'}}\n" for layers in (encoder, decoder)]
    return f"{CROSS}model:\n  encoder:\n{parts[0]}  decoder:\n{parts[1]}    - {head}\n"


RECIPES = {
    "parallel": one("2 x [a, p, cat]"),
    "factors": one("3 x [a, deep]", "  - norm: layernorm\n", LM),
    "adapted": one("3 x [s, f]", "  - head: {lm: {tied: true}}\n"),
    "halves": one("full, half, half, full"),
    "borrowed": one("a, kv, f, 3 x [kv], a, kv"),
    "tables": one("table, f, table, table"),
    "widths": one("a, wide, own"),
    "heads": one(
        "a, f", "  - heads: {words: {lm: {tied: true}}, kind: {classifier: {n_classes: 3, pool: last}}}\n"
    ),
    "encoder-decoder": streams("2 x [read, f]", "2 x [a, cross, both, f]"),
    "shared-streams": streams(
        "s, full", "s, cross, half", "head: {lm: {tied: true}}", "{tokens: {share: w}}"
    ),
    "two-heads": streams(
        "read", "a, cross, kv", "heads: {words: lm, kind: {classifier: {n_classes: 3, pool: last}}}"
    ),
    "source": streams("read", "a, cross, both").replace("encoder", "source"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files, each with weights and what the built model makes of a few tokens."""
    path = tmp_path_factory.mktemp("ejected")
    for name, text in RECIPES.items():
        text = HEAD.format(name=name) + text
        source = generate(blocks.compile_graph(text))
        (path / f"{name.replace('-', '_')}.py").write_text(source.text)
        model = blocks.build(text).eval()
        tokens = torch.arange(10).view(2, 5)
        with torch.no_grad():
            found = model(*(tokens,) * text.count("- embed:"))[0]
        outputs = found if isinstance(found, dict) else {"x": found}
        weights = {key: value.clone() for key, value in model.state_dict().items()}
        about = {"class": source.class_name, "streams": str(text.count("- embed:"))}
        tensors = {f"w.{k}": v for k, v in weights.items()} | {f"y.{k}": v for k, v in outputs.items()}
        save_file(tensors, path / f"{name.replace('-', '_')}.safetensors", about)
    return path


def run(*command: str, cwd: Path) -> None:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_finds_nothing(folder: Path) -> None:
    limit = "lint.pycodestyle.max-line-length = 120"  # that of the plugins, whose text it is
    run("-m", "ruff", "check", "--isolated", "--select", "E,F,I", "--config", limit, ".", cwd=folder)


def test_mypy_finds_nothing(folder: Path, tmp_path: Path) -> None:
    files = [path.name for path in sorted(folder.glob("*.py"))]
    run("-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(tmp_path), *files, cwd=folder)


PROGRAM = """
import importlib, pathlib, sys
for name in ("blocks", "blocks_compiler", "pydantic", "networkx"):
    sys.modules[name] = None
sys.path.insert(0, ".")
import torch
from safetensors import safe_open
for path in sorted(pathlib.Path(".").glob("*.safetensors")):
    with safe_open(path, "pt") as kept:
        about = kept.metadata()
        tensors = {key: kept.get_tensor(key) for key in kept.keys()}
    module = importlib.import_module(path.stem)
    torch.manual_seed(7)
    model = getattr(module, about["class"])().eval()
    model.load_state_dict({key[2:]: value for key, value in tensors.items() if key[0] == "w"})
    for drawn in (False, True):
        if drawn:
            module.init_weights(model, 0)
        tokens = torch.arange(10).view(2, 5)
        with torch.no_grad():
            found = model(*(tokens,) * int(about["streams"]))[0]
        for key, value in (found if isinstance(found, dict) else {"x": found}).items():
            assert torch.equal(value, tensors["y." + key]), (path, key, drawn)
    print(path.stem)
"""


def test_it_is_the_same_model_where_blocks_cannot_be_imported(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == len(RECIPES) == len(list(folder.glob("*.safetensors")))
    assert load_file(next(folder.glob("*.safetensors")))
