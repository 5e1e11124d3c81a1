"""Declarations of the tokenizers: what a recipe may say of them.

Ids are numbered in one way: special tokens first, in the order of their roles, then what was learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, PrivateAttr

from blocks import BuildError, Coder, Complaint, Sizes, Tokenizer
from blocks.tokenizer import ROLES, quiet
from blocks_tokenizers.bytewise import Bytes

if TYPE_CHECKING:
    from blocks_tokenizers.library import LibraryCoder

Form = Literal["none", "nfc", "nfd", "nfkc", "nfkd"]


class Byte(Tokenizer):
    """Text as its UTF-8 bytes: 256 ids, no unknown token, nothing to train (Xue et al. 2021, arXiv:2105.13626).

    Byte 0, which no text has, ends texts and pads them. Further special tokens have the ids from 256 on.
    """

    needs_training = False
    has_files = False

    bos: str | None = Field(None, min_length=1, description="token that begins a text")
    mask: str | None = Field(None, min_length=1, description="token in the place of what is masked")
    cls: str | None = Field(None, min_length=1, description="token that sums up a text")
    sep: str | None = Field(None, min_length=1, description="token between two texts")

    @property
    def vocab_size(self) -> int:
        return 256 + len(set(self.special.values()))

    @property
    def special(self) -> dict[str, str]:
        """Role -> token, of those beside byte 0."""
        return specials(self)

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        yield from _letters(self)

    def open(self, folder: Path | None) -> Coder:
        return Bytes(self.special)


class Trained(Tokenizer):
    """A tokenizer whose vocabulary is learnt from a text."""

    size: int | None = Field(
        None,
        gt=0,
        description="number of ids at most, special tokens included; default: the recipe's vocab_size",
    )
    pad: str | None = Field(None, min_length=1, description="token that fills rows up")
    bos: str | None = Field(None, min_length=1, description="token that begins a text")
    eos: str | None = Field(None, min_length=1, description="token that ends a text")
    unk: str | None = Field(
        None, min_length=1, description="token for what has no id; without one that is an error"
    )
    mask: str | None = Field(None, min_length=1, description="token in the place of what is masked")
    cls: str | None = Field(None, min_length=1, description="token that sums up a text")
    sep: str | None = Field(None, min_length=1, description="token between two texts")
    normalize: Form = Field("none", description="Unicode normalisation form (Unicode Standard Annex 15)")
    lowercase: bool = Field(False, description="in lower case")
    strip_accents: bool = Field(
        False, description="without combining marks, as in BERT: é is e, and the Cyrillic й and ї are и and і"
    )
    strip: bool = Field(False, description="without whitespace at both ends of a text")

    needs_size: ClassVar[bool] = False
    """Whether it is trained up to a number of ids, rather than by what occurs."""
    _target: int | None = PrivateAttr(default=None)

    @property
    def vocab_size(self) -> int | None:
        return self.size

    @property
    def special(self) -> dict[str, str]:
        """Role -> token."""
        return specials(self)

    @property
    def target(self) -> int | None:
        """The number of ids at most: its own, or that of the recipe that it is bound to."""
        return self.size or self._target

    def bind(self, sizes: Sizes) -> Self:
        bound = super().bind(sizes)
        bound._target = sizes.vocab_size
        return bound

    def train(self, texts: Iterable[str], *, step: Callable[[str], None] = quiet) -> Coder:
        from blocks_tokenizers import training

        coder = self.learn(training.Corpus(texts), step)
        if self.target is not None and coder.vocab_size > self.target:
            raise training.too_small(self, coder.vocab_size)
        return coder

    def learn(self, texts: Iterable[str], step: Callable[[str], None]) -> LibraryCoder:
        """The coder that texts give, which may be gone through several times."""
        raise NotImplementedError

    def open(self, folder: Path | None) -> Coder:
        if folder is None:
            raise BuildError.of(
                "B1203",
                f"the tokenizer {self.name} is not trained yet",
                help="blocks train does so with the model; blocks tokenizer train gives a file for the recipe",
            )
        from blocks_tokenizers.files import open_files

        return open_files(folder)


class Char(Trained):
    """An id for each character that the text has, in the order of Unicode.

    What is rarer than `min_count`, or more than fits into the number of ids, is unknown.
    """

    min_count: int = Field(1, gt=0, description="characters that occur less often have no id")

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        yield from _unknown(self)

    def learn(self, texts: Iterable[str], step: Callable[[str], None]) -> LibraryCoder:
        from blocks_tokenizers.training import learn_char

        return learn_char(self, texts, step)


class Word(Trained):
    """An id for each word, the most frequent first.

    What is rarer than `min_count`, or more than fits into the number of ids, is unknown.
    """

    unk: str | None = Field(
        "<unk>", min_length=1, description="token for what has no id; none: that is an error"
    )
    min_count: int = Field(1, gt=0, description="words that occur less often have no id")
    split: Literal["whitespace", "words", "gpt2", "metaspace"] = Field(
        "words",
        description="what a word is: what stands between whitespace; words and punctuation apart; "
        "GPT-2's pieces, with the space before them; pieces that a space, written ▁, begins",
    )
    digits: Literal["together", "groups", "single"] = Field(
        "together", description="digits as the split has them, as groups of their own, or each by itself"
    )
    punctuation: bool = Field(False, description="each punctuation mark by itself")

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        yield from _unknown(self)

    def learn(self, texts: Iterable[str], step: Callable[[str], None]) -> LibraryCoder:
        from blocks_tokenizers.training import learn_word

        return learn_word(self, texts, step)


class Bpe(Trained):
    """Byte-pair encoding of UTF-8 (Sennrich et al. 2016, arXiv:1508.07909; Radford et al. 2019, section 2.2).

    It begins with the 256 bytes and joins the most frequent pair, again and again: no text is unknown to it.
    """

    needs_size = True

    eos: str | None = Field("<|endoftext|>", min_length=1, description="token that ends a text")
    min_count: int = Field(2, gt=0, description="pairs that occur less often are not joined")
    split: Literal["gpt2", "gpt4", "none"] = Field(
        "gpt2", description="what is never joined across: GPT-2's or GPT-4's pieces, or nothing"
    )
    digits: Literal["together", "groups", "single"] = Field(
        "together", description="digits as the split has them, as groups of their own, or each by itself"
    )
    punctuation: bool = Field(False, description="each punctuation mark by itself")

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        yield from _letters(self)

    def learn(self, texts: Iterable[str], step: Callable[[str], None]) -> LibraryCoder:
        from blocks_tokenizers.training import learn_bpe

        return learn_bpe(self, texts, step)


class WordPiece(Trained):
    """Words, and pieces that go on with one, marked ## (Schuster & Nakajima 2012; Devlin et al. 2019).

    Pieces are learnt as byte-pair encoding learns them, and found greedily, the longest first.
    """

    needs_size = True

    pad: str | None = Field("[PAD]", min_length=1, description="token that fills rows up")
    unk: str = Field("[UNK]", min_length=1, description="token for a word with a character that has no id")
    mask: str | None = Field("[MASK]", min_length=1, description="token in the place of what is masked")
    cls: str | None = Field("[CLS]", min_length=1, description="token that sums up a text")
    sep: str | None = Field("[SEP]", min_length=1, description="token between two texts")
    min_count: int = Field(2, gt=0, description="pairs that occur less often are not joined")
    split: Literal["bert", "words", "whitespace"] = Field(
        "bert",
        description="what a word is: what stands between whitespace, with each punctuation mark or each run of them "
        "apart, or with none apart",
    )
    digits: Literal["together", "groups", "single"] = Field(
        "together", description="digits as the split has them, as groups of their own, or each by itself"
    )
    punctuation: bool = Field(False, description="each punctuation mark by itself")

    def learn(self, texts: Iterable[str], step: Callable[[str], None]) -> LibraryCoder:
        from blocks_tokenizers.training import learn_wordpiece

        return learn_wordpiece(self, texts, step)


class Unigram(Trained):
    """The pieces that make the text likeliest, each by itself (Kudo 2018, arXiv:1804.10959).

    A space is written ▁ and begins a word; line breaks and tabs stand by themselves.
    """

    needs_size = True

    unk: str = Field("<unk>", min_length=1, description="token for a character that has no id")
    coverage: float = Field(
        1.0, gt=0, le=1, description="share of the characters of the text that get an id of their own"
    )
    byte_fallback: bool = Field(
        False, description="characters without an id are their bytes, 256 further ids, rather than unknown"
    )
    prefix_space: bool = Field(
        False, description="a text begins with a space, so that its first word is written as others are"
    )
    digits: Literal["together", "groups", "single"] = Field(
        "together", description="digits as the split has them, as groups of their own, or each by itself"
    )
    punctuation: bool = Field(False, description="each punctuation mark by itself")

    def learn(self, texts: Iterable[str], step: Callable[[str], None]) -> LibraryCoder:
        from blocks_tokenizers.unigram import learn_unigram

        return learn_unigram(self, texts, step)


def specials(tokenizer: Tokenizer) -> dict[str, str]:
    """The special tokens that options name: role -> token."""
    named: Mapping[str, str | None] = {role: getattr(tokenizer, role, None) for role in ROLES}
    return {role: token for role, token in named.items() if token is not None}


def _letters(tokenizer: Byte | Bpe) -> Iterator[Complaint]:
    for role, token in tokenizer.special.items():
        if len(token) == 1:
            yield Complaint(
                role,
                f"a single letter stands for a byte, and cannot be a special token: {token!r}",
                help=f"{role}: <{role}>",
            )


def _unknown(tokenizer: Char | Word) -> Iterator[Complaint]:
    if tokenizer.unk is None and tokenizer.min_count > 1:
        yield Complaint(
            "min_count",
            f"what occurs less than {tokenizer.min_count} times has no id, and there is no token for the unknown",
            help="add unk: <unk>, or leave min_count out",
            code="B0312",
        )
