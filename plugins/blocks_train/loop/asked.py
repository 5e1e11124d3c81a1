"""What a run is: the model, the data as token ids, and the record of both that run.json holds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from blocks import BuildError, Coder, Plan, Recipe, Registry, __version__, open_tokenizer
from blocks.canonical import canonical, training_tree
from blocks_train.data import Corpus, prepare, progress, texts
from blocks_train.loop.checkpoints import Checkpoint
from blocks_train.loop.request import Request


@dataclass(frozen=True)
class Asked:
    """What is trained, on what, with which words; `record` is what run.json holds of it."""

    recipe: Recipe
    plan: Plan
    coder: Coder
    train: Corpus
    validation: Corpus | None
    record: dict[str, Any]

    def packed(self) -> dict[str, bytes] | None:
        """The files of the tokenizer, by their paths, for processes that need not train it again; None: of none."""
        if self.plan.tokenizer is None or not self.plan.tokenizer.needs_training:
            return None
        with tempfile.TemporaryDirectory() as folder:
            self.coder.save(Path(folder))
            files = [path for path in Path(folder).rglob("*") if path.is_file()]
            return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def prepare_run(
    made: Request,
    before: Mapping[str, Any] | None,
    found: Checkpoint | None,
    coder: Coder | None = None,
) -> Asked:
    """The plan, the tokenizer, trained where it has to be, and the data as its ids.

    `before` is the record of the run that is resumed, `found` its newest checkpoint, whose tokenizer it is; `coder`
    a tokenizer that is known already. Raises BlocksError.
    """
    args = made.args
    data: dict[str, Any] = {"paths": args.data, "field": args.field, "split": args.split}
    if before is not None and not args.data:
        data = {key: before["data"][key] for key in data}
    with progress() as step:

        def obtain(plan: Plan) -> Coder:
            assert plan.tokenizer is not None
            if coder is not None:
                return coder
            if found is not None:
                return open_tokenizer(found.folder, registry=args.registry)
            if not plan.tokenizer.needs_training:
                return plan.tokenizer.open(None)
            read = texts(data["paths"], field=data["field"], split=data["split"], step=step)
            return plan.tokenizer.train(read, step=_named(step))

        recipe, plan, known = made.with_coder(obtain)
        check_objective(plan, known)
        corpus = prepare(
            data["paths"], known, args.cache or _cache(), field=data["field"], split=data["split"], step=step
        )
    training, validation = corpus.split(plan.train.validation)
    record = {
        "name": plan.name,
        "parameters": plan.parameters,
        "recipe": canonical(plan),
        "train": training_tree(plan.train),
        "data": {**data, "tokens": len(corpus.tokens), "digest": corpus.digest},
        "tokenizer": known.digest,
        "device": args.device,
        "kernels": args.kernels,
        "versions": {"blocks-dsl": __version__, "torch": str(torch.__version__)},
    }
    return Asked(recipe, plan, known, training, validation, record)


def unpacked(packed: Mapping[str, bytes] | None, registry: Registry) -> Coder | None:
    """The tokenizer of some files; None: of none."""
    if packed is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        for name, content in packed.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return open_tokenizer(folder, registry=registry)


def check_objective(plan: Plan, coder: Coder) -> None:
    """Raise BuildError where the objective asks for other data than text, or for a token that there is none of."""
    objective = plan.train.objective
    if objective.reads != ("text",):
        raise BuildError.of(
            "B1308",
            f"{objective.name} reads {' and '.join(objective.reads)}, and `blocks train` reads text",
            help="objective: next_token",
        )
    objective.check_coder(coder)


def _named(step: Callable[[str, int, int | None], object]) -> Callable[[str], None]:
    """The progress of a tokenizer's training, which says what it does and not how far it is."""

    def told(what: str) -> None:
        step(what, 0, None)

    return told


def _cache() -> Path:
    """Where tokenised data is kept: XDG_CACHE_HOME, or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "blocks" / "data"
