"""What is learnt: the same from the same text in every process, what the papers say, and what cannot be."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from blocks import BuildError
from blocks_tokenizers.bytewise import letters
from blocks_tokenizers.pipeline import GPT2

from .learning import KINDS, TEXTS, learn, learnt

PROGRAM = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from learning import KINDS, learn
for kind in KINDS:
    print(kind, learn(kind).digest)
"""


def test_every_process_learns_the_same() -> None:
    printed = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert printed[0] == printed[1]
    assert printed[0].splitlines() == [f"{kind} {learn(kind, texts=iter(TEXTS)).digest}" for kind in KINDS]


@pytest.mark.parametrize("kind", KINDS)
def test_another_text_has_another_digest(kind: str) -> None:
    assert learn(kind, texts=TEXTS[:3]).digest != learnt(kind).digest


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_come_first_in_the_order_of_their_roles(kind: str) -> None:
    roles = {
        "pad": "<p>",
        "bos": "<b>",
        "eos": "<e>",
        "unk": "<u>",
        "mask": "<m>",
        "cls": "<c>",
        "sep": "<s>",
    }
    coder = learnt(kind, **roles)
    assert dict(coder.roles) == {role: id for id, role in enumerate(roles)}
    assert [coder.piece(id) for id in range(7)] == list(roles.values())
    ids = coder.encode("<m>")
    assert ids == [4]
    assert coder.decode(ids) == "<m>"


def test_two_roles_of_one_token() -> None:
    coder = learnt("bpe", pad="<end>", eos="<end>")
    assert dict(coder.roles) == {"pad": 0, "eos": 0}
    assert coder.piece(1) == "!"


# Characters and words


def test_characters_are_numbered_as_unicode_does() -> None:
    coder, known = learnt("char"), sorted(set("".join(TEXTS)))
    assert [coder.piece(id) for id in range(coder.vocab_size)] == known
    assert coder.encode(TEXTS[1]) == [known.index(letter) for letter in TEXTS[1]]


def test_rare_characters_are_unknown() -> None:
    coder = learn("char", 5, texts=["aaabbcc\n"], unk="<unk>", min_count=2)
    assert [coder.piece(id) for id in range(coder.vocab_size)] == ["<unk>", "a", "b", "c"]
    assert coder.decode(coder.encode("ab\n")) == "ab<unk>"
    assert learn("char", 3, texts=["aaabbcc\n"], unk="<unk>").encode("abc") == [1, 2, 0]


def test_words_are_ranked_by_their_frequency() -> None:
    coder = learn("word", 5, texts=["the cat, the dog, the end of the cat"], min_count=2)
    assert [coder.piece(id) for id in range(coder.vocab_size)] == ["<unk>", "the", ",", "cat"]
    assert coder.decode(coder.encode("the  cat of\nthe")) == "the cat <unk> the"


@pytest.mark.parametrize(
    ("options", "pieces"),
    [
        ({"split": "whitespace"}, ["It's", "2026,", "now?!"]),
        ({"split": "words"}, ["It", "'", "s", "2026", ",", "now", "?!"]),
        (
            {"split": "words", "punctuation": True, "digits": "single"},
            ["It", "'", "s", *"2026,", "now", "?", "!"],
        ),
        ({"split": "gpt2"}, ["It", "'s", " 2026", ",", " now", "?!"]),
        ({"split": "metaspace", "digits": "groups"}, ["It's", "▁", "2026", ",", "▁now?!"]),
        ({"split": "whitespace", "lowercase": True}, ["it's", "2026,", "now?!"]),
    ],
)
def test_what_a_word_is(options: dict[str, object], pieces: list[str]) -> None:
    text = "It's 2026, now?!"
    coder = learn("word", texts=[text], **options)
    assert [coder.piece(id) for id in coder.encode(text)] == pieces


@pytest.mark.parametrize(
    ("options", "text", "becomes"),
    [
        ({"normalize": "nfc"}, "e\u0301 и\u0306", "é й"),
        ({"normalize": "nfd"}, "é", "e\u0301"),
        ({"normalize": "nfkc"}, "ﬁ ²", "fi 2"),
        ({"lowercase": True}, "ЇЖАК Straße", "їжак straße"),
        ({"strip_accents": True}, "naïve їжак й", "naive іжак и"),
        ({"strip": True}, "  a b \n", "a b"),
    ],
)
def test_normalisation(options: dict[str, object], text: str, becomes: str) -> None:
    for kind in ("char", "bpe"):
        coder = learn(kind, 500, texts=[text], **options)
        assert coder.decode(coder.encode(text)) == becomes


# Byte-pair encoding


def naive_bpe(texts: list[str], merges: int) -> list[str]:
    """Sennrich et al. 2016, algorithm 1, on bytes: the most frequent pair is joined; of several the first by number."""
    table = letters()
    words = Counter(
        tuple(table[byte] for byte in piece.encode()) for text in texts for piece in gpt2_pieces(text)
    )
    order = {letter: id for id, letter in enumerate(sorted(table))}
    made = []
    for _ in range(merges):
        pairs = Counter[tuple[str, str]]()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        count = max(pairs.values(), default=0)
        if count < 2:
            break
        left, right = min((p for p in pairs if pairs[p] == count), key=lambda p: (order[p[0]], order[p[1]]))
        made.append(left + right)
        order.setdefault(left + right, len(order))
        words = Counter({joined(word, left, right): n for word, n in words.items()})
    return made


