"""The processes of a run, called ranks, and what they tell each other; torchrun starts them and says who is who.

Numbers on a device go over the backend of the device (gloo, NCCL), everything else over gloo: flags, paths, small
states. Whatever is told was made by these very processes.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from blocks import BlocksError, UsageError

T = TypeVar("T")
Part = Callable[[Path], object]


class ElsewhereError(Exception):
    """Another rank has failed, and has said why; this one ends with the same exit code."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("another process has failed")
        self.exit_code = exit_code


@dataclass(frozen=True)
class Ranks:
    """This process among those of its run. One alone has no mesh.

    mesh     of one dimension, `shard`, or of two: `replicate` and `shard`
    control  the group that tells what is no tensor on a device
    """

    rank: int = 0
    size: int = 1
    mesh: Any = None
    control: Any = None

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def total(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over all ranks, in its place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def sums(self, *numbers: int) -> list[int]:
        """Sums of whole numbers over all ranks."""
        if self.size == 1:
            return list(numbers)
        told = torch.tensor(numbers, dtype=torch.int64)
        dist.all_reduce(told, group=self.control)
        return [int(number) for number in told.tolist()]

    def most(self, number: int) -> int:
        """The largest of a whole number over all ranks."""
        if self.size == 1:
            return number
        told = torch.tensor(number, dtype=torch.int64)
        dist.all_reduce(told, dist.ReduceOp.MAX, group=self.control)
        return int(told)

    def told(self, value: T) -> T:
        """What rank 0 has as `value`."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, group=self.control)
        told: T = box[0]
        return told

    def gathered(self, value: T) -> list[T]:
        """What all ranks have as `value`, in order."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value, group=self.control)
        return found

    def led(self, do: Callable[[], T]) -> T:
        """What rank 0 gets by doing something, told to all. Raises what it raises there, elsewhere ElsewhereError."""
        value: T = self.first(lambda known: do() if self.leads else known, lambda value: value)
        return value

    def alone(self, do: Callable[[], T]) -> T | None:
        """What rank 0 gets by doing something that is its own; None on the others. Raises as `led` does."""
        return self.first(lambda known: do() if self.leads else None, lambda value: None)

    def first(self, do: Callable[[Any], T], leave: Callable[[T], Any]) -> T:
        """Do something on rank 0, called with None, then on the others, called with what it leaves them.

        Raises what it raises there; where that is rank 0, elsewhere ElsewhereError.
        """
        if self.size == 1:
            return do(None)
        if not self.leads:
            nothing: tuple[int, Any] = (0, None)
            code, left = self.told(nothing)
            if code:
                raise ElsewhereError(code)
            return do(left)
        try:
            value = do(None)
            left = leave(value)
        except BaseException as error:
            self.told((exit_code(error), None))
            raise
        self.told((0, left))
        return value

    def conduct(
        self, lead: Callable[[Callable[[str, Path], None]], object], parts: Mapping[str, Part]
    ) -> None:
        """Run `lead` on rank 0; what it calls by name, `call(name, path)`, all ranks do together.

        A failure of `lead` is one everywhere: an OSError as such, anything else as ElsewhereError on other ranks. A
        part has to go through with its exchanges on all ranks, or to fail on all.
        """
        if not self.leads:
            nothing: tuple[str, Any] = ("", None)
            while True:
                name, what = self.told(nothing)
                if name:
                    with contextlib.suppress(OSError):  # which rank 0 has as well, and tells below
                        parts[name](what)
                elif what is None:
                    return
                else:
                    raise what if isinstance(what, OSError) else ElsewhereError(what)

        def call(name: str, path: Path) -> None:
            self.told((name, path))
            parts[name](path)

        try:
            lead(call)
        except OSError as error:
            self.told(("", OSError(error.errno, error.strerror or str(error))))
            raise
        except BaseException as error:
            self.told(("", exit_code(error)))
            raise
        self.told(("", None))


ALONE = Ranks()


def exit_code(error: BaseException) -> int:
    """What a process ends with that raises this."""
    return error.exit_code if isinstance(error, BlocksError | ElsewhereError) else 1


@contextlib.contextmanager
def joined(device: str, shard: int | None) -> Iterator[tuple[Ranks, str]]:
    """The ranks of this run and the device of this one, as torchrun's environment says; one alone without it.

    `shard` is how many of them share one copy of the weights, by default all. Raises UsageError.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    together = size if shard is None else shard
    if size % together:
        raise UsageError.of(
            "B1509",
            f"--shard {together} does not divide the {size} process{'es' if size > 1 else ''} of this run",
            help="torchrun --nproc-per-node N says how many there are on a machine",
        )
    if size == 1:
        yield Ranks(), device
        return
    if device == "cuda":
        place, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if place > count:
            raise ElsewhereError(UsageError.exit_code)  # which the one at `count` says
        if place == count:
            raise UsageError.of(
                "B1509",
                f"each process trains on a CUDA device of its own, and this machine has {count}",
                help=f"torchrun --nproc-per-node {count}" if count else "--device cpu",
            )
        device = f"cuda:{place}"
        torch.cuda.set_device(device)
    kind = torch.device(device).type
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor")
        dist.init_process_group("cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo")
        try:
            yield Ranks(rank, size, mesh_of(kind, size, together), dist.new_group(backend="gloo")), device
        finally:
            dist.destroy_process_group()


def mesh_of(kind: str, size: int, together: int) -> Any:
    """The mesh of `size` ranks of which `together` share a copy of the weights."""
    from torch.distributed.device_mesh import init_device_mesh

    if together == size:
        return init_device_mesh(kind, (size,), mesh_dim_names=("shard",))
    return init_device_mesh(kind, (size // together, together), mesh_dim_names=("replicate", "shard"))
