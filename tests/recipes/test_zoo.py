"""The zoo: every recipe is small and says where it is from; it is drawn, costed, ejected, built, padded and stepped."""

import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import blocks
from blocks import Plan
from blocks.canonical import canonical
from blocks.published import published
from blocks.same import same_plan
from blocks_compiler.backends.diagram import diagram
from blocks_compiler.backends.render import render
from blocks_compiler.backends.source import generate

FOLDER = Path(__file__).resolve().parents[2] / "recipes" / "zoo"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
ENCODERS = {"albert", "bert-like", "longformer-like"}
TWO_STREAMS = {"bahdanau", "t5-like"}
DECODERS = [name for name in NAMES if name not in ENCODERS]
MAX_LINES, TOKENS = 45, 70  # a screenful; more than the windows of 64

WANTED = {
    "albert", "bahdanau", "bert-like", "falcon-h1-like", "gemma-2-like", "gpt-j-like", "hymba-like", "kv-sharing",
    "longformer-like", "macaron", "t5-like", "zamba2-like",
}  # fmt: skip


@cache
def plan(name: str) -> Plan:
    return blocks.load(f"zoo/{name}").plan()


@cache
def model(name: str) -> Any:
    """The model in double precision, with every parameter moved from where it starts."""
    made = blocks.build(f"zoo/{name}", dtype="float64").eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return made


def texts(name: str, columns: int = TOKENS) -> tuple[Tensor, Tensor]:
    """A source of 7 tokens, for the models that read one, and a text; two rows."""
    generator = torch.Generator().manual_seed(1)
    vocabulary = plan(name).sizes.vocab_size
    assert vocabulary is not None
    source, text = (torch.randint(0, vocabulary, (2, n), generator=generator) for n in (7, columns))
    return source, text


def called(name: str, source: Tensor | None, text: Tensor, state: Any = None, mask: Any = None) -> Any:
    """Outputs and state of the model, whether it reads a source or not."""
    if name in TWO_STREAMS:
        return model(name)(source, text, state, None, mask)
    return model(name)(text, state, mask)


def assert_same(ours: Any, theirs: Any) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_the_architectures_are_there() -> None:
    assert set(NAMES) >= WANTED
    assert {f"zoo/{name}" for name in NAMES} == {name for name in published() if name.startswith("zoo/")}


