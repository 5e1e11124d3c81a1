"""What files beside a model say about generation: what stands around a prompt, what a target begins with, what ends it.

Of transformers: config.json, generation_config.json, tokenizer.json, tokenizer_config.json.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blocks import BuildError

CONFIG, GENERATION = "config.json", "generation_config.json"
TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
BEFORE = frozenset({"LlamaTokenizer", "GemmaTokenizer", "CodeLlamaTokenizer"})
"""Classes of tokenizers that begin a text with bos where no file says anything about it; `AFTER` end it with eos."""
AFTER = frozenset({"T5Tokenizer", "MarianTokenizer", "PegasusTokenizer", "MBartTokenizer"})


def options_beside(folder: str | os.PathLike[str], roles: Mapping[str, int]) -> dict[str, Any]:
    """Options that the files of a build folder or a checkpoint give: before, after, start, eos; those that they say.

    `roles` are the special tokens of its tokenizer. Raises BuildError for a file that is no JSON.
    """
    said = _read(Path(folder), CONFIG) | _read(Path(folder), GENERATION)
    found: dict[str, Any] = {}
    if isinstance(said.get("decoder_start_token_id"), int):
        found["start"] = said["decoder_start_token_id"]
    ends = said.get("eos_token_id")
    ends = [ends] if isinstance(ends, int) else ends
    if isinstance(ends, list) and all(isinstance(end, int) for end in ends):
        found["eos"] = tuple(dict.fromkeys([*ends, *([roles["eos"]] if "eos" in roles else [])]))
    before, after = _around(Path(folder), roles)
    return found | ({"before": before} if before else {}) | ({"after": after} if after else {})


def _around(folder: Path, roles: Mapping[str, int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids that the tokenizer puts before and after one text."""
    processor = _read(folder, TOKENIZER).get("post_processor")
    if isinstance(processor, dict):
        try:
            return _of_processor(processor)
        except (KeyError, IndexError, TypeError) as error:
            reason = (
                f"{folder / TOKENIZER}: its post_processor cannot be read, {type(error).__name__}: {error}"
            )
            raise BuildError.of("B1005", reason, help="fetch or write the file again") from None
    config = _read(folder, TOKENIZER_CONFIG)
    name = str(config.get("tokenizer_class", "")).removesuffix("Fast")
    begins = config.get("add_bos_token", name in BEFORE)
    ends = config.get("add_eos_token", name in AFTER)
    return (
        (roles["bos"],) if begins and "bos" in roles else (),
        (roles["eos"],) if ends and "eos" in roles else (),
    )


def _of_processor(processor: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What a post-processor of the tokenizers library adds to one text."""
    match processor.get("type"):
        case "TemplateProcessing":
            return _of_template(processor["single"], processor["special_tokens"])
        case "BertProcessing" | "RobertaProcessing":
            return (processor["cls"][1],), (processor["sep"][1],)
        case "Sequence":
            before: tuple[int, ...] = ()
            after: tuple[int, ...] = ()
            for part in processor["processors"]:
                first, last = _of_processor(part)
                before, after = first + before, after + last
            return before, after
    return (), ()


def _of_template(
    template: Sequence[Mapping[str, Any]], special: Mapping[str, Any]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    sides: tuple[list[int], list[int]] = ([], [])
    side = 0
    for piece in template:
        if "Sequence" in piece:
            side = 1
        else:
            sides[side].extend(special[piece["SpecialToken"]["id"]]["ids"])
    return tuple(sides[0]), tuple(sides[1])


def _read(folder: Path, name: str) -> dict[str, Any]:
    """The mapping of a JSON file of a folder, or of the folder `tokenizer` in it; empty where there is none."""
    for path in (folder / "tokenizer" / name, folder / name):
        if path.is_file():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise BuildError.of(
                    "B1005", f"{path}: {error}", help="fetch or write the file again"
                ) from None
            return found if isinstance(found, dict) else {}
    return {}
