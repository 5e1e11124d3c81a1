"""Memory of each GPU: ZeRO's own numbers, what parallelism spreads, and the least number of GPUs."""

from __future__ import annotations

import pytest

import blocks
from blocks import UsageError
from blocks_compiler.memory import WAYS, Cluster, Memory, Way

WIDE = """
recipe: wide
d_model: 50000
vocab_size: 2
blocks: {map: {mixer: linear}}
model: [{embed: tokens}, {stack: {layers: [3 x map], norm: none, residual: none}}]
"""
GB = 10**9
CLUSTER = Cluster(64, 80 * GB)


def memory(name: str = "llama-3.1-8b", context: int = 4096, **options: object) -> Memory:
    return Memory(blocks.compile_graph(name, kernels="reference"), context, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("way", "gigabytes"), [("ddp", 120), ("zero1", 31.4), ("zero2", 16.6), ("fsdp", 1.9)]
)
def test_7_5_billion_parameters_on_64_gpus_as_in_zero(way: str, gigabytes: float) -> None:
    """Rajbhandari et al. 2019, arXiv:1910.02054, figure 1."""
    found = Memory(blocks.compile_graph(blocks.load(WIDE)), 1)
    assert found.parameters == 7_500_000_000 + 100_000
    share = found.training(Way(way), CLUSTER, recomputed=False, floats=2, average=False)
    assert round((share.weights + share.gradients + share.optimizer) / GB, 1) == gigabytes


def test_without_mixed_precision_there_is_no_copy_of_the_weights() -> None:
    found = memory("gpt2", 512, dtype="float32")
    share = found.training(Way("ddp"), CLUSTER, recomputed=False, floats=2, average=False)
    n = found.parameters
    assert (share.weights, share.gradients, share.optimizer) == (4 * n, 4 * n, 8 * n)
    share = found.training(Way("ddp"), CLUSTER, recomputed=False, floats=1, average=True)
    assert share.optimizer == 8 * n


def test_hybrid_shards_inside_a_node_whatever_the_number_of_nodes() -> None:
    found = memory()
    few, many = (
        found.training(Way("hybrid"), Cluster(n, 80 * GB), recomputed=True, floats=2, average=False)
        for n in (16, 512)
    )
    assert few == many
    assert few.weights == -(-2 * found.parameters // 8)
    one = found.training(Way("fsdp"), Cluster(8, 80 * GB), recomputed=True, floats=2, average=False)
    assert (one.weights, one.optimizer, one.gathered) == (few.weights, few.optimizer, few.gathered)


def test_tensor_parallelism_cuts_what_can_be_cut() -> None:
    found = memory()
    whole, cut = found.decoding(1, CLUSTER), found.decoding(8, CLUSTER)
    norms = 2 * (2 * 32 + 1) * 4096
    assert cut.weights == (whole.weights - norms) // 8 + norms
    assert cut.state == whole.state // 8
    share = found.training(Way("fsdp", 8), CLUSTER, recomputed=False, floats=2, average=False)
    held = -(-(cut.weights // 2) * 2 // 8)
    assert share.weights == held  # 64 GPUs are 8 groups
    assert found.sequences(whole, 80 * GB) == (80 * GB - whole.weights) // whole.state
    mixed = memory("nemotron-h-8b")
    assert mixed.tensors(8) == [1, 2, 4, 8]
    assert memory("lstm-tiny").tensors(8) == [1]
    assert memory("mamba2-130m").tensors(8) == [1]  # one group of B and C
    assert list(memory("lstm-tiny").uncut) == ["lstm"]


@pytest.mark.parametrize("recomputed", [False, True])
@pytest.mark.parametrize("way", [*map(Way, WAYS), Way("fsdp", 8), Way("hybrid", 4)], ids=str)
def test_the_least_number_of_gpus_fits_and_none_below_does(way: Way, recomputed: bool) -> None:
    found = memory("llama-3.1-70b", 2048)

    def total(gpus: int, hbm: int = 80 * GB) -> int:
        cluster = Cluster(gpus, hbm)
        return found.training(way, cluster, recomputed=recomputed, floats=2, average=False).total

    totals = [total(8 * n) for n in (1, 2, 4, 64)]
    assert totals == sorted(totals, reverse=True)
    for hbm in (20 * GB, 80 * GB, 200 * GB, 2000 * GB):
        cluster = Cluster(64, hbm)
        least = found.training(way, cluster, recomputed=recomputed, floats=2, average=False).least
        if least is None:
            assert total(10**6) > hbm
            continue
        assert total(least, hbm) <= hbm
        below = least - 8 if least > 8 else least - way.tensor
        assert below < way.tensor or total(below, hbm) > hbm


def test_recomputed_blocks_keep_their_input() -> None:
    found = memory("gpt2", 1024, batch=3)
    share = found.training(Way("ddp"), CLUSTER, recomputed=True, floats=2, average=False)
    stream = 2 * 1024 * 768
    ffn = (2 + 4 + 4) * stream  # norm and its result, both sides of the activation
    last = 2 * stream  # the last norm, the head
    assert share.activations == 3 * (24 * stream + ffn + last)


def test_the_recipe_says_which_blocks_are_computed_again() -> None:
    recipe = blocks.load("gpt2", set=["train.checkpoint=ffn"])
    found = Memory(blocks.compile_graph(recipe), 1024)
    whole, again = (
        found.training(Way("ddp"), CLUSTER, recomputed=recomputed, floats=2, average=False).activations
        for recomputed in (False, True)
    )
    stream = 2 * 1024 * 768
    assert whole - again == 11 * 10 * stream - 12 * stream  # of 12 one is at work, all keep their input


def test_what_cannot_be_is_an_error() -> None:
    found = memory()
    for way, cluster, message in (
        (Way("fsdp", 16), Cluster(64, 1, node=16), "tp=16 does not divide the 8 parts that grouped_query"),
        (Way("fsdp", 3), Cluster(64, 1), "cannot be shared out by tp=3"),
        (Way("hybrid"), Cluster(12, 1), "12 GPUs are no whole nodes of 8"),
    ):
        with pytest.raises(UsageError, match=message):
            found.check(way, cluster)
