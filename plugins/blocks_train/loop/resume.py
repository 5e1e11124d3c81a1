"""Whether a run can begin in a folder, or go on there: with the same model, data and seed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blocks import BuildError
from blocks.reader import read
from blocks_train.loop.run_folder import LOCK, RUN, differences, read_run

FREE = ("steps", "save_every", "eval_every", "clip", "optimizer", "schedule", "compile", "checkpoint")
"""Keys of `train:` that may change from one part of a run to the next; of the optimizer, its options alone."""

LEFT = (LOCK, f".{RUN}.new")
"""What a kill at the very beginning leaves of a run."""


def run_to_resume(run: Path) -> dict[str, Any]:
    """The record of the run in a folder. Raises BuildError where there is none."""
    found = read_run(run)
    if found is None:
        raise BuildError.of(
            "B1503", f"there is no run in {run}", help="leave out --resume to begin one there"
        )
    return found


def check_free(run: Path) -> None:
    """Raise BuildError where something is in the folder that a new run would mix with."""
    if read_run(run) is not None:
        raise BuildError.of(
            "B1501",
            f"{run} holds a run already",
            help="--resume goes on with it, -o DIR begins another elsewhere",
        )
    if run.exists() and (not run.is_dir() or any(path.name not in LEFT for path in run.iterdir())):
        raise BuildError.of("B0803", f"{run} exists and is not a run", help="choose another folder with -o")


def check_same(run: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise BuildError with everything in which what is asked is another run than that in the folder."""
    wrong = differences(_fixed(before), _fixed(now))
    if before["tokenizer"] != now["tokenizer"]:
        wrong.append("the tokenizer is another one")
    if before["data"]["digest"] != now["data"]["digest"] and not wrong:
        wrong.append(f"data: {_shown(before['data'])} in the run, {_shown(now['data'])} now")
    if wrong:
        more = f" (and {len(wrong) - 5} more)" if len(wrong) > 5 else ""
        raise BuildError.of(
            "B1502",
            f"{run} is another run: {'; '.join(wrong[:5])}{more}",
            help="leave out what differs, or begin another run with -o",
        )


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What changes on the way, a line each."""
    return differences({"train": _free(before)}, {"train": _free(now)})


def _fixed(record: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a record that is the same from the beginning of a run to its end."""
    value = read(record["recipe"]).value
    assert isinstance(value, dict)
    train = record["train"]
    kept = {key: value for key, value in train.items() if key not in FREE}
    return {**value, "train": {**kept, "optimizer": list(train["optimizer"])}}


def _free(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record["train"].items() if key in FREE}


def _shown(data: Mapping[str, Any]) -> str:
    return f"{data['tokens']:,} tokens of {', '.join(map(str, data['paths']))}"
