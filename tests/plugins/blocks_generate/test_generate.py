"""What generation gives does not depend on how it is computed: prompts, batches, chunks, whatever the state is."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import blocks
from blocks_generate import Piece, complete, generate

GRU = """
recipe: gru-lm
d_model: 24
vocab_size: 256
blocks:
  gru: {mixer: gru, hidden: 24}
model:
  - embed: tokens
  - stack: {depth: 2, cycle: [gru]}
  - head: lm
"""
RECIPES = [
    "gpt2-tiny",
    "hybrid-tiny",
    "mistral-tiny",
    "mamba-tiny",
    GRU,
    "transformer-tiny",
    "recipes/zoo/yoco-like.yaml",
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda text: text.split("\n")[-1] or "gru")
@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    prompts=st.lists(st.lists(st.integers(1, 255), min_size=1, max_size=40), min_size=1, max_size=4),
    batch=st.integers(1, 5),
    chunk=st.integers(1, 50),
)
def test_greedy_is_the_argmax_after_all_tokens_so_far(make, recipe, prompts, batch, chunk):
    model = make(recipe)
    texts = complete(
        generate(model, None, prompts, max_new_tokens=12, temperature=0, batch=batch, chunk=chunk, start=7)
    )
    assert [text.prompt for text in texts] == list(range(len(prompts)))
    for text, prompt in zip(texts, prompts, strict=True):
        ids = torch.tensor([[*prompt, *text.tokens]])
        with torch.no_grad():
            if recipe == "transformer-tiny":
                target = torch.tensor([[7, *text.tokens]])
                logits = model(torch.tensor([prompt]), target)[0][0, :-1]
            else:
                logits = model(ids)[0][0, len(prompt) - 1 : -1]
        assert text.tokens == tuple(logits.argmax(-1).tolist())
        assert (len(text.tokens), text.reason, text.score) == (12, "length", None)


@pytest.mark.parametrize("recipe", ["gpt2-tiny", "hybrid-tiny", "rnnsearch-tiny"])
def test_what_is_drawn_for_a_text_depends_on_no_other(make, coder, recipe):
    model = make(recipe)
    options = {"max_new_tokens": 10, "temperature": 1.3, "top_p": 0.9, "seed": 3}
    prompts = ["To be", "A", "Hello there", "To be"]
    together = {
        (t.prompt, t.sample): t.tokens
        for t in complete(generate(model, coder, prompts, samples=3, **options))
    }
    assert len(set(together.values())) == 12
    for batch in (1, 2, 5):
        again = complete(generate(model, coder, prompts, samples=3, batch=batch, chunk=3, **options))
        assert {(t.prompt, t.sample): t.tokens for t in again} == together
    (alone,) = complete(generate(model, coder, "Hello there", **options))
    assert alone.tokens == together[2, 0]
    (other,) = complete(generate(model, coder, "Hello there", **options | {"seed": 4}))
    assert other.tokens != alone.tokens


@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_greedy_is_that_of_transformers(make, penalty):
    import blocks_hf

    model = make("gpt2-tiny")
    prompt = torch.tensor([[5, 9, 200, 3], [1, 2, 3, 4]])
    theirs = blocks_hf.to_transformers(model).eval().generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=20, do_sample=False,
        repetition_penalty=penalty, pad_token_id=0, eos_token_id=None,
    )  # fmt: skip
    ours = complete(
        generate(model, None, prompt.tolist(), max_new_tokens=20, temperature=0, repetition_penalty=penalty)
    )
    assert [[*row.tolist(), *text.tokens] for row, text in zip(prompt, ours, strict=True)] == theirs.tolist()


def test_an_encoder_decoder_is_that_of_transformers(make):
    import blocks_hf

    model = make("transformer-tiny")
    source = torch.tensor([[5, 9, 200, 3]])
    wrapped = blocks_hf.to_transformers(model, decoder_start_token_id=7, pad_token_id=0).eval()
    theirs = wrapped.generate(
        source, attention_mask=torch.ones_like(source), max_new_tokens=9, do_sample=False, eos_token_id=None
    )
    (ours,) = complete(generate(model, None, source.tolist(), max_new_tokens=9, temperature=0, start=7))
    assert [7, *ours.tokens] == theirs[0].tolist()


def test_eos_ends_a_text_and_is_no_part_of_it_and_the_others_go_on(make):
    model = make("gpt2-tiny")
    prompts = [[5, 9], [1, 2, 3, 4], [77]]
    free = complete(generate(model, None, prompts, max_new_tokens=12, temperature=0))
    eos = free[1].tokens[4]
    texts = complete(generate(model, None, prompts, max_new_tokens=12, temperature=0, eos=[eos]))
    for text, whole in zip(texts, free, strict=True):
        if eos in whole.tokens:
            assert (text.tokens, text.reason) == (whole.tokens[: whole.tokens.index(eos)], "eos")
        else:
            assert text == whole
    assert texts[1].reason == "eos"
    assert {text.reason for text in texts} == {"eos", "length"}


def test_the_tokenizer_says_what_eos_is(make, coder):
    model = make("gpt2-tiny")
    plain = complete(generate(model, coder, "Hi", max_new_tokens=60, samples=32, batch=32, temperature=2.0))
    assert any(text.reason == "eos" for text in plain)
    assert all(0 not in text.tokens for text in plain)
    on = complete(
        generate(model, coder, "Hi", max_new_tokens=60, samples=32, batch=32, temperature=2.0, eos=())
    )
    assert {text.reason for text in on} == {"length"}


def test_positions_that_run_out_slide(make):
    """A table of 256: what is read after it is full is the last half of it, row by row."""
    model = make("gpt2-tiny")
    prompts = [[7] * 250, [1, 2, 3]]
    texts = complete(generate(model, None, prompts, max_new_tokens=300, temperature=0, slide=True))
    for text, prompt in zip(texts, prompts, strict=True):
        context = list(prompt)
        for token in text.tokens:
            if len(context) > 256:
                context = context[-128:]
            with torch.no_grad():
                assert model(torch.tensor([context]))[0][0, -1].argmax().item() == token
            context.append(token)


def test_pieces_come_a_token_at_a_time_and_add_up(make, coder):
    model = make("gpt2-tiny")
    pieces = list(generate(model, coder, ["To be", "é"], max_new_tokens=10, samples=2, eos=()))
    assert all(isinstance(piece, Piece) and len(piece.tokens) == 1 for piece in pieces)
    texts = complete(pieces)
    assert [(text.prompt, text.sample) for text in texts] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for text in texts:
        own = [p for p in pieces if (p.prompt, p.sample) == (text.prompt, text.sample)]
        assert [p.reason for p in own] == [None] * 9 + ["length"]
        assert text.text == coder.decode(text.tokens) == "".join(p.text for p in own)


def test_ids_that_the_tokenizer_lacks_are_not_written(coder):
    model = blocks.build(blocks.load("gpt2-tiny", set={"vocab_size": 300}))
    with torch.no_grad():
        model.embed.weight[256:] *= 100
    texts = complete(generate(model, coder, "Hi", max_new_tokens=30, samples=4))
    assert all(token < 256 for text in texts for token in text.tokens)
    free = complete(generate(model, None, [[72, 105]], max_new_tokens=30, samples=4))
    assert any(token >= 256 for text in free for token in text.tokens)


def test_the_model_is_left_as_it_was(make, coder):
    model = blocks.build("gpt2-tiny").train()
    model.layers[0].eval()
    before = [module.training for module in model.modules()]
    seen = []
    model.layers[1].register_forward_hook(lambda module, *_: seen.append(module.training))
    pieces = generate(model, coder, "Hi", max_new_tokens=5)
    next(pieces)
    assert torch.is_grad_enabled()
    pieces.close()
    assert [module.training for module in model.modules()] == before
    assert seen == [False]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("vit-tiny", "vit-tiny reads pixels, and a prompt is text"),
        ("recipes/zoo/bert-like.yaml", "which writes no tokens"),
    ],
)
def test_models_that_write_nothing(coder, recipe, message):
    with pytest.raises(blocks.BuildError, match=message) as caught:
        generate(blocks.build(recipe, device="meta"), coder, "Hi")
    assert caught.value.diagnostics[0].code == "B1702"


def test_a_module_of_another_kind(coder):
    with pytest.raises(blocks.UsageError, match="a Linear does not say what recipe"):
        generate(torch.nn.Linear(2, 2), coder, "Hi")
