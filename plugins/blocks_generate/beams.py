"""Beam search: the texts of greatest log-probability over length penalty, among those that some beams find.

Shapes: P prompts, K beams of each, V vocabulary.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from blocks_generate.language_model import LanguageModel, rows_of
from blocks_generate.length_penalty import length_penalty
from blocks_generate.options import Options
from blocks_generate.pieces import Piece
from blocks_generate.rows import go_on, read, seen_tokens
from blocks_generate.sampling.filters import filtered
from blocks_generate.texts import Decode, Prompt, Text

NOTHING = float("-inf")


@dataclass(frozen=True, slots=True)
class Beam:
    """A text, the log-probability of what was written, and what of it can be shown.

    The score is minus infinity where a beam only holds a row of the batch.
    """

    text: Text
    score: float
    shown: str = ""


@dataclass(slots=True)
class Search:
    """What is known of one prompt: its beams, and the best texts that have ended."""

    beams: list[Beam]
    options: Options
    ended: list[tuple[float, int, Piece]] = field(default_factory=list)
    """A heap of scores, the least first, with minus the number of the text and the text as one piece."""
    count: int = 0

    def end(self, beam: Beam, piece: Piece) -> None:
        """Keep a text that ends with a piece, if it is among the best."""
        length = len(beam.text.written) + (piece.reason == "eos")
        score = beam.score / length_penalty(length, self.options.alpha)
        whole = replace(piece, tokens=tuple(beam.text.written), text=beam.shown + piece.text, score=score)
        self.count += 1
        heapq.heappush(self.ended, (score, -self.count, whole))
        if len(self.ended) > self.options.samples:
            heapq.heappop(self.ended)

    @property
    def is_over(self) -> bool:
        """Whether no beam can lead to anything better than what has ended.

        A log-probability s only falls, so a beam reaches at most s over the greatest penalty that lies ahead.
        """
        best = max(beam.score for beam in self.beams)
        if best == NOTHING:
            return True
        if len(self.ended) < self.options.samples:
            return False
        lengths = (len(self.beams[0].text.written) + 1, self.options.max_new_tokens)
        return self.ended[0][0] >= best / max(length_penalty(n, self.options.alpha) for n in lengths)

    def pieces(self) -> Iterator[Piece]:
        """The best texts, best first."""
        best = sorted(self.ended, key=lambda entry: entry[:2], reverse=True)
        for number, (_, _, piece) in enumerate(best):
            yield replace(piece, sample=number)


def search(
    language: LanguageModel, prompts: Sequence[Prompt], options: Options, eos: frozenset[int], decode: Decode
) -> Iterator[Piece]:
    """The best texts to some prompts, each as one piece, as soon as they are known."""
    K = options.beams or 1
    firsts = [Text.start(prompt, 0, decode, options.stop) for prompt in prompts]
    logits, state = read(language, firsts, options)
    each = torch.arange(len(firsts), device=language.device).repeat_interleave(K)
    logits, state = logits[each], rows_of(state, each)
    searches = [Search([Beam(text, 0.0), *[Beam(text, NOTHING)] * (K - 1)], options) for text in firsts]
    while True:
        texts = [beam.text for one in searches for beam in one.beams]
        seen = seen_tokens(texts, logits) if options.repetition_penalty != 1 else None
        scores = filtered(logits, options, seen).log_softmax(dim=-1)
        parents = advance(searches, scores, options, eos)
        rows: list[int] = []
        going = []
        for number, one in enumerate(searches):
            if one.is_over:
                yield from one.pieces()
            else:
                going.append(one)
                rows += [K * number + parent for parent in parents[number]]
        if not going:
            return
        searches = going
        state = rows_of(state, torch.tensor(rows, device=language.device))
        texts = [beam.text for one in searches for beam in one.beams]
        logits, state = go_on(language, texts, state, options)


def advance(
    searches: Sequence[Search], scores: Tensor, options: Options, eos: frozenset[int]
) -> list[list[int]]:
    """One more token for every beam, by log-probabilities [P K, V]; returns the beam that each new one came from.

    As in fairseq and transformers: candidates are ranked, texts that end are kept if they are among the first K,
    and the first K that do not end go on. What reaches `max_new_tokens` ends.
    """
    K, V = options.beams or 1, scores.shape[-1]
    before = torch.tensor([[beam.score for beam in one.beams] for one in searches])
    total = scores.view(len(searches), K, V) + before.to(scores)[..., None]
    values, places = total.flatten(1).topk(min(K * (1 + max(1, len(eos))), K * V), dim=-1)
    parents = []
    for one, ranked, at in zip(searches, values.tolist(), places.tolist(), strict=True):
        beams: list[Beam] = []
        came_from: list[int] = []
        for rank, (score, place) in enumerate(zip(ranked, at, strict=True)):
            if len(beams) == K or score == NOTHING:
                break
            parent, token = divmod(place, V)
            old = one.beams[parent]
            text = old.text.copy()
            piece = text.take(token, options, eos)
            beam = Beam(text, score, old.shown)
            if piece.reason is None:
                beams.append(replace(beam, shown=old.shown + piece.text))
                came_from.append(parent)
            elif rank < K or piece.reason == "length":
                one.end(beam, piece)
        missing = K - len(beams)
        holder = beams[0] if beams else one.beams[0]
        one.beams = beams + [replace(holder, score=NOTHING)] * missing
        parents.append(came_from + [came_from[0] if came_from else 0] * missing)
    return parents
