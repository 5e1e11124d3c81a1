"""The coder of a sentencepiece *.model, and the tokenizer.json that says the same.

A model with options that the tokenizers library has nothing for is saved as it is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from blocks import BuildError
from blocks.tokenizer import ROLES
from blocks_tokenizers.bytewise import no_id, no_text
from blocks_tokenizers.library import LibraryCoder, imported, library, special_token
from blocks_tokenizers.pipeline import BYTE, SPACE
from blocks_tokenizers.proto import Model

MODEL = "tokenizer.model"


class SentenceCoder:
    """Text to ids and back by sentencepiece."""

    def __init__(self, data: bytes, model: Model, special: Mapping[str, str], name: str) -> None:
        spm = imported("sentencepiece", f"reading {name}")
        self.data, self.model = data, model
        self.made: Any = spm.SentencePieceProcessor(model_proto=data)
        known = {role: model.pieces[id].text for role, id in (model.ids or {}).items()} | dict(special)
        self.special = {role: known[role] for role in ROLES if role in known}
        ids = {piece.text: id for id, piece in enumerate(model.pieces)}
        self.roles: Mapping[str, int] = {
            role: ids[token] for role, token in self.special.items() if token in ids
        }

    @property
    def vocab_size(self) -> int:
        return len(self.model.pieces)

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.data + json.dumps(self.roles).encode()).hexdigest()

    def encode(self, text: str) -> list[int]:
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        for text in texts:
            try:
                text.encode()
            except UnicodeEncodeError:
                raise no_text(text) from None
        found: list[list[int]] = self.made.encode(list(texts), num_threads=1)
        return found

    def decode(self, ids: Sequence[int]) -> str:
        ids = [int(id) for id in ids]
        wrong = next((id for id in ids if not 0 <= id < self.vocab_size), None)
        if wrong is not None:
            raise no_id(wrong, self.vocab_size)
        if convertible(self.model) and any(
            self.model.pieces[id].kind in ("control", "unknown") for id in ids
        ):
            return converted(self.model, self.special).decode(ids)  # sentencepiece would leave them out
        text: str = self.made.decode(ids)
        return text

    def piece(self, id: int) -> str:
        if not 0 <= id < self.vocab_size:
            raise no_id(id, self.vocab_size)
        return self.model.pieces[id].text

    def save(self, folder: Path) -> None:
        """Write the model itself, and tokenizer.json and tokenizer_config.json where they can say the same."""
        (folder / MODEL).write_bytes(self.data)
        if convertible(self.model):
            converted(self.model, self.special).save(folder)

    def extended(self, tokens: Sequence[str], special: Mapping[str, str]) -> LibraryCoder:
        """The same with further tokens, as `LibraryCoder.extended`. Raises BuildError where it cannot be converted."""
        if not convertible(self.model):
            raise BuildError.of(
                "B1202",
                "this sentencepiece model has options that a tokenizer.json has nothing for",
                help="train it with whitespace before words, as unigram or bpe",
            )
        return converted(self.model, self.special).extended(tokens, special)


def convertible(model: Model) -> bool:
    """Whether a tokenizer.json can say what the model says."""
    return model.type in ("unigram", "bpe") and model.escape and not model.suffix


def converted(model: Model, special: Mapping[str, str]) -> LibraryCoder:
    """The tokenizers library's form of a model; both agree on texts that spell none of its special tokens.

    sentencepiece normalises a text, puts a space before it, and looks for pieces in all of it, across words.
    """
    tokenizers = library()
    made = tokenizers.Tokenizer(_unigram(model) if model.type == "unigram" else _bpe(model))
    made.normalizer = _normalizer(model)
    given = sorted((piece.text for piece in model.pieces if piece.kind == "user"), key=len, reverse=True)
    whole = [re.escape(text) for text in given]  # never taken apart, nor joined to others
    if model.fallback:
        whole.append(BYTE)
    if whole:
        pattern = tokenizers.Regex("|".join(whole))
        made.pre_tokenizer = tokenizers.pre_tokenizers.Split(pattern, "isolated")
    known = tokenizers.decoders
    steps = [known.Replace(SPACE, " "), *([known.ByteFallback()] if model.fallback else []), known.Fuse()]
    made.decoder = known.Sequence([*steps, *([known.Strip(" ", 1, 0)] if model.prefix else [])])
    own = [piece.text for piece in model.pieces if piece.kind in ("control", "unknown")]
    made.add_special_tokens([special_token(token) for token in own])
    return LibraryCoder(made, special)


def _normalizer(model: Model) -> Any:
    known, regex = library().normalizers, library().Regex
    steps: list[Any] = []
    if model.charsmap:
        steps.append(known.Precompiled(model.charsmap))
    if model.squeeze:
        steps += [known.Replace(regex(r"\A +| +\z"), ""), known.Replace(regex(" {2,}"), " ")]
    steps.append(known.Replace(" ", SPACE))
    if model.prefix:
        steps.append(known.Prepend(SPACE))
    return known.Sequence(steps)


def _unknown(model: Model) -> int:
    return next((id for id, piece in enumerate(model.pieces) if piece.kind == "unknown"), 0)


def _unigram(model: Model) -> Any:
    vocabulary = [(piece.text, piece.score) for piece in model.pieces]
    return library().models.Unigram(vocabulary, _unknown(model), model.fallback)


def _bpe(model: Model) -> Any:
    """Pairs are joined in the order of the scores of what they make, from the left where that is one."""
    pieces = model.pieces
    normal = {piece.text: (-piece.score, id) for id, piece in enumerate(pieces) if piece.kind == "normal"}
    merges = sorted(
        (*rank, text[:at], text[at:])
        for text, rank in normal.items()
        for at in range(1, len(text))
        if text[:at] in normal and text[at:] in normal
    )
    return library().models.BPE(
        vocab={piece.text: id for id, piece in enumerate(pieces)},
        merges=[(left, right) for _, _, left, right in merges],
        unk_token=pieces[_unknown(model)].text,
        fuse_unk=True,
        byte_fallback=model.fallback,
        ignore_merges=any(piece.kind == "user" for piece in pieces),
    )
