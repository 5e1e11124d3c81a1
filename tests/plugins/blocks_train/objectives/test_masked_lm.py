"""masked_lm: which tokens are asked and what stands in their place, again and again; and the loss of those alone."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import blocks
from blocks import BlocksError, Sizes
from blocks_train.objectives.module import MaskedLM, NextToken
from blocks_train.objectives.specs import MaskedLM as Declared
from blocks_train.objectives.specs import NextToken as DeclaredNext

IDS, MASK = 500, 4


@dataclass
class Coder:
    roles: dict = field(default_factory=lambda: {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": MASK})
    vocab_size: int = IDS


def rows(count=64, length=100):
    """Rows [CLS] … [SEP] padding, of different lengths, with the unknown token in them."""
    random = np.random.default_rng(0)
    tokens = random.integers(5, IDS, (count, length))
    tokens[:, 0], tokens[:, 7] = 2, 1
    lengths = random.integers(10, length + 1, count)
    for row, end in enumerate(lengths):
        tokens[row, end - 1], tokens[row, end:] = 3, 0
    real = np.arange(length) < lengths[:, None]
    return {"tokens": tokens, "mask": real}, np.where(real, tokens, -100), lengths


def changed(numbers=range(64), seed=0, declared=None, **changes):
    inputs, targets, _ = rows()
    pick = np.fromiter((number % 64 for number in numbers), int)
    inputs = {name: value[pick] for name, value in inputs.items()}
    declared = declared or Declared(**changes)
    return inputs, *declared.change(inputs, targets[pick], rows=list(numbers), seed=seed, coder=Coder())


def test_a_share_of_each_rows_tokens_is_asked_and_none_with_a_role():
    before, inputs, targets = changed()
    _, _, lengths = rows()
    asked = targets != -100
    assert (asked.sum(axis=1) == [round(0.15 * (length - 2)) for length in lengths]).all()
    assert not np.isin(before["tokens"][asked], [0, 2, 3, MASK]).any()
    assert (before["tokens"][asked] == targets[asked]).all()
    assert (inputs["tokens"][~asked] == before["tokens"][~asked]).all()
    assert inputs["mask"] is before["mask"]


def test_eight_of_ten_are_hidden_one_is_another_and_one_stays():
    before, inputs, targets = changed(range(64 * 20))
    asked = targets != -100
    now, was = inputs["tokens"][asked], before["tokens"][asked]
    n = len(now)
    hidden, stays = (now == MASK).mean(), (now == was).mean()
    assert n > 5000
    for found, wanted in ((hidden, 0.8), (stays, 0.1), (1 - hidden - stays, 0.1)):
        assert abs(found - wanted) < 4 * (wanted * (1 - wanted) / n) ** 0.5
    drawn = now[(now != MASK) & (now != was)]
    counts = np.histogram(drawn, bins=10, range=(0, IDS))[0]
    expected = len(drawn) / 10
    assert ((counts - expected) ** 2 / expected).sum() < 27.9  # chi-square, 9 degrees of freedom, 0.1%


def test_every_place_is_as_likely():
    inputs = {"tokens": np.full((2000, 20), 9)}
    _, targets = Declared().change(inputs, inputs["tokens"], rows=range(2000), seed=3, coder=Coder())
    counts = (targets != -100).sum(axis=0)
    assert counts.sum() == 2000 * 3
    assert ((counts - 300) ** 2 / 300).sum() < 43.8  # chi-square, 19 degrees of freedom, 0.1%


def test_what_is_drawn_follows_from_the_seed_and_the_rows_number():
    _, inputs, targets = changed()
    _, part, of_part = changed(range(16, 32))  # another rank's rows
    assert (inputs["tokens"][16:32] == part["tokens"]).all()
    assert (targets[16:32] == of_part).all()
    for other in (changed(seed=1), changed(range(64, 128))):
        assert (other[2] != targets).any(axis=1).mean() > 0.9


def test_the_same_numbers_on_every_machine():
    inputs = {"tokens": np.arange(5, 25)[None]}
    declared = Declared(share=0.5, hidden=0.5, replaced=0.3)
    now, targets = declared.change(inputs, inputs["tokens"], rows=[7], seed=11, coder=Coder())
    places = np.flatnonzero(targets[0] != -100)
    assert places.tolist() == [0, 2, 3, 5, 6, 7, 9, 13, 15, 17]
    assert now["tokens"][0, places].tolist() == [4, 443, 4, 4, 4, 88, 4, 430, 194, 4]


def test_one_token_at_least_and_none_where_there_is_none():
    inputs = {"tokens": np.array([[2, 9, 3], [2, 3, 0]])}
    now, targets = Declared().change(inputs, inputs["tokens"], rows=[0, 1], seed=0, coder=Coder())
    assert targets.tolist() == [[-100, 9, -100], [-100, -100, -100]]
    assert now["tokens"][1].tolist() == [2, 3, 0]


def test_shares_can_be_set():
    before, inputs, targets = changed(share=1.0, hidden=0.0, replaced=0.0)
    assert (inputs["tokens"] == before["tokens"]).all()
    assert ((targets != -100) == (before["mask"] & ~np.isin(before["tokens"], [0, 2, 3, MASK]))).all()
    (wrong,) = Declared(hidden=0.9, replaced=0.2).check(Sizes(8))
    assert wrong.message == "shares of 0.9 and 0.2 are more than all of the tokens that are asked for"
    assert wrong.help == "replaced: 0.1, or less"


@pytest.fixture(scope="module")
def model():
    return blocks.build("recipes/zoo/longformer-like.yaml").eval()


def test_the_loss_is_that_of_the_tokens_that_are_asked(model):
    torch.manual_seed(0)
    tokens = torch.randint(0, 256, (2, 12))
    targets = torch.full((2, 12), -100)
    targets[0, 3], targets[1, 7:9] = 5, 6
    outcome = MaskedLM(model)({"tokens": tokens}, targets)
    logits = model(tokens)[0]
    wanted = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
    torch.testing.assert_close(outcome.loss_sum, wanted, rtol=1e-6, atol=0)
    assert outcome.count == 3
    ours = torch.autograd.grad(outcome.loss_sum, [*model.parameters()], allow_unused=True, retain_graph=True)
    theirs = torch.autograd.grad(wanted, [*model.parameters()], allow_unused=True)
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        assert a is None or float((a - b).norm()) <= 1e-5 * float(b.norm())


@pytest.mark.parametrize(("declared", "made"), [(Declared, MaskedLM), (DeclaredNext, NextToken)])
def test_the_module_takes_the_options_of_its_declaration(model, declared, made):
    options = dict(declared())
    assert made(model, **options, kernels="reference", registry=None).options["smoothing"] == 0
    assert declared.module == f"{made.__module__}:{made.__name__}"


def test_only_the_tokens_that_are_asked_go_through_the_head(model):
    seen = []
    hook = model.head.in_proj.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    targets = torch.full((2, 12), -100)
    targets[1, 7:9] = 6
    for objective in (MaskedLM(model), NextToken(model)):
        objective({"tokens": torch.zeros(2, 12, dtype=torch.int64)}, targets)
    hook.remove()
    assert [list(shape[:-1]) for shape in seen] == [[2], [24]]


def test_a_model_that_sees_the_past_alone_is_refused():
    (found,) = Declared().named("masked_lm").check_plan(blocks.load("recipes/gpt2-tiny.yaml").plan())
    assert found.code == "B1308"
    assert (
        found.message == "every block sees the past alone, and masked_lm hides tokens that later ones tell of"
    )
    assert not list(Declared().check_plan(blocks.load("recipes/zoo/bert-like.yaml").plan()))


def test_a_tokenizer_without_a_mask_is_refused():
    Declared().check_coder(Coder())
    with pytest.raises(BlocksError, match="hides tokens behind one that stands for them") as caught:
        Declared().check_coder(Coder(roles={"pad": 0}))
    assert caught.value.diagnostics[0].code == "B1309"
