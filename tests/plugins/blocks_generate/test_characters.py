"""Text of ids as they come: whole characters, and in the end what decoding all at once gives."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import blocks
from blocks_generate.characters import Characters

TEXT = st.text(st.sampled_from("ab é€😀\u0301\ufffd"), max_size=12)


def decode(ids):
    return bytes(ids).decode(errors="replace")


def fed(characters, ids):
    return [characters.feed(id) for id in ids] + [characters.close()]


@given(before=TEXT, text=TEXT)
def test_no_piece_has_a_part_of_a_character(before, text):
    pieces = fed(Characters(decode, before.encode()), text.encode())
    assert "".join(pieces) == text
    known = 0
    for byte, piece in enumerate(pieces[:-1], 1):
        known += len(piece)
        whole = text.encode()[:byte].decode(errors="ignore")
        assert known <= len(whole)
        if not whole.endswith("\ufffd") and whole.encode() == text.encode()[:byte]:
            assert known == len(whole)


@given(ids=st.lists(st.integers(0, 255), max_size=30))
def test_bytes_that_are_no_text_become_what_decoding_makes_of_them(ids):
    assert "".join(fed(Characters(decode), ids)) == decode(ids)


WORDS = {0: "▁the", 1: "▁cat", 2: "s", 3: "▁é", 4: ""}


def of_words(ids):
    """As sentencepiece decodes: a space stands before a word, not before the first one."""
    return "".join(WORDS[id] for id in ids).replace("▁", " ").removeprefix(" ")


@given(
    before=st.lists(st.sampled_from([0, 1, 2, 3, 4]), max_size=12),
    ids=st.lists(st.sampled_from([0, 1, 2, 3, 4])),
)
def test_the_space_before_the_first_word_is_that_after_the_prompt(before, ids):
    shown = "".join(fed(Characters(of_words, before), ids))
    assert of_words([0, *before]) + shown == of_words([0, *before, *ids]) or not any(WORDS[i] for i in before)


TEXTS = [
    "Ой у лузі червона калина похилилася",
    "To be, or not to be: that is the question",
    "naïve café 😀",
] * 3


@pytest.mark.parametrize("name", ["bpe", "unigram", "wordpiece", "word", "char"])
def test_pieces_of_every_tokenizer_add_up(name):
    """Of its own texts, and of any ids."""
    tokenizer = blocks.Registry.installed(plugins=False).find("tokenizer", name).load()()
    coder = tokenizer.bind(blocks.Sizes(8, vocab_size=300)).train(TEXTS)
    for text in TEXTS[:3]:
        ids = coder.encode(text)
        for at in range(0, len(ids), 3):
            before = coder.decode(ids[:at])
            if not before.endswith("\ufffd"):  # a prompt is whole characters
                shown = "".join(fed(Characters(coder.decode, ids[:at]), ids[at:]))
                assert before + shown == coder.decode(ids)
    generator = random.Random(0)
    for _ in range(20):
        ids = [generator.randrange(coder.vocab_size) for _ in range(30)]
        assert "".join(fed(Characters(coder.decode), ids)) == coder.decode(ids)