def joined(word: tuple[str, ...], left: str, right: str) -> tuple[str, ...]:
    found: list[str] = []
    for letter in word:
        if found and found[-1] == left and letter == right:
            found[-1] = left + right
        else:
            found.append(letter)
    return tuple(found)


def gpt2_pieces(text: str) -> Iterator[str]:
    """GPT-2's split for texts whose letters Python's re knows."""
    pattern = (
        GPT2.replace(r"\p{L}", r"[^\W\d_]")
        .replace(r"\p{N}", r"\d")
        .replace(r"[^\s[^\W\d_]\d]", r"(?:[^\s\w]|_)")
    )
    return (match[0] for match in re.finditer(pattern, text))


def test_pairs_are_joined_as_the_algorithm_says() -> None:
    coder = learn("bpe", 257 + 120)
    wanted = naive_bpe(TEXTS, 120)
    assert [coder.piece(id) for id in range(257, coder.vocab_size)] == wanted


def test_the_bytes_come_after_the_special_token() -> None:
    coder = learn("bpe", 257)
    assert [coder.piece(id) for id in range(1, 257)] == sorted(letters())


# WordPiece and Unigram


def test_wordpiece_takes_the_longest_piece_first() -> None:
    coder = learnt("wordpiece")
    known = {coder.piece(id) for id in range(coder.vocab_size)}

    def greedy(word: str) -> list[str]:
        found, at = [], 0
        while at < len(word):
            mark = "##" if at else ""
            end = next((e for e in range(len(word), at, -1) if mark + word[at:e] in known), None)
            if end is None:
                return ["[UNK]"]
            found.append(mark + word[at:end])
            at = end
        return found

    for word in ("brotherhood", "братерства", "совестью", "unequal", "совѣсть", "rights"):
        assert [coder.piece(id) for id in coder.encode(word)] == greedy(word)


def test_unigram_takes_the_likeliest_pieces() -> None:
    import json

    coder = learnt("unigram")
    scores = dict(json.loads(coder.made.to_str())["model"]["vocab"])  # type: ignore[attr-defined]

    def best(text: str) -> float:
        found = [0.0]
        for end in range(1, len(text) + 1):
            found.append(max(found[at] + scores.get(text[at:end], -1e9) for at in range(end)))
        return found[-1]

    for word in ("▁brotherhood", "▁братерства", "▁совестью", "▁fibonacci"):
        ids = coder.encode(word.replace("▁", " "))
        pieces = [coder.piece(id) for id in ids]
        assert "".join(pieces) == word
        assert sum(scores[piece] for piece in pieces) == pytest.approx(best(word))


def test_the_rarest_characters_are_not_covered() -> None:
    text = "aaaaaaaaab aaaaaaaaab\n" * 4 + "ж"
    assert "ж" in learn("unigram", 30, texts=[text]).decode(learn("unigram", 30, texts=[text]).encode("ж"))
    coder = learn("unigram", 30, texts=[text], coverage=0.98)
    assert coder.encode("ж") == [0]
    coder = learn("unigram", 300, texts=[text], coverage=0.98, byte_fallback=True)
    assert [coder.piece(id) for id in coder.encode("ж")] == ["<0xD0>", "<0xB6>"]
    assert coder.decode(coder.encode("aж")) == "aж"


def test_a_space_is_one_though_no_text_had_it() -> None:
    coder = learn("unigram", 300, texts=["ab\n"], byte_fallback=True)
    assert coder.decode(coder.encode("a b  ж ")) == "a b  ж "


# What cannot be


@pytest.mark.parametrize(
    ("kind", "size", "least"),
    [("bpe", 256, 257), ("wordpiece", 40, None), ("unigram", 40, None), ("char", 40, None)],
)
def test_too_few_ids(kind: str, size: int, least: int | None) -> None:
    with pytest.raises(
        BuildError, match=rf"error\[B1204\]: {size} ids are too few for {kind}: .* take (\d+)"
    ) as caught:
        learn(kind, size)
    found = re.search(r"vocab_size: (\d+) or more", str(caught.value))
    assert found is not None
    needed = int(found[1])
    assert least in (None, needed)
    assert learn(kind, needed).vocab_size == needed
    with pytest.raises(BuildError, match="B1204"):
        learn(kind, needed - 1)


def test_no_number_of_ids() -> None:
    for kind in ("bpe", "wordpiece", "unigram"):
        with pytest.raises(BuildError, match="B0318"):
            learn(kind, None)
    assert learn("char", None).vocab_size == len(set("".join(TEXTS)))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "bpe"])
def test_nothing_to_learn_from(kind: str) -> None:
    for texts in ([], [""]):
        with pytest.raises(BuildError, match=rf"B1208.*nothing in the text that {kind} could learn"):
            learn(kind, texts=texts)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_text(kind: str) -> None:
    with pytest.raises(BuildError, match=r"B1207.*character 1 of the text is U\+D800"):
        learn(kind, texts=["abc", "a\ud800"])


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_of_the_texts_stays_what_it_is(kind: str) -> None:
    def texts() -> Iterator[str]:
        yield "abc"
        raise BuildError.of("B0801", "gone")

    with pytest.raises(BuildError, match="B0801"):
        learn(kind, texts=texts())
