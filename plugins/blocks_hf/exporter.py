"""`blocks export --to hf`: a folder that transformers loads.

config.json, model.safetensors, generation_config.json, and the tokenizer's files where there are some. A model that
one of the importers' families can hold is written as that family; any other one as model type `blocks`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blocks import BuildError, open_tokenizer, save_checkpoint
from blocks.exporter import Exporter, Exporting
from blocks.tokenizer import coder_of, has_files
from blocks_hf.facts import facts_of

CONFIG, GENERATION = "config.json", "generation_config.json"
IDS = ("bos_token_id", "decoder_start_token_id", "eos_token_id", "pad_token_id")


def write(exporting: Exporting, folder: Path) -> Iterator[str]:
    """Write the folder. Raises BuildError for what transformers' calls cannot say, or where it is missing."""
    theirs = _read(exporting.tokenizer, CONFIG)
    ids = _ids_of_roles(exporting) | {key: theirs[key] for key in IDS if theirs.get(key) is not None}
    exporting.step("write the weights")
    family = save_checkpoint(
        exporting.model,
        folder,
        prefer=theirs.get("model_type"),
        keep=ids | theirs,
        registry=exporting.registry,
    )
    if family is None:
        _write_blocks(exporting, folder, ids)
    exporting.step("write the tokenizer")
    named = _tokenizer(exporting, folder)
    if not (folder / GENERATION).exists() and facts_of(exporting.model.recipe).kind in ("causal", "seq2seq"):
        text = json.dumps({"_from_model_config": True} | ids, indent=2)
        (folder / GENERATION).write_text(text + "\n", encoding="utf-8")
    yield f"type       {family or 'blocks'}, {_read(folder, CONFIG)['architectures'][0]}"
    yield f"tokenizer  {named}"


def _write_blocks(exporting: Exporting, folder: Path, ids: dict[str, Any]) -> None:
    from blocks_hf.wrap import to_transformers

    try:
        wrapped: Any = to_transformers(exporting.model, **ids)
    except ValueError as error:
        raise BuildError.of("B1101", str(error), help="--to onnx and --to pt2 take any inputs") from None
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        wrapped.save_pretrained(folder)
    finally:
        if shown:
            logging.enable_progress_bar()


def _ids_of_roles(exporting: Exporting) -> dict[str, int]:
    """The ids that a config names, of the tokenizer's own roles; an import has a config that says them."""
    folder = exporting.tokenizer
    if folder is not None and (not has_files(folder) or (folder / CONFIG).is_file()):
        return {}
    if folder is None:
        coder = coder_of(exporting.plan)
    else:
        coder = open_tokenizer(folder, registry=exporting.registry)
    known = {f"{role}_token_id": id for role, id in coder.roles.items()} if coder is not None else {}
    return {key: id for key, id in known.items() if key in IDS}


def _tokenizer(exporting: Exporting, folder: Path) -> str:
    """Put the tokenizer's files into the folder, and say what it is."""
    if exporting.tokenizer is not None:
        names = [path.name for path in sorted(exporting.tokenizer.iterdir()) if path.name != CONFIG]
        for name in names:
            shutil.copyfile(exporting.tokenizer / name, folder / name)
        return ", ".join(names)
    tokenizer, coder = exporting.plan.tokenizer, coder_of(exporting.plan)
    if tokenizer is None:
        return "none"
    if coder is None:
        return f"none: {tokenizer.name} is not trained yet"
    coder.save(folder)
    roles = ", ".join(f"{role} is {id}" for role, id in coder.roles.items())
    return f"{tokenizer.name}, {coder.vocab_size:,} ids{'; ' if roles else ''}{roles}"


def _read(folder: Path | None, name: str) -> dict[str, Any]:
    """The mapping of a JSON file; empty where there is none."""
    if folder is None or not (folder / name).is_file():
        return {}
    found: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return found


EXPORTER = Exporter(write, marks=CONFIG, steps=2)
