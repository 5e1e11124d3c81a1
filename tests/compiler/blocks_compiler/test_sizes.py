"""Parameters of a plan, without its graph."""

from blocks_compiler.sizes import ParameterCounts

EMBEDDING, POSITION, NORM = 32 * 16, 64 * 16, 16
ATTENTION, FFN = 4 * 16 * 16 + 16, 3 * 16 * 24 + 16


def test_blocks_stages_and_sum(planned):
    plan = planned()
    sizes = ParameterCounts(plan)
    assert {kind.name: count for kind, count in sizes.counts.items()} == {"attention": 2, "ffn": 2}
    assert {kind.name: count for kind, count in sizes.block.items()} == {"attention": ATTENTION, "ffn": FFN}
    assert sizes.stage == {
        "embed": EMBEDDING, "position": POSITION, "layers": 2 * (ATTENTION + FFN), "norm": NORM, "head": 0,
    }  # fmt: skip
    assert sizes.total == sum(sizes.stage.values())


def test_an_untied_head_has_a_table_of_its_own(planned):
    sizes = ParameterCounts(planned(("tied: true", "bias: true")))
    assert sizes.stage["head"] == 16 * 32 + 32


def test_an_overridden_block_is_counted_apart(planned):
    plan = planned(("residual: pre", "override: {'ffn[0]': {d_ff: 8}}"))
    sizes = ParameterCounts(plan)
    assert sorted(sizes.counts.values()) == [1, 1, 2]
    assert sizes.stage["layers"] == 2 * ATTENTION + FFN + 3 * 16 * 8 + 16
