"""Texts a token at a time, all rows of a batch in step: greedy, or drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from blocks_generate.language_model import LanguageModel, rows_of
from blocks_generate.options import Options
from blocks_generate.pieces import Piece
from blocks_generate.rows import go_on, read, seen_tokens
from blocks_generate.sampling.draw import draw
from blocks_generate.sampling.filters import filtered
from blocks_generate.sampling.uniforms import uniforms
from blocks_generate.texts import Decode, Prompt, Text


def sample(
    language: LanguageModel,
    prompts: Sequence[Prompt],
    numbers: range,
    options: Options,
    eos: frozenset[int],
    decode: Decode,
) -> Iterator[Piece]:
    """Write the samples of these numbers to each prompt, which is read once, and its state copied to its samples."""
    texts = [Text.start(prompt, number, decode, options.stop) for prompt in prompts for number in numbers]
    streams = {id(text): _uniforms(text, options) for text in texts}
    firsts = texts[:: len(numbers)]
    logits, state = read(language, firsts, options)
    if len(numbers) > 1:
        for at, text in enumerate(texts):
            text.begin = firsts[at // len(numbers)].begin
        each = torch.arange(len(firsts), device=language.device).repeat_interleave(len(numbers))
        logits, state = logits[each], rows_of(state, each)
    going = [True] * len(texts)
    while True:
        seen = seen_tokens(texts, logits) if options.repetition_penalty != 1 else None
        scores = filtered(logits, options, seen)
        if options.heat == 0:
            chosen = scores.argmax(dim=-1)
        else:
            drawn = [next(streams[id(text)]) for text in texts]
            chosen = draw(scores, torch.tensor(drawn, dtype=torch.float64))
        for row, (text, token) in enumerate(zip(texts, chosen.tolist(), strict=True)):
            length = text.length
            if going[row]:
                piece = text.take(token, options, eos)
                going[row] = piece.reason is None
                yield piece
            if text.length == length:  # one that has ended goes on in silence, while its row is there
                text.written.append(token)
        if not any(going):
            return
        if not all(going) and not options.compile:  # those that have ended cost nothing more
            rows = [row for row, is_going in enumerate(going) if is_going]
            texts, going = [texts[row] for row in rows], [True] * len(rows)
            state = rows_of(state, torch.tensor(rows, device=language.device))
        logits, state = go_on(language, texts, state, options)


def _uniforms(text: Text, options: Options) -> Iterator[float]:
    """The numbers of a text, by its prompt and its number among all texts of the same one."""
    prompt = text.prompt
    nth = prompt.repeat * options.samples + text.sample
    return uniforms(options.seed, prompt.ids + prompt.source, nth)
