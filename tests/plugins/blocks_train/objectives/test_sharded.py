"""A sharded model: two ranks, each with half of the rows and of every parameter, have the gradients of one."""

import subprocess
import sys
import warnings

import pytest
import torch
import torch.distributed as dist

import blocks
from blocks_train.objectives.module import NextToken

RECIPE = """
recipe: small
d_model: 16
vocab_size: 40
blocks:
  attention: {mixer: multi_head, n_heads: 2, position: rope}
  ffn: {mixer: mlp, d_ff: 32}
model:
  - embed: tokens
  - stack: {layers: [attention, ffn]}
  - norm: rmsnorm
  - head: {lm: {tied: true}}
"""


def rank(number: int, folder: str) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor")
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=number, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    tokens = torch.randint(0, 40, (4, 13), generator=torch.Generator().manual_seed(0))
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    own = slice(2 * number, 2 * number + 2)
    single = blocks.build(blocks.load(RECIPE))
    whole = NextToken(single)({"tokens": inputs}, targets)
    (whole.loss_sum / whole.count).backward()
    errors = []
    for objective_first in (True, False):
        model = blocks.build(blocks.load(RECIPE))
        for layer in model.layers:
            fully_shard(layer, mesh=mesh)
        if not objective_first:
            fully_shard(model, mesh=mesh)
        objective = NextToken(model)
        if objective_first:
            fully_shard(objective, mesh=mesh)
        outcome = objective({"tokens": inputs[own]}, targets[own])
        (2 * outcome.loss_sum / whole.count).backward()  # gradients are averaged over ranks
        total = outcome.loss_sum.detach().clone()
        dist.all_reduce(total)
        errors.append(abs(float(total / whole.loss_sum.detach()) - 1))
        for sharded, wanted in zip(model.parameters(), single.parameters(), strict=True):
            grad = sharded.grad.full_tensor()
            errors.append(float((grad - wanted.grad).norm() / wanted.grad.norm()))
    torch.save(errors, f"{folder}/{number}.pt")
    dist.destroy_process_group()


@pytest.mark.skipif(not dist.is_available(), reason="torch was built without distributed")
def test_two_ranks_have_the_loss_and_the_gradients_of_one(tmp_path):
    ranks = [
        subprocess.Popen([sys.executable, __file__, str(number), str(tmp_path)], stderr=subprocess.PIPE)
        for number in range(2)
    ]
    said = [each.communicate(timeout=300)[1].decode() for each in ranks]
    assert [each.returncode for each in ranks] == [0, 0], said
    for number in range(2):
        errors = torch.load(tmp_path / f"{number}.pt")
        assert len(errors) > 10
        assert max(errors) < 1e-5


if __name__ == "__main__":
    rank(int(sys.argv[1]), sys.argv[2])
