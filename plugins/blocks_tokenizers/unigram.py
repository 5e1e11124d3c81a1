"""Learning the pieces of a unigram model (Kudo 2018, arXiv:1804.10959).

The tokenizers library's trainer sums probabilities in an order that differs from run to run, and so do its pieces.
Pieces are learnt by sentencepiece instead, the reference implementation, with one thread and words in a fixed order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO

from blocks_tokenizers import pipeline
from blocks_tokenizers.library import LibraryCoder, imported, library
from blocks_tokenizers.proto import pieces_of
from blocks_tokenizers.specs import Unigram
from blocks_tokenizers.training import assembled, nothing_learnt, room, word_counts

BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
LONGEST = 4096
"""Bytes of a word that pieces are learnt from; of longer ones, characters alone."""


def learn_unigram(spec: Unigram, texts: Iterable[str], step: Callable[[str], None]) -> LibraryCoder:
    """Pieces with the logarithms of their probabilities."""
    tokenizers = library()
    split = pipeline.splitter(spec, split="metaspace")
    step("count the words")
    counts = word_counts(spec, texts, split)
    if not counts:
        raise nothing_learnt(spec)
    first = list(dict.fromkeys(spec.special.values()))
    fixed = [*first, *(BYTES if spec.byte_fallback else ())]
    letters = _covered(counts, spec.coverage)
    size = room(spec, len(fixed) + len(letters))
    step("find the likeliest pieces")
    pieces = _pieces(counts, letters, size - len(fixed), set(fixed))
    vocabulary = [(piece, 0.0) for piece in fixed] + pieces
    model = tokenizers.models.Unigram(vocabulary, fixed.index(spec.unk), spec.byte_fallback)
    join = pipeline.joiner(spec, split="metaspace")
    return assembled(spec, tokenizers.Tokenizer(model), split, join)


def _covered(counts: Mapping[str, int], coverage: float) -> set[str]:
    """The most frequent characters that make up a share of the text, and the space, which is never its bytes."""
    letters: dict[str, int] = {}
    for word, count in counts.items():
        for letter in word:
            letters[letter] = letters.get(letter, 0) + count
    left = coverage * sum(letters.values())
    kept = {pipeline.SPACE}
    for letter, count in sorted(letters.items(), key=lambda item: (-item[1], item[0])):
        if left <= 0:
            break
        kept.add(letter)
        left -= count
    return kept


def _pieces(
    counts: Mapping[str, int], letters: set[str], most: int, taken: set[str]
) -> list[tuple[str, float]]:
    """At most `most` pieces, each letter among them, the likeliest first.

    sentencepiece passes over a few characters, such as its own marks: they get the least likely score there is.
    """
    rows = sorted(_rows(counts, letters))
    found = _learnt(rows, most) if rows else {}
    found = {piece: score for piece, score in found.items() if piece not in taken and set(piece) <= letters}
    lowest = min(found.values(), default=0.0)
    found |= dict.fromkeys(letters - found.keys(), lowest - 1.0)
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    surplus = len(ranked) - most
    for piece, _ in reversed(ranked if surplus > 0 else []):
        if surplus > 0 and len(piece) > 1:
            del found[piece]
            surplus -= 1
    return [item for item in ranked if item[0] in found]


def _rows(counts: Mapping[str, int], letters: set[str]) -> Iterator[str]:
    """Words and how often each occurs, cut where a letter is not covered."""
    for word, count in counts.items():
        part = ""
        for letter in (*word, ""):
            if letter and letter in letters and letter not in "\t\n\r\0":
                part += letter
                continue
            if part and len(part.encode()) <= LONGEST:
                yield f"{part}\t{count}"
            part = ""


def _learnt(rows: list[str], most: int) -> dict[str, float]:
    """What sentencepiece learns."""
    trainer = imported("sentencepiece", "training a unigram model").SentencePieceTrainer
    written = BytesIO()
    trainer.train(
        sentence_iterator=iter(rows), model_writer=written, model_type="unigram", input_format="tsv",
        vocab_size=most + 1, hard_vocab_limit=False, num_threads=1, character_coverage=1.0,
        max_sentence_length=LONGEST + 64, normalization_rule_name="identity", add_dummy_prefix=False,
        remove_extra_whitespaces=False, unk_id=0, bos_id=-1, eos_id=-1, pad_id=-1, minloglevel=2,
    )  # fmt: skip
    return {
        piece.text: round(piece.score, 6) for piece in pieces_of(written.getvalue()) if piece.kind == "normal"
    }
