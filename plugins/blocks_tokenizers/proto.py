"""What a sentencepiece *.model says, read without sentencepiece: a protocol buffer of its sentencepiece_model.proto.

The wire format is a sequence of fields, each a number, a type and a value (protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

KINDS = {1: "normal", 2: "unknown", 3: "control", 4: "user", 5: "unused", 6: "byte"}
TYPES = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}

Value = int | float | bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """One token: its text, the logarithm of its probability (or its rank, negated), and what it is for."""

    text: str
    score: float
    kind: str


@dataclass(frozen=True, slots=True)
class Model:
    """The parts of a model that change its ids. Raises ValueError where the bytes are no such model.

    type     unigram, bpe, word or char
    charsmap the compiled normalisation; empty: none
    prefix   whether a text begins with a space
    squeeze  whether runs of spaces are one, and those at both ends none
    escape   whether a space is written ▁
    suffix   whether a space ends a word rather than begin it
    fallback whether characters without an id are their bytes
    """

    pieces: tuple[Piece, ...]
    type: str = "unigram"
    charsmap: bytes = b""
    prefix: bool = True
    squeeze: bool = True
    escape: bool = True
    suffix: bool = False
    fallback: bool = False
    ids: dict[str, int] | None = None


def read_model(data: bytes) -> Model:
    """The model of a file. Raises ValueError where it is none."""
    pieces = tuple(pieces_of(data))
    if not pieces:
        raise ValueError("it has no pieces")
    said: dict[int, list[bytes]] = {}
    for number, value in _fields(data):
        if number in (2, 3) and isinstance(value, bytes):
            said.setdefault(number, []).append(value)
    trainer = {number: value for part in said.get(2, ()) for number, value in _fields(part)}
    normal = {number: value for part in said.get(3, ()) for number, value in _fields(part)}
    kind = trainer.get(3, 1)
    charsmap = normal.get(2, b"")
    return Model(
        pieces,
        type=TYPES.get(kind if isinstance(kind, int) else 0, "another type"),
        charsmap=charsmap if isinstance(charsmap, bytes) else b"",
        prefix=bool(normal.get(3, 1)),
        squeeze=bool(normal.get(4, 1)),
        escape=bool(normal.get(5, 1)),
        suffix=bool(trainer.get(24, 0)),
        fallback=bool(trainer.get(35, 0)),
        ids={
            role: id
            for role, field in (("unk", 40), ("bos", 41), ("eos", 42), ("pad", 43))
            for id in [_signed(trainer.get(field, {40: 0, 41: 1, 42: 2, 43: -1}[field]))]
            if 0 <= id < len(pieces)
        },
    )


def pieces_of(data: bytes) -> Iterator[Piece]:
    """The pieces in the order of their ids. Raises ValueError."""
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            said = dict(_fields(value))
            text, score, kind = said.get(1, b""), said.get(2, 0.0), said.get(3, 1)
            if not isinstance(text, bytes) or not isinstance(score, float) or kind not in KINDS:
                raise ValueError("a piece is damaged")
            yield Piece(text.decode(), score, KINDS[int(kind)])


def _signed(value: Value) -> int:
    """An int32, which is written as 64 bits."""
    assert isinstance(value, int)
    return value - (1 << 64) if value >> 63 else value


def _fields(data: bytes) -> Iterator[tuple[int, Value]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            length, at = _varint(data, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + length > len(data):
            raise ValueError("it is cut short")
        part = data[at : at + length]
        at += length
        if wire == 5:
            (single,) = struct.unpack("<f", part)
            yield number, float(single)
        else:
            yield number, part


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("it is cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
