"""Bytes as ids, and the form in which transformers reads that: a byte-level BPE without merges, id n for byte n.

Byte 0, which no text has, ends texts and pads them; it stands for itself, and not for a letter that texts may have.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blocks import BuildError
from blocks.tokenizer import ROLES

END = "\0"


class Bytes:
    """The coder of UTF-8 bytes; `special` are further tokens by their roles, with the ids from 256 on."""

    def __init__(self, special: Mapping[str, str] | None = None) -> None:
        self.special = dict(special or {})
        self._further = {token: 256 + n for n, token in enumerate(dict.fromkeys(self.special.values()))}
        longest = sorted(self._further, key=len, reverse=True)
        self._split = re.compile(f"({'|'.join(map(re.escape, longest))})") if longest else None

    @property
    def vocab_size(self) -> int:
        return 256 + len(self._further)

    @property
    def roles(self) -> Mapping[str, int]:
        known = {"pad": 0, "eos": 0} | {role: self._further[token] for role, token in self.special.items()}
        return {role: known[role] for role in ROLES if role in known}

    @property
    def digest(self) -> str:
        said = json.dumps(["the bytes of UTF-8; 0 ends and pads", self.special], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()

    def encode(self, text: str) -> list[int]:
        try:
            if self._split is None:
                return list(text.encode())
            ids: list[int] = []
            for part in self._split.split(text):
                id = self._further.get(part)
                ids += [id] if id is not None else part.encode()
            return ids
        except UnicodeEncodeError:
            raise no_text(text) from None

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [self.encode(text) for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        if all(0 <= id < 256 for id in ids):
            return bytes(ids).decode(errors="replace")
        tokens, text, part = list(self._further), "", bytearray()
        for id in map(int, ids):
            if 0 <= id < 256:
                part.append(id)
            elif 256 <= id < self.vocab_size:
                text += part.decode(errors="replace") + tokens[id - 256]
                part.clear()
            else:
                raise no_id(id, self.vocab_size)
        return text + part.decode(errors="replace")

    def piece(self, id: int) -> str:
        if not 0 <= id < self.vocab_size:
            raise no_id(id, self.vocab_size)
        return list(self._further)[id - 256] if id >= 256 else letters()[id] if id else END

    def save(self, folder: Path) -> None:
        """Write tokenizer.json and tokenizer_config.json."""
        written = {"tokenizer.json": self._tokenizer(), "tokenizer_config.json": self._config()}
        for name, content in written.items():
            text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
            (folder / name).write_text(text, encoding="utf-8")

    def _tokenizer(self) -> dict[str, Any]:
        added = {END: 0, **self._further}
        special: dict[str, Any] = {"special": True, "normalized": False}
        special |= {"lstrip": False, "rstrip": False, "single_word": False}
        bytewise = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [special | {"id": id, "content": token} for token, id in added.items()],
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
                "vocab": added | {letter: byte for byte, letter in enumerate(letters()) if byte},
                "merges": [],
            },
        }

    def _config(self) -> dict[str, Any]:
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": END,
            "pad_token": END,
            "clean_up_tokenization_spaces": False,
            "model_max_length": 10**30,
            **{f"{role}_token": token for role, token in self.special.items()},
        }


def no_id(id: int, size: int) -> BuildError:
    """What to raise for an id that no token has."""
    return BuildError.of("B1205", f"there is no token {id}", help=f"ids are 0 to {size - 1:,}")


def no_text(text: str) -> BuildError:
    """What to raise for text with half a surrogate pair, which UTF-8 has no bytes for."""
    at = next(at for at, letter in enumerate(text) if 0xD800 <= ord(letter) <= 0xDFFF)
    return BuildError.of(
        "B1207",
        f"character {at:,} of the text is U+{ord(text[at]):04X}, half of a surrogate pair",
        help="read the text as UTF-8, with errors='replace' where it is damaged",
    )


def letters() -> list[str]:
    """A printable letter for each byte: itself where it is one, else one from U+0100 on (GPT-2's table)."""
    plain = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in plain else next(others)) for byte in range(256)]
