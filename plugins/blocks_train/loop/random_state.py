"""The states of torch's random generators: those of the CPU and of every CUDA device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch


def random_state() -> dict[str, Any]:
    """The states as tensors."""
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": list(devices)}


def set_random_state(state: Mapping[str, Any]) -> None:
    """Go on from such states; those of devices that are not there are left out."""
    torch.set_rng_state(state["cpu"].cpu())
    if torch.cuda.is_available():
        for device, each in enumerate(state["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(each.cpu(), device)
