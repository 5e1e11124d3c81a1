"""The coder over the tokenizers library, imported on first use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from blocks import BuildError
from blocks.tokenizer import ROLES
from blocks_tokenizers.bytewise import no_id, no_text

JSON, CONFIG = "tokenizer.json", "tokenizer_config.json"


def imported(name: str, what: str) -> Any:
    """An optional library. Raises BuildError where it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise BuildError.of(
            "B0806", f"{what} needs {name} ({error})", help='pip install "blocks-dsl[tokenizers]"'
        ) from None


def library() -> Any:
    """The tokenizers library."""
    return imported("tokenizers", "this tokenizer")


class LibraryCoder:
    """Text to ids and back by a `tokenizers.Tokenizer`, with roles for some of its tokens.

    `config` is what else a tokenizer_config.json says, such as a chat template.
    """

    def __init__(
        self, made: Any, special: Mapping[str, str], config: Mapping[str, Any] | None = None
    ) -> None:
        made.no_truncation()
        made.no_padding()
        self.made = made
        self.special = {role: special[role] for role in ROLES if role in special}
        self.config = dict(config or {})
        self._vocabulary: dict[str, int] = made.get_vocab(with_added_tokens=True)
        self._size = max(self._vocabulary.values(), default=-1) + 1
        known = {role: self._vocabulary.get(token) for role, token in self.special.items()}
        self.roles: Mapping[str, int] = {role: id for role, id in known.items() if id is not None}

    @property
    def vocab_size(self) -> int:
        return self._size

    @cached_property
    def digest(self) -> str:
        # the library reads a number that it wrote to within one unit in the last place
        said = {"roles": self.roles, "tokenizer": json.loads(self.made.to_str(), parse_float=_rounded)}
        text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def encode(self, text: str) -> list[int]:
        try:
            ids: list[int] = self.made.encode(text, add_special_tokens=False).ids
        except Exception as error:
            raise self._refusal([text], error) from None
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        try:
            found = self.made.encode_batch_fast(list(texts), add_special_tokens=False)
        except Exception as error:
            raise self._refusal(texts, error) from None
        return [encoding.ids for encoding in found]

    def decode(self, ids: Sequence[int]) -> str:
        ids = [int(id) for id in ids]
        if ids and not (min(ids) >= 0 and max(ids) < self._size):
            raise no_id(next(id for id in ids if not 0 <= id < self._size), self._size)
        text: str = self.made.decode(ids, skip_special_tokens=False)
        return text

    def piece(self, id: int) -> str:
        found = self.made.id_to_token(int(id)) if 0 <= id < self._size else None
        if found is None:
            raise no_id(id, self._size)
        return str(found)

    def save(self, folder: Path) -> None:
        """Write tokenizer.json and tokenizer_config.json."""
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "clean_up_tokenization_spaces": False,
            "model_max_length": 10**30,
            **self.config,
            **{f"{role}_token": token for role, token in self.special.items()},
        }
        (folder / JSON).write_text(self.made.to_str(pretty=True), encoding="utf-8")
        text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
        (folder / CONFIG).write_text(text, encoding="utf-8")

    def extended(self, tokens: Sequence[str], special: Mapping[str, str]) -> LibraryCoder:
        """The same with further tokens, whole wherever they stand in a text, and further special ones by role."""
        tokenizers = library()
        made = tokenizers.Tokenizer.from_str(self.made.to_str())
        made.add_tokens([tokenizers.AddedToken(token, normalized=False) for token in tokens])
        made.add_special_tokens([special_token(token) for token in special.values()])
        return LibraryCoder(made, {**self.special, **special}, self.config)

    def _refusal(self, texts: Sequence[str], error: Exception) -> BuildError:
        """What to raise where the library refuses a text."""
        for text in texts:
            try:
                text.encode()
            except UnicodeEncodeError:
                return no_text(text)
        for text in texts:
            for unknown in self._pieces(text):
                if unknown not in self._vocabulary:
                    return BuildError.of(
                        "B1206",
                        f"{unknown!r} has no id, and there is no token for the unknown",
                        help="train it on a text that has it, or give it one with unk: <unk>",
                    )
        raise error

    def _pieces(self, text: str) -> list[str]:
        """What the vocabulary is asked for, where each piece is a token."""
        tokens = [token.content for token in self.made.get_added_tokens_decoder().values()]
        for token in sorted(tokens, key=len, reverse=True):
            text = text.replace(token, " ")
        if self.made.normalizer is not None:
            text = self.made.normalizer.normalize_str(text)
        return [piece for piece, _ in self.made.pre_tokenizer.pre_tokenize_str(text)]


def _rounded(number: str) -> str:
    return f"{float(number):.9g}"


def special_token(token: str) -> Any:
    """A token that stands for itself wherever it is in a text."""
    return library().AddedToken(token, special=True, normalized=False)
