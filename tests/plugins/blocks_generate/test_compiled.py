"""Decoding in one graph: the same texts, compiled once, and a state that stays where it is."""

import gc
import weakref

import pytest
import torch
from torch._dynamo.utils import counters
from torch.utils._pytree import tree_leaves

import blocks
from blocks_generate import complete, generate
from blocks_generate.compiled import CompiledLanguageModel, compiled

EVERY_STATE = """
recipe: every-state
d_model: 16
vocab_size: 256
blocks:
  whole: {mixer: multi_head, n_heads: 2, position: rope}
  window: {mixer: sliding_window, n_heads: 2, window: 5, position: alibi}
  sinks: {mixer: sliding_window, n_heads: 2, window: 4, global_tokens: 2, position: rope}
  mamba2: {mixer: mamba2, n_heads: 2, head_dim: 8, d_state: 4}
  mamba: {mixer: mamba, d_inner: 16, d_state: 4}
  gru: {mixer: gru, hidden: 16}
  borrowed: {mixer: multi_head, n_heads: 2, position: rope, kv_from: "whole[0]"}
model:
  - embed: tokens
  - position: sinusoidal
  - stack: {layers: [whole, window, sinks, mamba2, mamba, gru, borrowed], norm: rmsnorm}
  - head: lm
"""
PROMPTS = [[72, 3, 4, 5], [7], [9, 9, 9]]


@pytest.fixture(autouse=True)
def traced(monkeypatch):
    """Graphs are made and counted as ever, and run by torch's own operators."""
    compile = torch.compile
    monkeypatch.setattr(
        "blocks_generate.compiled.torch.compile",
        lambda f, **more: compile(f, **more | {"backend": "eager"}),
    )
    torch._dynamo.reset()
    counters.clear()
    with torch._dynamo.config.patch(error_on_recompile=True):
        yield
    torch._dynamo.reset()


@pytest.mark.parametrize(
    "recipe", [EVERY_STATE, "gpt2-tiny", "rnnsearch-tiny"], ids=["every state", "gpt2", "rnnsearch"]
)
def test_one_graph_writes_the_same_texts(make, recipe):
    model = make(recipe)
    options = {"max_new_tokens": 52, "temperature": 0, "start": 0}
    found = complete(generate(model, None, PROMPTS, compile=True, **options))
    assert found == complete(generate(model, None, PROMPTS, **options))
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]


def test_rows_that_have_ended_stay_and_say_nothing(make):
    model = make("gpt2-tiny")
    free = complete(generate(model, None, PROMPTS, max_new_tokens=12, temperature=0))
    eos = [free[0].tokens[0], free[1].tokens[4]]
    options = {"max_new_tokens": 12, "temperature": 0, "eos": eos}
    found = complete(generate(model, None, PROMPTS, compile=True, **options))
    assert found == complete(generate(model, None, PROMPTS, **options))
    assert [text.reason for text in found][:2] == ["eos", "eos"]
    assert len({len(text.tokens) for text in found}) > 1


def test_samples_and_beams(make, coder):
    model = make(EVERY_STATE)
    for options in (
        {"samples": 3, "temperature": 0.9, "repetition_penalty": 1.2},
        {"beams": 3, "samples": 2},
    ):
        torch._dynamo.reset()
        given = {"max_new_tokens": 10, **options}
        found = complete(generate(model, coder, ["To be", "A"], compile=True, **given))
        plain = complete(generate(model, coder, ["To be", "A"], **given))
        assert [text.tokens for text in found] == [text.tokens for text in plain]


def test_positions_that_run_out_slide(make):
    """Rows that have ended among them: their positions go on, and run out too."""
    model = make("gpt2-tiny")
    prompts = [[7] * 200, [1, 2, 3]]
    free = complete(generate(model, None, prompts, max_new_tokens=5, temperature=0))
    options = {"max_new_tokens": 330, "temperature": 0, "slide": True, "eos": [free[0].tokens[4]]}
    found = complete(generate(model, None, prompts, compile=True, **options))
    assert found == complete(generate(model, None, prompts, **options))
    assert found[0].reason == "eos"
    assert len(found[1].tokens) > 260


def test_a_state_stays_where_it_is(make):
    """Also that of a second batch, where addresses have to be those of the first."""
    model = make(EVERY_STATE)
    language = CompiledLanguageModel(model, 20, fixed=True)
    plain = CompiledLanguageModel(model, 20, fixed=False)
    places = []
    with torch.no_grad():
        for texts in ([[1, 2, 3], [4]], [[5, 6], [7, 8]]):
            logits, state = language.read(texts, [], 9)
            wanted, other = plain.read(texts, [], 9)
            for _ in range(4):
                assert torch.equal(logits, wanted)
                tokens = logits.argmax(-1)
                logits, state = language.step(tokens, state)
                wanted, other = plain.step(tokens, other)
                places.append([leaf.data_ptr() for leaf in tree_leaves(state) if leaf is not None])
    assert all(place == places[0] for place in places)
    assert len(places[0]) == 15


def test_later_calls_find_the_graphs_and_there_may_be_many(make):
    """More sizes than torch compiles of one function: each has a graph of its own, made once."""
    model = make("gpt2-tiny")
    for _ in range(2):
        for rows in range(1, 11):
            texts = complete(
                generate(model, None, PROMPTS[:1] * rows, max_new_tokens=4, temperature=0, compile=True)
            )
            assert len({text.tokens for text in texts}) == 1
        assert counters["stats"]["unique_graphs"] == 10


def test_a_model_that_is_gone_keeps_no_graph():
    model = blocks.build("gpt2-tiny")
    kept = weakref.ref(compiled(model, 9, known=None))
    assert compiled(model, 5, known=None) is kept()
    complete(generate(model, None, [[1]], max_new_tokens=3, compile=True))
    assert kept().graphs
    del model
    gc.collect()
    assert kept() is None


def test_what_grows_and_has_no_room_is_refused(make, monkeypatch):
    model = blocks.build("mistral-tiny")
    mixer = next(type(m) for m in model.modules() if hasattr(m, "reserve"))
    monkeypatch.delattr(next(c for c in mixer.__mro__ if "reserve" in vars(c)), "reserve")
    with pytest.raises(blocks.BuildError, match="mistral-tiny has a state that grows") as caught:
        complete(generate(model, None, [[1]], max_new_tokens=4, compile=True))
    assert caught.value.diagnostics[0].code == "B1709"


def test_the_command_compiles(make, tmp_path, capsys):
    from blocks.cli import main

    assert main(["build", "mamba-tiny", "-o", str(tmp_path / "m"), "--set", "tokenizer=byte"]) == 0
    shown = []
    for more in ([], ["--compile"]):
        capsys.readouterr()
        assert main(["generate", str(tmp_path / "m"), "--prompt", "Hi", "--max-new-tokens", "9", *more]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert counters["stats"]["unique_graphs"] == 1
