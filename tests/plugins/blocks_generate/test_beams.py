"""Beam search: against every possible text of a tiny vocabulary, and against transformers."""

import itertools

import pytest
import torch

from blocks_generate import complete, generate


def every_text(model, prompt, n, eos, alpha):
    """All texts of n tokens, and shorter ones that eos ends: (score, tokens, reason), best first."""
    whole = torch.tensor([[*prompt, *text] for text in itertools.product(range(4), repeat=n)])
    with torch.no_grad():
        logp = model(whole)[0].log_softmax(-1)
    found = {}
    for row, ids in zip(logp, whole.tolist(), strict=True):
        text = ids[len(prompt) :]
        total = 0.0
        for at, token in enumerate(text):
            total += row[len(prompt) + at - 1, token].item()
            length = at + 1
            if token in eos or length == n:
                reason = "eos" if token in eos else "length"
                score = total / ((5 + length) ** alpha / 6**alpha)
                found[tuple(text[:length])] = (
                    score,
                    tuple(text[:at] if token in eos else text[:length]),
                    reason,
                )
                break
    return sorted(found.values(), reverse=True)


@pytest.mark.parametrize("eos", [(), (0,), (0, 3)])
@pytest.mark.parametrize("alpha", [0.0, 0.6, 3.0, -1.0])
def test_beams_that_miss_nothing_find_the_best_of_all_texts(make, eos, alpha):
    model = make(dtype="float64", by=0.5)
    for prompt in ([1], [2, 0, 1]):
        pieces = generate(
            model, None, [prompt], max_new_tokens=4, beams=256, samples=6, length_penalty=alpha, eos=eos
        )
        texts = complete(pieces)
        best = every_text(model, prompt, 4, eos, alpha)[:6]
        assert [(text.tokens, text.reason) for text in texts] == [entry[1:] for entry in best]
        torch.testing.assert_close([text.score for text in texts], [entry[0] for entry in best])


def test_a_search_that_ends_early_finds_what_one_to_the_end_does(make):
    """With few beams: the same as going on until every beam has ended, which a great number of samples asks for."""
    model = make(dtype="float64", by=0.5)
    for alpha in (0.0, 0.6, 2.0, -1.0):
        options = {"max_new_tokens": 12, "beams": 4, "length_penalty": alpha, "eos": (0,)}
        steps = []
        hook = model.register_forward_hook(lambda *_, steps=steps: steps.append(1))
        few = complete(generate(model, None, [[1, 2]], samples=1, **options))
        many = complete(generate(model, None, [[1, 2]], samples=4, **options))
        hook.remove()
        assert (few[0].tokens, few[0].score) == (many[0].tokens, many[0].score)
        assert [text.score for text in many] == sorted((text.score for text in many), reverse=True)


@pytest.mark.parametrize("eos", [None, 10])
@pytest.mark.parametrize("beams", [1, 2, 5])
def test_transformers_finds_the_same(make, beams, eos):
    import blocks_hf

    model = make("gpt2-tiny")
    prompt = torch.tensor([[5, 9, 200, 3]])
    theirs = blocks_hf.to_transformers(model).eval().generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, num_beams=beams,
        num_return_sequences=beams, length_penalty=0.0, early_stopping="never" if beams > 1 else False,
        do_sample=False, eos_token_id=eos, pad_token_id=0,
    )  # fmt: skip
    ours = complete(
        generate(
            model,
            None,
            prompt.tolist(),
            max_new_tokens=12,
            beams=beams,
            samples=beams,
            length_penalty=0.0,
            eos=() if eos is None else (eos,),
        )
    )
    for text, row in zip(ours, theirs.tolist(), strict=True):
        ended = [eos] if text.reason == "eos" else []
        wanted = [*prompt[0].tolist(), *text.tokens, *ended]
        assert row[: len(wanted)] == wanted
        assert not any(row[len(wanted) :])


@pytest.mark.parametrize("recipe", ["gpt2-tiny", "hybrid-tiny", "rnnsearch-tiny"])
def test_prompts_together_and_apart(make, coder, recipe):
    model = make(recipe)
    prompts = ["To be", "A", "Hello there"]
    options = {"max_new_tokens": 8, "beams": 3, "samples": 2, "repetition_penalty": 1.1}
    together = complete(generate(model, coder, prompts, **options))
    for number, prompt in enumerate(prompts):
        alone = complete(generate(model, coder, prompt, batch=1, chunk=2, **options))
        assert [text.tokens for text in alone] == [t.tokens for t in together if t.prompt == number]


def test_a_stop_string_ends_a_hypothesis(make, coder):
    model = make("gpt2-tiny")
    (free,) = complete(generate(model, coder, "To be", max_new_tokens=10, beams=1))
    at = next(i for i in range(2, len(free.text)) if "\ufffd" not in free.text[i - 1 : i + 1])
    stop = free.text[at - 1 : at + 1]
    (text,) = complete(generate(model, coder, "To be", max_new_tokens=10, beams=1, stop=[stop]))
    assert text.reason == "stop"
    assert text.text == free.text[: free.text.index(stop)]