def test_a_wheel_holds_them() -> None:
    settings = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["blocks_recipes"]
    packed = {path for pattern in patterns for path in FOLDER.parent.glob(pattern)}
    assert packed == set(FOLDER.parent.rglob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_screenful_that_says_where_it_is_from(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    assert plan(name).name == name
    assert len(text.splitlines()) < MAX_LINES
    assert max(map(len, text.splitlines())) <= 110
    assert text.endswith("\n")
    assert not re.search(r"[ \t]+$", text, re.MULTILINE)
    about = " ".join(plan(name).about.split())
    assert re.search(r"[A-Z]\w+( et al\.| and [A-Z]\w+)? (19|20)\d\d\b", about), "no authors and year"
    assert re.search(r"arXiv:\d{4}\.\d{4,5}", about) or name == "gpt-j-like"  # GPT-J was published as code


@pytest.mark.parametrize("name", NAMES)
def test_the_canonical_recipe_is_the_same_model(name: str) -> None:
    text = canonical(plan(name))
    again = blocks.load(text).plan()
    assert canonical(again) == text
    assert same_plan(again, plan(name))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_drawn(name: str) -> None:
    graph = blocks.compile_graph(f"zoo/{name}")
    for inside in (False, True):
        assert diagram(graph, inside=inside).startswith("digraph")
    assert b"<svg" in render(diagram(graph), "svg")


@pytest.mark.parametrize("name", NAMES)
def test_it_is_costed(name: str) -> None:
    made = sum(parameter.numel() for parameter in model(name).parameters())
    report = blocks.report(f"zoo/{name}", context=1000)
    assert report.total.parameters == plan(name).parameters == made
    assert report.total.forward > 0
    longer = blocks.report(f"zoo/{name}", context=2000)
    grows = longer.total.state_bytes > report.total.state_bytes
    assert grows == (name not in ENCODERS)


def test_the_sources_are_tidy_and_compile(tmp_path: Path) -> None:
    for name in NAMES:
        source = generate(blocks.compile_graph(f"zoo/{name}"))
        compile(source.text, name, "exec")
        (tmp_path / f"{source.class_name.lower()}.py").write_text(source.text, encoding="utf-8")
    assert len(list(tmp_path.iterdir())) == len(NAMES)
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E,F,I", "--line-length", "110"]
    done = subprocess.run([*ruff, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_padding_changes_nothing(name: str) -> None:
    source, text = texts(name, columns=19)
    mask = torch.ones(2, 19, dtype=torch.bool)
    mask[0, 3:6], mask[1, :2], mask[1, 15:] = False, False, False
    padded, _ = called(name, source, text.masked_fill(~mask, 5), mask=mask)
    for row in range(2):
        alone, _ = called(name, source[row : row + 1], text[row : row + 1, mask[row]])
        if isinstance(padded, dict):
            assert_same(padded["words"][row, mask[row]], alone["words"][0])
            assert_same(padded["next"][row], alone["next"][0])
        else:
            assert_same(padded[row, mask[row]], alone[0])


@torch.no_grad()
@pytest.mark.parametrize("name", DECODERS)
def test_steps_give_what_the_whole_gives(name: str) -> None:
    source, text = texts(name)
    whole, _ = called(name, source, text)
    state, parts = None, []
    for part in text.split((59, 1, 1, 4, 1, 1, 1, 2), dim=1):
        logits, state = called(name, source if state is None else None, part, state)
        parts.append(logits)
    assert_same(torch.cat(parts, dim=1), whole)


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_what_comes_later_is_seen_by_encoders_alone(name: str) -> None:
    source, text = texts(name, columns=12)
    changed = text.clone()
    changed[:, 8:] += 1
    changed %= plan(name).sizes.vocab_size or 1
    before, after = ((y["words"] if isinstance(y, dict) else y) for y, _ in (
        called(name, source, text), called(name, source, changed)
    ))  # fmt: skip
    assert torch.allclose(before[:, :8], after[:, :8], rtol=0, atol=1e-12) == (name not in ENCODERS)
    assert not torch.allclose(before[:, 8:], after[:, 8:])


# What each of them is there to say


def test_albert_has_the_published_number_of_parameters() -> None:
    embeddings = (30_000 + 2 + 512 + 2) * 128  # words, types, positions, a norm
    widened, shared = 128 * 768 + 768, 7_087_872  # one attention block, one FFN block, a norm each
    head, pooler = 768 * 128 + 3 * 128 + 30_000, 768 * 768 + 768
    assert plan("albert").parameters == embeddings + widened + shared + head
    assert round((embeddings + widened + shared + pooler) / 1e5) == 117  # albert-base-v2: 11.7M


def test_zamba2_uses_one_block_with_adapters_of_their_own() -> None:
    layers = dict(model("zamba2-like").layers.named_children())
    uses = [
        layers[layer.path.rpartition(".")[2]] for layer in plan("zamba2-like").layers if layer.symbol == "*"
    ]
    assert len(uses) == 3
    assert len({id(use.mixer.qkv_proj.weight) for use in uses}) == 1
    assert len({id(use.adapter.down_proj.weight) for use in uses}) == 3


def test_half_of_the_blocks_keep_keys_and_values() -> None:
    """Two key/value heads of 32 channels, keys and values, two bytes each; four of eight attention blocks."""
    assert blocks.report("zoo/kv-sharing", context=1000).total.state_bytes == 4 * 2 * 2 * 32 * 1000 * 2
    lenders = {layer.kv_source for layer in plan("kv-sharing").layers if layer.kv_source}
    assert lenders == {"layers.0", "layers.4", "layers.8", "layers.12"}


def test_yoco_caches_once() -> None:
    """Four windows of 64 tokens, and the keys and values of one block for the whole context."""
    bytes_a_token = 2 * 2 * 32 * 2
    found = blocks.report("zoo/yoco-like", context=100_000).total.state_bytes
    assert found == pytest.approx(bytes_a_token * (4 * 64 + 100_000), rel=1e-4)  # and where the windows stand
    assert [layer.kv_source for layer in plan("yoco-like").layers if layer.kv_source] == 3 * ["layers.8"]


def test_hymba_attends_globally_in_the_first_the_middle_and_the_last_block() -> None:
    mixed = [layer.type.name for layer in plan("hymba-like").layers if layer.type.branches[1:]]
    assert [at for at, name in enumerate(mixed) if name == "global"] == [0, len(mixed) // 2, len(mixed) - 1]


def test_gains() -> None:
    kinds = {
        name: plan(name).layers[0].type for name in ("deepnorm", "macaron", "cait-like", "falcon-h1-like")
    }
    assert kinds["deepnorm"].alpha == pytest.approx((2 * 24) ** 0.25)
    assert kinds["macaron"].scale == 0.5
    assert kinds["cait-like"].layer_scale == 1e-5
    assert [branch.scale for branch in kinds["falcon-h1-like"].branches] == [1.0, 0.5]


def test_t5_has_one_table_of_distances_a_stack() -> None:
    t5 = model("t5-like")
    for stream, every in ((t5.encoder, 2), (t5.decoder, 3)):
        assert len({id(layer.mixer.position.weight) for layer in list(stream.layers)[::every]}) == 1
    assert t5.encoder.layers[0].mixer.position.weight is not t5.decoder.layers[0].mixer.position.weight
