"""generate(): every way of choosing, with the state of blocks as the cache."""

import pytest
import torch

from blocks_hf.cache import BlocksCache
from blocks_hf.modeling import CACHE


def greedy(model, ids, count):
    """By hand, with all tokens anew at each step."""
    for _ in range(count):
        ids = torch.cat([ids, model(ids)[0][:, -1:].argmax(-1)], dim=1)
    return ids


def test_greedy_is_greedy_row_by_row_without_padding(model, hf, causal, ids, left):
    got = hf(causal).generate(ids, attention_mask=left, max_new_tokens=12, do_sample=False)
    for row, mask, found in zip(ids, left, got, strict=True):
        alone = row[mask.bool()][None]
        assert torch.equal(found[-12:], greedy(model(causal), alone, 12)[0, -12:])


@pytest.mark.parametrize("name", ["gpt2-tiny", "nemotron-h-tiny"])
@pytest.mark.parametrize(
    "options", [{"num_beams": 3}, {"num_beams": 4, "num_beam_groups": 1, "length_penalty": 0.1}]
)
def test_beams_are_the_same_with_the_state_and_without(hf, name, options, ids, left):
    options = {"max_new_tokens": 8, "do_sample": False} | options
    kept = hf(name).generate(ids, attention_mask=left, **options)
    anew = hf(name).generate(ids, attention_mask=left, use_cache=False, **options)
    assert torch.equal(kept, anew)
    plain = hf(name).generate(ids, attention_mask=left, max_new_tokens=8, do_sample=False)
    assert not torch.equal(kept, plain)


def test_samples_are_the_same_with_the_state_and_without(hf, ids, left):
    options = {"max_new_tokens": 8, "do_sample": True, "top_k": 20, "num_return_sequences": 2}
    found = []
    for use_cache in (True, False):
        torch.manual_seed(3)
        found.append(hf("nemotron-h-tiny").generate(ids, attention_mask=left, use_cache=use_cache, **options))
    assert found[0].shape == (6, 17)
    assert torch.equal(*found)
    assert not torch.equal(found[0][0], found[0][1])


@pytest.mark.parametrize("name", ["transformer-tiny", "rnnsearch-tiny"])
def test_of_two_streams(model, hf, name, ids, left):
    run = hf(name, decoder_start_token_id=1)
    calls = []
    hook = run.model.encoder.register_forward_hook(lambda *_: calls.append(1))
    got = run.generate(input_ids=ids, attention_mask=left, max_new_tokens=9, do_sample=False)
    hook.remove()
    assert calls == [1]
    target = torch.ones(3, 1, dtype=torch.int64)
    for _ in range(9):
        logits, _ = model(name)(ids, target, None, left.bool())
        target = torch.cat([target, logits[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(got, target)
    options = {"attention_mask": left, "num_beams": 3, "max_new_tokens": 6}
    assert torch.equal(run.generate(ids, **options), run.generate(ids, use_cache=False, **options))


def test_going_on_from_a_cache_and_in_chunks(hf, causal, ids):
    run = hf(causal)
    options = {"do_sample": False, "return_dict_in_generate": True}
    first = run.generate(ids, max_new_tokens=4, **options)
    assert first[CACHE].get_seq_length() == 12
    more = run.generate(first.sequences, max_new_tokens=4, **options, **{CACHE: first[CACHE]})
    whole = run.generate(ids, max_new_tokens=8, **options)
    assert torch.equal(more.sequences, whole.sequences)
    chunked = run.generate(ids, max_new_tokens=8, prefill_chunk_size=2, **options)
    assert torch.equal(chunked.sequences, whole.sequences)


def test_what_is_refused(hf, ids):
    with pytest.raises(ValueError, match="no static cache"):
        hf("gpt2-tiny").generate(ids, cache_implementation="static", max_new_tokens=2)
    with pytest.raises(ValueError, match="stateful"):
        hf("gpt2-tiny").generate(ids, assistant_model=hf("mistral-tiny"), max_new_tokens=2)


def test_a_cache_repeats_and_picks_rows(hf, causal, ids):
    cache = hf(causal)(ids, use_cache=True)[1]
    cache.batch_repeat_interleave(2)
    cache.batch_select_indices(torch.tensor([5, 0]))
    step = ids[[2, 0], :1]
    wanted = hf(causal)(torch.cat([ids[[2, 0]], step], 1)).logits[:, -1:]
    assert torch.allclose(hf(causal)(step, past_key_values=cache).logits, wanted, atol=1e-4)
    cache.reset()
    assert (len(cache), cache.get_seq_length()) == (0, 0)
    with pytest.raises(ValueError, match="cannot be cropped"):
        BlocksCache().crop(-1)
