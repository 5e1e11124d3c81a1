"""Reading a tokenizer's files: which there are, how many ids they have, and the coder that they make.

The number of ids is read without any library, so that a recipe that names a file is checked at once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from blocks import BuildError, Coder
from blocks.suggest import did_you_mean
from blocks.tokenizer import FILES, ROLES
from blocks_tokenizers.library import CONFIG, LibraryCoder, library
from blocks_tokenizers.proto import read_model

MAX_BYTES = 512 * 1024 * 1024
TEMPLATE = "chat_template.jinja"
_OWN = frozenset({"added_tokens_decoder", "extra_special_tokens", *(f"{role}_token" for role in ROLES)})


def find_file(path: Path) -> Path:
    """The file of a tokenizer at a path: itself, or that of a folder. Raises BuildError where there is none."""
    if path.is_dir():
        for pattern in FILES:
            found = sorted(path.glob(pattern))
            if len(found) > 1:
                names = ", ".join(file.name for file in found)
                raise BuildError.of(
                    "B1201", f"{path} has several tokenizers: {names}", help="name one of them"
                )
            if found:
                return found[0]
        raise BuildError.of("B1201", f"{path} has no tokenizer", help=f"a folder with {' or '.join(FILES)}")
    if not path.is_file():
        near = did_you_mean(path.name, _names(path.parent))
        help = (
            f"did you mean {path.with_name(near)}?"
            if near
            else "a tokenizer.json, or a sentencepiece *.model"
        )
        raise BuildError.of("B1201", f"there is no file {path}", help=help)
    return path


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if path.suffix in (".json", ".model"))
    except OSError:
        return []


def count_ids(path: Path) -> int:
    """One more than the largest id of a file's tokens. Raises BuildError."""
    file = find_file(path)
    if file.suffix == ".model":
        return len(_model(file).pieces)
    said = _json(file)
    vocabulary = said["model"].get("vocab", ())
    ids = list(vocabulary.values()) if isinstance(vocabulary, dict) else list(range(len(vocabulary)))
    ids += [token.get("id") if isinstance(token, dict) else None for token in said.get("added_tokens") or ()]
    if not ids or not all(isinstance(id, int) for id in ids):
        raise no_tokenizer(file, "it has no tokens")
    return max(ids) + 1


def open_files(path: Path, special: dict[str, str] | None = None) -> Coder:
    """The coder of a file or folder, with the roles that its config gives, or else `special`. Raises BuildError."""
    file = find_file(path)
    if file.suffix == ".model":
        from blocks_tokenizers.sentences import SentenceCoder

        return SentenceCoder(_read(file), _model(file), special or {}, str(file))
    text = json.dumps(_json(file))
    try:
        made = library().Tokenizer.from_str(text)
    except BuildError:
        raise
    except Exception as error:
        raise no_tokenizer(file, str(error)) from None
    config = _config(file.parent)
    found = {
        role: token for role in ROLES for token in [_token(config.get(f"{role}_token"))] if token is not None
    }
    unknown = getattr(made.model, "unk_token", None)
    if isinstance(unknown, str) and made.token_to_id(unknown) is not None:
        found.setdefault("unk", unknown)
    found |= special or {}
    lacking = [token for token in found.values() if made.token_to_id(token) is None]
    if lacking:
        raise BuildError.of(
            "B1209",
            f"{file} has no token {lacking[0]!r}",
            help="blocks tokenizer extend adds tokens to a model",
        )
    return LibraryCoder(made, found, {key: value for key, value in config.items() if key not in _OWN})


def no_tokenizer(file: Path, why: str) -> BuildError:
    """What to raise for a file that is no tokenizer."""
    return BuildError.of(
        "B1202", f"{file} is not a tokenizer: {why}", help="a tokenizer.json, or a sentencepiece *.model"
    )


def _token(said: Any) -> str | None:
    """A token as a config writes it: itself, or what describes it."""
    if isinstance(said, dict):
        said = said.get("content")
    return said if isinstance(said, str) and said else None


def _config(folder: Path) -> dict[str, Any]:
    """tokenizer_config.json, with a chat template that stands beside it; empty where there is none."""
    found: dict[str, Any] = {}
    for name in ("special_tokens_map.json", CONFIG):
        file = folder / name
        if file.is_file():
            try:
                said = json.loads(_read(file))
            except ValueError as error:
                raise no_tokenizer(file, str(error)) from None
            if not isinstance(said, dict):
                raise no_tokenizer(file, "it is not an object")
            found |= said
    if (folder / TEMPLATE).is_file():
        found.setdefault("chat_template", (folder / TEMPLATE).read_text(encoding="utf-8"))
    return found


def _json(file: Path) -> dict[str, Any]:
    try:
        said = json.loads(_read(file))
    except (ValueError, RecursionError) as error:
        raise no_tokenizer(file, str(error)) from None
    if not isinstance(said, dict) or not isinstance(said.get("model"), dict):
        raise no_tokenizer(file, "it has no model")
    return said


def _model(file: Path) -> Any:
    try:
        return read_model(_read(file))
    except ValueError as error:
        raise no_tokenizer(file, str(error)) from None


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise BuildError.of(
            "B1201", f"{file} cannot be read: {error.strerror}", help="name another file"
        ) from None
    if len(data) > MAX_BYTES:
        raise no_tokenizer(file, f"it is larger than {MAX_BYTES // 2**20} MiB")
    return data
