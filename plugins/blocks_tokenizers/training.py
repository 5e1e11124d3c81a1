"""Learning a vocabulary with the tokenizers library, so that the same texts always give the same one.

Its trainers keep words in hash maps that iterate in another order in each process. Byte-pair encoding does not show
it: letters are numbered in the order of Unicode, and pairs that are as frequent are joined in that of their numbers.
WordPiece does, as its letters inside of words (##a) are numbered as they come; here they are numbered beforehand.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from blocks import BuildError
from blocks_tokenizers import pipeline
from blocks_tokenizers.library import LibraryCoder, library, special_token
from blocks_tokenizers.specs import Bpe, Char, Trained, Word, WordPiece

EVERY = r"[\s\S]"
INSIDE = "##"


class Corpus:
    """Texts that can be gone through again: what is an iterator, and would be used up, is kept."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = list(texts) if isinstance(texts, Iterator) else texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)


def learn_char(spec: Char, texts: Iterable[str], step: Callable[[str], None]) -> LibraryCoder:
    """An id for each character, in the order of Unicode."""
    step("count the characters")
    form, counts = pipeline.normalizer(spec), Counter[str]()
    for text in _checked(texts):
        counts.update(form.normalize_str(text) if form is not None else text)
    tokenizers = library()
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(EVERY), "isolated")
    known = sorted(_kept(spec, counts))
    return _word_level(spec, known, split, tokenizers.decoders.Fuse())


def learn_word(spec: Word, texts: Iterable[str], step: Callable[[str], None]) -> LibraryCoder:
    """An id for each word, the most frequent first."""
    step("count the words")
    split = pipeline.splitter(spec, split=spec.split)
    known = _kept(spec, word_counts(spec, texts, split))
    return _word_level(spec, known, split, pipeline.joiner(spec, split=spec.split))


def word_counts(spec: Trained, texts: Iterable[str], split: Any) -> Counter[str]:
    """How often each piece occurs that the options split texts into."""
    form, counts = pipeline.normalizer(spec), Counter[str]()
    for text in _checked(texts):
        whole = form.normalize_str(text) if form is not None else text
        counts.update(piece for piece, _ in split.pre_tokenize_str(whole))
    return counts


def _kept(spec: Char | Word, counts: Mapping[str, int]) -> list[str]:
    """Those that get an id: frequent enough, and as many as there is room for, the most frequent first."""
    special = set(spec.special.values())
    frequent = [item for item in counts.items() if item[1] >= spec.min_count and item[0] not in special]
    ranked = [piece for piece, _ in sorted(frequent, key=lambda item: (-item[1], item[0]))]
    if not ranked:
        raise nothing_learnt(spec)
    if spec.unk is None or spec.target is None:
        return ranked
    return ranked[: max(spec.target - len(special), 0)]


def _word_level(spec: Char | Word, known: Iterable[str], split: Any, join: Any) -> LibraryCoder:
    tokenizers, first = library(), list(dict.fromkeys(spec.special.values()))
    vocabulary = {token: id for id, token in enumerate([*first, *known])}
    model = tokenizers.models.WordLevel(vocabulary, **({"unk_token": spec.unk} if spec.unk else {}))
    return assembled(spec, tokenizers.Tokenizer(model), split, join)


def learn_bpe(spec: Bpe, texts: Iterable[str], step: Callable[[str], None]) -> LibraryCoder:
    """The 256 bytes, and the pairs that are joined."""
    tokenizers = library()
    bytewise = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    first = list(dict.fromkeys(spec.special.values()))
    size = room(spec, 256 + len(first))
    split = pipeline.splitter(spec, split=spec.split)
    steps = [split, bytewise] if split is not None else [bytewise]
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.normalizer = pipeline.normalizer(spec)
    made.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(steps)
    step("count the words, and join pairs")
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size, min_frequency=spec.min_count, special_tokens=first, show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    made.train_from_iterator(_checked(texts), trainer)
    return assembled(spec, made, made.pre_tokenizer, tokenizers.decoders.ByteLevel())


def learn_wordpiece(spec: WordPiece, texts: Iterable[str], step: Callable[[str], None]) -> LibraryCoder:
    """Letters, letters inside of words, and the pairs that are joined."""
    tokenizers = library()
    first = list(dict.fromkeys(spec.special.values()))

    def learnt(size: int, before: list[str]) -> Any:
        made = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token=spec.unk))
        made.normalizer = pipeline.normalizer(spec)
        made.pre_tokenizer = pipeline.splitter(spec, split=spec.split)
        trainer = tokenizers.trainers.WordPieceTrainer(
            vocab_size=size, min_frequency=spec.min_count, special_tokens=before, show_progress=False,
            continuing_subword_prefix=INSIDE,
        )  # fmt: skip
        made.train_from_iterator(_checked(texts), trainer)
        return made

    step("count the words")
    letters = set(learnt(0, first).get_vocab()) - set(first)
    if not letters:
        raise nothing_learnt(spec)
    inside = sorted(letter for letter in letters if letter.startswith(INSIDE) and len(letter) > len(INSIDE))
    size = room(spec, len(first) + len(letters))
    step("join pairs")
    made = _without(learnt(size, [*first, *inside]), special=inside)
    return assembled(
        spec, made, made.pre_tokenizer, tokenizers.decoders.WordPiece(prefix=INSIDE, cleanup=True)
    )


def assembled(spec: Trained, made: Any, split: Any, join: Any) -> LibraryCoder:
    """The coder of a model: its special tokens, which have ids already, and what happens before and after it."""
    made.normalizer = pipeline.normalizer(spec)
    made.pre_tokenizer = split
    if join is not None:
        made.decoder = join
    made.add_special_tokens([special_token(token) for token in dict.fromkeys(spec.special.values())])
    return LibraryCoder(made, spec.special)


def _without(made: Any, special: Iterable[str]) -> Any:
    """The same, with some special tokens plain entries of the vocabulary."""
    said = json.loads(made.to_str())
    plain = set(special)
    said["added_tokens"] = [token for token in said["added_tokens"] if token["content"] not in plain]
    return library().Tokenizer.from_str(json.dumps(said))


def _checked(texts: Iterable[str]) -> Iterator[str]:
    """The texts; BuildError for one that is no text."""
    from blocks_tokenizers.bytewise import no_text

    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise no_text(text) from None
        yield text


def room(spec: Trained, least: int) -> int:
    """The number of ids to train up to. Raises BuildError where none is said, or fewer than `least`."""
    if spec.target is None:
        raise BuildError.of(
            "B0318", f"{spec.name} is trained up to a number of ids, and none is said", help="size: 4096"
        )
    if spec.target < least:
        raise too_small(spec, least)
    return spec.target


def too_small(spec: Trained, least: int) -> BuildError:
    """What to raise where there are fewer ids than the text's characters need."""
    what = {"char": "the characters of the text", "word": "the words of the text", "bpe": "the 256 bytes"}
    unknown = "" if spec.needs_size else ", or unk: <unk> for those that are rare"
    return BuildError.of(
        "B1204",
        f"{spec.target:,} ids are too few for {spec.name}: "
        f"{what.get(spec.name, 'the characters of the text')} and the special tokens take {least:,}",
        help=f"vocab_size: {least} or more{unknown}",
    )


def nothing_learnt(spec: Trained) -> BuildError:
    """What to raise where the texts are empty, or nothing in them is frequent enough."""
    return BuildError.of(
        "B1208",
        f"there is nothing in the text that {spec.name} could learn",
        help="a longer text, or a lower min_count",
    )
