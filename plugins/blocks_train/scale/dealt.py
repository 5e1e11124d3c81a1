"""Sharded tensors as torch.distributed.checkpoint (DCP) writes them: each rank its part, in safetensors files.

Any number of ranks reads them again, each what its own parts need. Nothing in them is a pickle: the format is DCP's
for safetensors, whose headers say where in a tensor a part lies.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from blocks_train.scale.ranks import Ranks
from blocks_train.scale.stored import Layout


def write_dealt(tensors: Mapping[str, Tensor], folder: Path, ranks: Ranks) -> None:
    """Write sharded tensors into a folder that is there, all ranks together. Raises OSError on all where one fails."""
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        save(dict(tensors), storage_writer=writer, process_group=ranks.control)
    except CheckpointException as error:
        reasons = [reason for reason, _ in error.failures.values()]
        found = next((reason for reason in reasons if isinstance(reason, OSError)), None)
        raise OSError(
            (found.errno if found else None) or errno.EIO, (found and found.strerror) or str(reasons[0])
        ) from error


def read_dealt(folder: Path, layout: Layout, ranks: Ranks) -> dict[str, Tensor]:
    """The tensors of such a folder, dealt as `layout` says, or in full where this rank is alone.

    Raises KeyError for a tensor that has no layout, ValueError for one of another shape or one that is not whole.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.state_dict_loader import load

    reader: Any = HuggingFaceStorageReader(str(folder))
    found: dict[str, Tensor] = {}
    for name, about in reader.read_metadata().state_dict_metadata.items():
        model = layout(name)
        if model is None:
            raise KeyError(name)
        if about.size != model.shape:
            raise ValueError(f"{name} has shape {list(about.size)} where {list(model.shape)} is meant")
        found[name] = torch.empty_like(model, dtype=about.properties.dtype, requires_grad=False)
    try:
        load(found, storage_reader=reader, process_group=ranks.control, no_dist=ranks.size == 1)
    except CheckpointException as error:
        reason = next(iter(error.failures.values()))[0]
        raise ValueError(f"{folder.name}: {reason}") from error
    return found
