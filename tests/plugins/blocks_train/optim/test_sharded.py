"""Decay groups and the moving average of a sharded model: those of the whole one, on two processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

CODE = """
import sys
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

import blocks
from blocks_train.optim.average import Average
from blocks_train.optim.groups import decays
from blocks_train.optim.make import adamw
from blocks_train.optim.specs import AdamW

dist.init_process_group("gloo")
tokens = torch.randint(0, 200, (2, 16), generator=torch.Generator().manual_seed(0))


def run(model):
    optimizer, average, seen = adamw(model, AdamW(lr=1e-2).options()), Average(model, 0.5), []
    for step in range(3):
        model(tokens)[0].float().pow(2).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        average.update(model)
        with torch.no_grad(), average.instead(model):
            seen.append(model(tokens)[0])
        with torch.no_grad():
            seen.append(model(tokens)[0])
    return seen


whole, sharded = blocks.build("mamba-tiny"), blocks.build("mamba-tiny")
fully_shard(sharded, mesh=init_device_mesh("cpu", (2,)))
assert [(n, d) for n, _, d in decays(whole)] == [(n, d) for n, _, d in decays(sharded)]
for one, other in zip(run(whole), run(sharded), strict=True):
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
dist.destroy_process_group()
"""


def test_two_processes_have_the_groups_and_the_average_of_one() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    at = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CODE],
            env={**os.environ, **at, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        printed = [process.communicate(timeout=120)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0], "\n".join(printed)
