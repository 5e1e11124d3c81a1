"""The loss on a corpus: that of one pass whatever the pieces, or that of windows; and what follows from it."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import blocks
from blocks import BlocksError
from blocks_train.evaluation.measure import bits_per_byte, complaints, measure, perplexity

RECURRENT = """
recipe: recurrent
d_model: 16
vocab_size: 40
blocks:
  memory: {mixer: gru}
  local: {mixer: sliding_window, n_heads: 2, window: 5, position: rope}
  space: {mixer: mamba2, head_dim: 8, d_state: 8}
  ffn: {mixer: mlp, d_ff: 32}
model:
  - embed: tokens
  - stack: {layers: [memory, ffn, local, space]}
  - norm: rmsnorm
  - head: {lm: {logit_cap: 5.0}}
"""
ATTENTION = RECURRENT.replace("[memory, ffn, local, space]", "[attention, ffn]").replace(
    "blocks:\n", "blocks:\n  attention: {mixer: multi_head, n_heads: 2, position: rope}\n"
)
LEARNED = RECURRENT.replace("[memory, ffn, local, space]", "[memory]").replace(
    "  - stack", "  - position: {learned: {max_len: 12}}\n  - stack"
)


@dataclass
class Texts:
    """What `measure` asks of a corpus."""

    documents: list
    bytes: int = 500

    def __len__(self):
        return len(self.documents)

    @property
    def tokens(self):
        return np.concatenate(self.documents)

    def document(self, index):
        return self.documents[index]


def texts(*lengths):
    random = np.random.default_rng(0)
    return Texts([random.integers(0, 40, length).astype(np.uint16) for length in lengths])


@pytest.fixture(scope="module")
def made():
    found = {}

    def model(text):
        if text not in found:
            built = blocks.build(blocks.load(text))
            with torch.no_grad():
                for number, parameter in enumerate(built.parameters()):
                    parameter += 0.3 * torch.randn(
                        parameter.shape, generator=torch.Generator().manual_seed(number)
                    )
            found[text] = built, blocks.load(built.recipe).plan()
        return found[text]

    return model


def one_pass(model, corpus):
    """The mean loss of each document alone, whole."""
    total = 0.0
    with torch.no_grad():
        for document in corpus.documents:
            if len(document) > 1:
                tokens = torch.from_numpy(document.astype(np.int64))[None]
                logits = model(tokens[:, :-1])[0][0].double()
                total += float(F.cross_entropy(logits, tokens[0, 1:], reduction="sum"))
    return total / sum(max(0, len(document) - 1) for document in corpus.documents)


@pytest.mark.parametrize("context", [1, 4, 7, 1000])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_carried_state_gives_what_one_pass_gives(made, context, batch):
    model, plan = made(RECURRENT)
    corpus = texts(37, 1, 12, 50, 2, 13)
    found = measure(model, plan, corpus, context=context, batch=batch)
    assert found.stride is None
    assert found.scored == corpus.tokens.size - len(corpus)
    assert abs(found.loss - one_pass(model, corpus)) < 1e-5


def test_one_pass_of_a_long_text_is_the_same_as_many_pieces(made):
    model, plan = made(RECURRENT)
    corpus = texts(3000)
    losses = [measure(model, plan, corpus, context=context).loss for context in (3000, 256)]
    assert abs(losses[0] - losses[1]) < 1e-5


def test_windows_that_hold_the_whole_text_give_what_one_pass_gives(made):
    model, plan = made(ATTENTION)
    corpus = texts(30, 5, 17)
    found = measure(model, plan, corpus, context=64)
    assert (found.context, found.stride) == (64, 32)
    assert abs(found.loss - one_pass(model, corpus)) < 1e-5


@pytest.mark.parametrize("stride", [1, 3, 8])
@pytest.mark.parametrize("batch", [1, 4])
def test_windows_are_scored_as_they_are_read(made, stride, batch):
    model, plan = made(ATTENTION)
    corpus = texts(29)
    tokens = torch.from_numpy(corpus.documents[0].astype(np.int64))
    losses, end = [], 0
    with torch.no_grad():
        while end < 28:
            before, end = end, min(28, end + stride if end else 8)
            start = end - 8
            logits = model(tokens[None, start:end])[0][0]
            losses.append(
                F.cross_entropy(logits, tokens[start + 1 : end + 1], reduction="none")[before - start :]
            )
    wanted = float(torch.cat(losses).double().mean())
    assert len(torch.cat(losses)) == 28
    found = measure(model, plan, corpus, context=8, stride=stride, batch=batch)
    assert abs(found.loss - wanted) < 1e-5
    assert found.stride == stride


def test_a_recurrent_model_is_read_in_windows_where_that_is_asked_for(made):
    model, plan = made(RECURRENT)
    corpus = texts(200)
    found = measure(model, plan, corpus, context=8, stride=8)
    assert found.stride == 8
    assert abs(found.loss - one_pass(model, corpus)) > 1e-4


def test_figures_follow_from_the_loss(made):
    model, plan = made(RECURRENT)
    corpus = texts(40, 1)
    steps = []
    found = measure(model, plan, corpus, context=8, step=steps.append)
    assert math.isclose(found.perplexity, math.exp(found.loss))
    assert math.isclose(found.bits_per_byte, found.loss * 41 / 500 / math.log(2))
    assert (found.tokens, found.scored, found.bytes, found.texts) == (41, 39, 500, 2)
    assert sum(steps) == 39
    assert bits_per_byte(math.log(256), 100, 100) == pytest.approx(8)
    assert perplexity(0.0) == 1
    assert perplexity(1e4) is None


def test_the_context_is_what_the_recipe_says_or_the_positions_hold(made):
    model, plan = made(LEARNED)
    corpus = texts(30)
    assert measure(model, plan, corpus).context == 12
    trained = blocks.load(LEARNED + "train: {context: 9}\n").plan()
    assert measure(model, trained, corpus).context == 9
    assert measure(*made(ATTENTION), corpus).context == 1024
    with pytest.raises(
        BlocksError, match="13 tokens at once are more than the 12 that recurrent has positions for"
    ):
        measure(model, plan, corpus, context=13)
    with pytest.raises(BlocksError, match="a stride of 20 leaves out tokens between windows of 12"):
        measure(model, plan, corpus, stride=20)


def test_the_model_is_evaluated_and_left_as_it_was(made):
    model, plan = made(RECURRENT)
    seen = []
    hook = model.norm.register_forward_hook(lambda module, *_: seen.append(module.training))
    for mode in (True, False):
        model.train(mode)
        measure(model, plan, texts(9))
        assert model.training is mode
    hook.remove()
    assert seen == [False, False]


@pytest.mark.parametrize(
    ("lengths", "said"),
    [((1,), "the text is one token, and"), ((1, 1), "none of 2 texts has two tokens, and")],
)
def test_texts_of_one_token_are_refused(made, lengths, said):
    with pytest.raises(BlocksError, match=said) as caught:
        measure(*made(RECURRENT), texts(*lengths))
    assert caught.value.diagnostics[0].code == "B1802"


def test_a_loss_that_is_no_number_is_refused(made):
    model, plan = made(ATTENTION)
    broken = blocks.build(model.recipe)
    torch.nn.init.constant_(broken.head.weight, math.nan)
    with pytest.raises(BlocksError, match="the loss of recurrent is nan, no number"):
        measure(broken, plan, texts(9))


def test_complaints_say_why_a_model_predicts_no_next_token():
    (found,) = complaints(blocks.load("recipes/vit-tiny.yaml").plan())
    assert (found.code, found.message) == (
        "B1801", "vit-tiny: next_token is for a model of tokens, and this one reads pixels",
    )  # fmt: skip
    assert not list(complaints(blocks.load("recipes/gpt2-tiny.yaml").plan()))
