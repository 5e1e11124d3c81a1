"""Bytes as ids, and the form in which transformers reads that: a byte-level BPE without merges, id n for byte n.

Byte 0, which no text has, ends texts and pads them; it stands for itself, and not for a letter that texts may have.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blocks import BuildError

END = "\0"


class Bytes:
    """The coder of UTF-8 bytes."""

    @property
    def vocab_size(self) -> int:
        return 256

    @property
    def roles(self) -> Mapping[str, int]:
        return {"pad": 0, "eos": 0}

    @property
    def digest(self) -> str:
        return hashlib.sha256(b"the bytes of UTF-8; 0 ends and pads").hexdigest()

    def encode(self, text: str) -> list[int]:
        try:
            return list(text.encode())
        except UnicodeEncodeError as error:
            raise no_text(text, error) from None

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [self.encode(text) for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        try:
            return bytes(ids).decode(errors="replace")
        except ValueError:
            raise no_id(next(id for id in ids if id not in range(256)), 256) from None

    def piece(self, id: int) -> str:
        if id not in range(256):
            raise no_id(id, 256)
        return letters()[id] if id else END

    def save(self, folder: Path) -> None:
        """Write tokenizer.json and tokenizer_config.json."""
        for name, content in (("tokenizer.json", _tokenizer()), ("tokenizer_config.json", _config())):
            text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
            (folder / name).write_text(text, encoding="utf-8")


def no_id(id: int, size: int) -> BuildError:
    """What to raise for an id that no token has."""
    return BuildError.of("B1205", f"there is no token {id}", help=f"ids are 0 to {size - 1:,}")


def no_text(text: str, error: UnicodeEncodeError) -> BuildError:
    """What to raise for text with half a surrogate pair, which UTF-8 has no bytes for."""
    return BuildError.of(
        "B1207",
        f"character {error.start:,} of the text is U+{ord(text[error.start]):04X}, half of a surrogate pair",
        help="read the text as UTF-8, with errors='replace' where it is damaged",
    )


def _tokenizer() -> dict[str, Any]:
    special: dict[str, Any] = {"content": END, "special": True, "normalized": False}
    special |= {"lstrip": False, "rstrip": False, "single_word": False}
    bytewise = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": 0} | special],
        "normalizer": None,
        "pre_tokenizer": bytewise,
        "post_processor": None,
        "decoder": bytewise,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {END: 0} | {letter: byte for byte, letter in enumerate(letters()) if byte},
            "merges": [],
        },
    }


def _config() -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": END,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 10**30,
    }


def letters() -> list[str]:
    """A printable letter for each byte: itself where it is one, else one from U+0100 on (GPT-2's table)."""
    plain = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in plain else next(others)) for byte in range(256)]
