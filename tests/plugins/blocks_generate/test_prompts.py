"""Prompts that cannot be continued, all at once; what stands around those that can."""

from types import SimpleNamespace

import pytest

import blocks
from blocks_generate import complete, generate


def wrong(*args, **options):
    with pytest.raises(blocks.BuildError) as caught:
        generate(*args, **options)
    assert all(d.help for d in caught.value.diagnostics)
    return [(d.code, d.message) for d in caught.value.diagnostics]


def with_roles(coder, **roles):
    return SimpleNamespace(encode=coder.encode, decode=coder.decode, vocab_size=256, roles=roles)


def test_everything_wrong_with_several_prompts(make, coder):
    found = wrong(make("gpt2-tiny"), coder, ["", [1, 256, -1], "a" * 257, "a" * 200], max_new_tokens=60)
    assert found == [
        ("B1703", "prompt 1 is empty, and the tokenizer has no id that a text begins with"),
        ("B1705", "prompt 2 has the token id 256, and gpt2-tiny knows 0 to 255"),
        ("B1704", "prompt 3 has 257 tokens, and gpt2-tiny learned 256 positions"),
        (
            "B1704",
            "prompt 4 has 200 tokens, and 60 new ones are more than the 256 positions that gpt2-tiny learned",
        ),
    ]


def test_the_last_position_can_be_used(make, coder):
    options = {"temperature": 0, "eos": ()}
    (text,) = complete(generate(make("gpt2-tiny"), coder, "a" * 250, max_new_tokens=7, **options))
    assert len(text.tokens) == 7
    ((code, _),) = wrong(make("gpt2-tiny"), coder, "a" * 250, max_new_tokens=8, **options)
    assert code == "B1704"


def test_no_table_no_limit(make, coder):
    (text,) = complete(generate(make("mistral-tiny"), coder, "a" * 300, max_new_tokens=2, eos=()))
    assert len(text.tokens) == 2


def test_text_without_a_tokenizer(make):
    model = make("gpt2-tiny")
    for prompts, options in (("Hi", {}), ([[1]], {"stop": ["x"]})):
        ((code, _),) = wrong(model, None, prompts, **options)
        assert code == "B1706"


def test_an_empty_prompt_is_the_token_that_begins_a_text(make, coder):
    model = make("gpt2-tiny")
    options = {"max_new_tokens": 5, "temperature": 0, "eos": ()}
    (empty,) = complete(generate(model, with_roles(coder, bos=3), "", **options))
    assert empty.tokens == complete(generate(model, None, [[3]], **options))[0].tokens


def test_ids_around_a_prompt(make, coder):
    options = {"max_new_tokens": 6, "temperature": 0, "eos": ()}
    around = options | {"before": (1, 2), "after": (9,)}
    model = make("gpt2-tiny")
    (text,) = complete(generate(model, coder, "Hi", **around))
    assert text.tokens == complete(generate(model, None, [[1, 2, 72, 105]], **options))[0].tokens
    model = make("transformer-tiny")
    (text,) = complete(generate(model, coder, "Hi", **around))
    assert text.tokens == complete(generate(model, None, [[1, 2, 72, 105, 9]], start=0, **options))[0].tokens


def test_what_a_target_begins_with(make, coder):
    model = make("transformer-tiny")
    assert wrong(model, with_roles(coder), "Hi")[0][0] == "B1707"
    options = {"max_new_tokens": 6, "temperature": 0, "eos": ()}
    for given, start in ((with_roles(coder, pad=5, bos=9), 9), (with_roles(coder, pad=5), 5)):
        (text,) = complete(generate(model, given, "Hi", **options))
        assert text.tokens == complete(generate(model, coder, "Hi", start=start, **options))[0].tokens
