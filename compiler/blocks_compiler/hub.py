"""Where a checkpoint is: a folder of this machine, or a repository of the Hugging Face hub that is fetched to one.

What is fetched holds data alone: no pickle, no code.
"""

from __future__ import annotations

import re
from pathlib import Path

from blocks import BuildError

_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_REASONS = {
    "RepositoryNotFoundError": "there is no such repository, or it is not for you",
    "GatedRepoError": "its owner wants to be asked first, on its page at huggingface.co",
    "RevisionNotFoundError": "there is no such revision",
    "LocalEntryNotFoundError": "it is not on this machine, and the hub cannot be reached",
    "OfflineModeIsEnabled": "it is not on this machine, and HF_HUB_OFFLINE keeps it so",
}
"""Names of the library's errors, in a word; others speak for themselves."""
DATA = ("*.json", "*.safetensors", "*.txt", "*.model", "*.spm", "*.jinja")


def fetched(name: str, *, revision: str | None = None) -> Path:
    """The folder of a checkpoint, fetched where `name` is OWNER/NAME and no folder here. Raises BuildError."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if not _ID.fullmatch(name):
        raise BuildError.of(
            "B0801",
            f"there is no folder {name[:200]}",
            help="name a folder with config.json, or OWNER/NAME of the hub",
        )
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise BuildError.of(
            "B0806", "fetching from the hub needs huggingface_hub", help="pip install 'blocks-dsl[hf]'"
        ) from None
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(DATA)))
    except Exception as error:
        reason = _REASONS.get(type(error).__name__)
        reason = reason or (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise BuildError.of(
            "B1007",
            f"{name} cannot be fetched: {reason}",
            help="check the name and the network, or name a folder",
        ) from None
