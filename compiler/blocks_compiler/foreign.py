"""Checkpoints of other libraries: a folder with config.json and safetensors, read by the importer of its family.

Nothing here imports torch, runs code of the folder, or reads a weight: what comes out is the recipe, and rules
that say where each weight is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

from blocks import BuildError, Plan, Recipe, RecipeError, Registry
from blocks.diagnostics import BlocksError, Problems
from blocks.foreign_config import Config, Finding
from blocks.importer import Importer
from blocks.reader import Document, read
from blocks.recipe_text import recipe_text
from blocks.same import same_modules
from blocks.suggest import did_you_mean
from blocks_compiler.backends.shards import Stored, same_bytes, stored, unique

CONFIG = "config.json"
COMPANIONS = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "merges.txt", "vocab.txt", "tokenizer.model", "spiece.model", "source.spm",
    "target.spm", "sentencepiece.bpe.model", "chat_template.jinja", "preprocessor_config.json",
)  # fmt: skip
MAX_CONFIG = 1 << 24
"""Bytes of a config.json that is read at all."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A checkpoint that was understood: its family, its recipe, its tensors under the names of the rules."""

    folder: Path
    importer: Importer
    config: Config
    recipe: Recipe
    text: str
    tensors: Mapping[str, Stored]

    @property
    def companions(self) -> list[str]:
        """Files that go with the model: its tokenizer's, its config.json, the defaults of generation."""
        return sorted(name for name in COMPANIONS if (self.folder / name).is_file())


def importer_of(model_type: object, registry: Registry) -> Importer:
    """The importer of a family. Raises BuildError where none knows it, PluginError where its plugin fails."""
    names = [entry.name for entry in registry.of_kind("importer")]
    if model_type not in names:
        near = did_you_mean(str(model_type), names)
        raise BuildError.of(
            "B1001",
            f"no importer knows the model type {str(model_type)[:80]!r}",
            help=f"did you mean {near!r}?" if near else f"known: {', '.join(sorted(names))}",
        )
    found: Importer = registry.find("importer", str(model_type)).load()()
    return found


def open_checkpoint(
    folder: Path, registry: Registry, *, ignore: Collection[str] = (), name: str | None = None
) -> Foreign:
    """Read config.json and the headers of the weights. Raises BuildError with all that is not understood.

    `ignore` names keys of config.json that are known to change nothing, `name` that of the recipe.
    """
    values, document = read_config(folder / CONFIG)
    importer = importer_of(values.get("model_type"), registry)
    damaged: BuildError | None = None
    tensors: dict[str, Stored] = {}
    try:
        tensors = {importer.today(raw): entry for raw, entry in stored(folder).items()}
    except BuildError as error:
        damaged = error
    config = Config(
        values,
        defaults=importer.defaults,
        names=tensors,
        equal=lambda one, other: same_bytes(tensors[one], tensors[other]),
    )
    name = name or _name(values, folder)
    about = f"Read from a checkpoint of model type {values['model_type']}."
    try:
        text, recipe = recipe_of(
            importer, config, registry, name=name, ignore=ignore, file=str(folder / CONFIG), document=document,
            about=about,
        )  # fmt: skip
    except BuildError as error:
        also = () if damaged is None else damaged.diagnostics
        raise BuildError([*error.diagnostics, *also], error.sources) from None
    if damaged is not None:
        raise damaged
    return Foreign(folder, importer, config, recipe, text, tensors)


def recipe_of(
    importer: Importer,
    config: Config,
    registry: Registry,
    *,
    name: str,
    ignore: Collection[str] = (),
    file: str = CONFIG,
    document: Document | None = None,
    about: str = "",
) -> tuple[str, Recipe]:
    """The recipe of a config, as text and read again; on top `about`, and where its results differ from elsewhere.

    Raises BuildError with every key that is not understood.
    """
    from blocks.api import load

    said = importer.recipe(config)
    findings = [*config.all_findings(), *config.unread({*importer.harmless, *ignore})]
    if findings:
        raise _wrong(findings, file, document)
    notes = (line for note in config.notes for line in wrap(note, 100))
    if isinstance(said, str):
        text = said.rstrip("\n") + "\n"  # a text, never the name of a file
    else:
        text = recipe_text({"recipe": name} | said, registry, "\n".join((*about.splitlines(), *notes)))
    try:
        recipe = load(text)
        recipe.plan(registry=registry)
    except RecipeError as error:  # sizes that do not fit each other
        message = "; ".join(found.message for found in error.diagnostics)
        raise BuildError.of(
            "B1003", f"{file} describes a model that cannot be: {message}", help="fetch it again"
        ) from None
    return text, recipe


def family_of(
    plan: Plan, registry: Registry, *, prefer: str | None = None
) -> tuple[Importer, dict[str, Any]] | None:
    """The family whose checkpoints can hold a plan's weights, and their config.json; None: there is none.

    Each importer's guess is imported again and compared with the plan, so that what is returned is certain. `prefer`
    names a family to try first.
    """
    names = sorted((entry.name for entry in registry.of_kind("importer")), key=lambda name: name != prefer)
    for name in names:
        importer = importer_of(name, registry)
        try:
            guess = importer.config(plan)
        except LookupError:
            continue
        if guess is None:
            continue
        values = {"model_type": importer.model_type} | dict(guess)
        try:
            config = Config(values, defaults=importer.defaults)
            _, recipe = recipe_of(importer, config, registry, name=plan.name)
        except BlocksError:
            continue
        if same_modules(recipe.plan(registry=registry), plan):
            return importer, values
    return None


def read_config(path: Path) -> tuple[dict[str, Any], Document | None]:
    """The values of a config.json, and its text with the place of every key, where that can be had."""
    try:
        if path.stat().st_size > MAX_CONFIG:
            raise BuildError.of(
                "B1005", f"{path} is larger than {MAX_CONFIG >> 20} MiB", help="fetch it again"
            )
        text = path.read_text(encoding="utf-8")
        values = json.loads(text, object_pairs_hook=unique)
    except FileNotFoundError:
        raise BuildError.of(
            "B0801", f"{path.parent} has no {path.name}", help="name the folder of a checkpoint"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise BuildError.of("B1005", f"{path} cannot be read: {error}", help="fetch it again") from None
    if not isinstance(values, dict):
        raise BuildError.of("B1005", f"{path} holds no mapping", help="fetch it again")
    try:
        return values, read(text, str(path))
    except BlocksError:
        return values, None


def _wrong(findings: Collection[Finding], file: str, document: Document | None) -> BuildError:
    problems = document.problems() if document is not None else Problems(file, "")
    for finding in findings:
        at = None if document is None else document.span(finding.path, key=finding.code == "B1002")
        problems.add(finding.code, finding.message, at=at, help=finding.help)
    return BuildError(problems.diagnostics, problems.sources)


def _name(values: Mapping[str, Any], folder: Path) -> str:
    """A name for the recipe: that of the checkpoint, or of its folder."""
    said = str(values.get("_name_or_path") or folder.resolve().name).rstrip("/").rpartition("/")[2]
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "-", said).strip("-.+")[:80]
    return name or str(values["model_type"])
