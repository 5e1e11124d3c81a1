"""Keys and values in tensors with room for more: a step writes into them, so one graph serves every step.

Shape letters: B batch, K key/value heads, C slots, P head_dim, S keys, G first tokens that are kept.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Room(NamedTuple):
    """The keys (position encoding applied) and values of real tokens, in slots; written in place.

    Position p stands in slot p. Past the last slot, those after the first G are taken in turn, so that a ring
    of W slots holds the window of W.
    """

    keys: Tensor  # [B, K, C, P]
    values: Tensor  # [B, K, C, P]
    seen: Tensor  # int64 [B], real tokens so far


def slot_of(positions: Tensor, n_slots: int, kept: int) -> Tensor:
    """Return the slots of positions, int64 of the same shape; `kept` is G."""
    turns = kept + (positions - kept) % max(n_slots - kept, 1)
    return torch.where(positions < n_slots, positions, turns)


def make_room(
    keys: Tensor,
    values: Tensor,
    real: Tensor | None,
    positions: Tensor,
    seen: Tensor,
    n_slots: int,
    kept: int = 0,
) -> Room:
    """Put keys and values [B, K, S, P] of positions int64 [B, S] into n_slots.

    real bool [B, S], true at real tokens, None: all are; padding is left out.
    """
    slots = slot_of(positions, n_slots, kept)
    if real is not None:
        slots = slots.where(real, n_slots)  # padding goes beyond what is kept
    index = slots[:, None, :, None].expand(keys.shape)
    empty = keys.new_zeros(*keys.shape[:2], n_slots + 1, keys.shape[3])
    keys, values = (empty.scatter(2, index, old)[:, :, :n_slots].contiguous() for old in (keys, values))
    return Room(keys, values, seen.clone())


def write(room: Room, k: Tensor, v: Tensor, kept: int = 0) -> None:
    """Put the key and value [B, K, 1, P] of one more real token a row into its slot."""
    slots = slot_of(room.seen, room.keys.shape[2], kept)[:, None, None, None].expand_as(k)
    room.keys.scatter_(2, slots, k)
    room.values.scatter_(2, slots, v)
    room.seen.add_(1)


def filled(room: Room) -> Tensor:
    """Return bool [B, 1, 1, C], true at slots that hold a key: what the latest token sees."""
    places = torch.arange(room.keys.shape[2], device=room.seen.device)
    return (places < room.seen[:, None])[:, None, None, :]


def slot_positions(room: Room, kept: int = 0) -> Tensor:
    """Return the position of the key in each slot, int64 [B, C]; 0 where there is none."""
    n_slots = room.keys.shape[2]
    places, latest = torch.arange(n_slots, device=room.seen.device), room.seen[:, None] - 1
    turns = (latest - (latest - places) % max(n_slots - kept, 1)).clamp(min=0)
    return torch.where(places < kept, places, turns)
