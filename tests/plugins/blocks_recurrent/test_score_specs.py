"""Declarations of scores: widths, costs as torch counts them, complaints, construction."""

import pytest
import torch

from blocks import Registry, Score, Sizes
from blocks_recurrent.score_specs import Additive, Dot, General, ScaledDot
from blocks_recurrent.scores import AdditiveScore, DotScore, GeneralScore

CLASSES = {"AdditiveScore": AdditiveScore, "DotScore": DotScore, "GeneralScore": GeneralScore}
SCORES = {
    "additive": Additive(),
    "wide": Additive(hidden=9),
    "dot": Dot(),
    "scaled": ScaledDot(),
    "general": General(),
}


def made(score: Score, width: int) -> torch.nn.Module:
    call = score.call(width)
    return CLASSES[call.target.partition(":")[2]](*call.args, **call.kwargs).to("meta")


def test_all_are_registered():
    registry = Registry.installed(plugins=False)
    assert [registry.find("score", name).load() for name in ("additive", "dot", "general", "scaled_dot")] == [
        Additive, Dot, General, ScaledDot,
    ]  # fmt: skip


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize(("query", "key"), [(6, 6), (10, 10), (6, 15)])
def test_cost_is_what_torch_counts(name, query, key):
    from torch.utils.flop_counter import FlopCounterMode

    score = SCORES[name].against(key).bind(Sizes(query))
    if list(score.check(Sizes(query))):
        assert isinstance(score, Dot)
        return
    module, cost = made(score, query), score.cost()
    assert cost.parameters(query) == sum(p.numel() for p in module.parameters())
    for tokens, memory in ((1, 4), (5, 3), (7, 11)):
        queries = torch.empty(1, tokens, query, device="meta")
        values = torch.empty(1, memory, key, device="meta")
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            keys = module.keys(values)
            module(queries, keys)
        assert counter.get_total_flops() == cost.forward(tokens, query, memory)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(queries[:, :1], keys)
        assert counter.get_total_flops() == cost.decode(tokens, query, memory)
        held = 0 if keys is values else keys.numel()
        assert cost.state_bytes(tokens, query, 1, memory) == held


@pytest.mark.parametrize("score", [Dot(), ScaledDot()])
def test_products_need_equal_widths(score):
    (found,) = score.against(8).check(Sizes(6))
    assert found.message == f"queries of 6 channels have no {score.name} product with keys of 8"
    assert (found.code, found.help) == (
        "B0352",
        "use the score general or additive, or a memory of 6 channels",
    )
    assert not list(score.check(Sizes(6)))


def test_the_hidden_size_of_additive_is_that_of_the_query():
    assert Additive().against(8).bind(Sizes(6)).hidden == 6
    assert Additive(hidden=3).bind(Sizes(6)).call(6).args == (6, 6)
