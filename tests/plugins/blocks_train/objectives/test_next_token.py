"""next_token: the loss of the model's own logits, its gradients, its state; and the models that it refuses."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._pytree import tree_map_only

import blocks
from blocks import BlocksError, Head, Registry, hookimpl
from blocks_train.objectives.module import NextToken

RECIPES = (
    "gpt2-tiny",  # tied
    "llama-3.1-tiny",
    "mamba2-tiny",
    "hybrid-tiny",
    "zoo/gemma-2-like",  # tied and capped
    "zoo/gpt-j-like",  # a bias
)
HEAD = "{lm: {scale: 2.0, logit_cap: 3.0, dim: 8, bias: true}}"
SMALL = """
recipe: small
d_model: 16
vocab_size: 40
blocks:
  attention: {mixer: multi_head, n_heads: 2, position: rope}
  memory: {mixer: gru}
  experts: {mixer: moe, n_experts: 4, top_k: 2, d_ff: 16}
model:
  - embed: tokens
  - stack: {layers: [attention, memory, experts]}
  - norm: rmsnorm
  - head: {lm: {scale: 2.0, logit_cap: 3.0, dim: 8, bias: true}}
"""
TWO_HEADS = SMALL.replace("- head: ", "- heads:\n      plain: hidden\n      words: ")


def small(text=SMALL, dtype="float64"):
    model = blocks.build(blocks.load(text), dtype=dtype)
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter += 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
    return model


def batch(vocabulary, rows=3, length=14):
    torch.manual_seed(0)
    tokens = torch.randint(0, vocabulary, (rows, length + 1))
    targets = tokens[:, 1:].clone()
    targets[0, 3] = targets[-1, :3] = -100
    return tokens[:, :-1], targets


def by_logits(logits, targets):
    return F.cross_entropy(logits.flatten(0, 1).double(), targets.flatten(), reduction="sum")


@pytest.mark.parametrize("name", RECIPES)
def test_the_loss_is_that_of_the_models_logits(name):
    model = blocks.build(f"recipes/{name}.yaml")
    tokens, targets = batch(min(256, blocks.load(model.recipe).vocab_size))
    outcome = NextToken(model)({"tokens": tokens}, targets)
    wanted = by_logits(model(tokens)[0], targets)
    assert outcome.loss_sum.dtype == torch.float32
    assert int(outcome.count) == targets.ne(-100).sum()
    assert abs(float(outcome.loss_sum.detach() / wanted.detach()) - 1) < 1e-6
    ours = torch.autograd.grad(outcome.loss_sum, [*model.parameters()], retain_graph=True)
    theirs = torch.autograd.grad(wanted, [*model.parameters()])
    for a, b in zip(ours, theirs, strict=True):
        assert float((a - b).norm()) <= 1e-5 * float(b.norm())


@pytest.mark.parametrize("text", [SMALL, TWO_HEADS], ids=["one head", "two heads"])
@pytest.mark.parametrize("kernels", ["auto", "reference"])
def test_scale_cap_columns_and_bias_are_the_heads(text, kernels):
    model = small(text)
    tokens, targets = batch(40)
    outcome = NextToken(model, kernels=kernels)({"tokens": tokens}, targets)
    output = model(tokens)[0]
    logits = output["words"] if isinstance(output, dict) else output
    assert logits.abs().max() > 1
    wanted = by_logits(logits, targets)
    torch.testing.assert_close(outcome.loss_sum, wanted, rtol=1e-12, atol=0)
    ours = torch.autograd.grad(outcome.loss_sum, [*model.parameters()])
    theirs = torch.autograd.grad(wanted, [*model.parameters()])
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_smoothing_and_z_loss_are_torchs_of_the_logits():
    model = small()
    tokens, targets = batch(40)
    outcome = NextToken(model, smoothing=0.1, z_loss=0.01)({"tokens": tokens}, targets)
    logits = model(tokens)[0].flatten(0, 1)
    kept = logits[targets.flatten() != -100]
    wanted = F.cross_entropy(logits, targets.flatten(), label_smoothing=0.1, reduction="sum")
    wanted = wanted + 0.01 * kept.logsumexp(dim=1).square().sum()
    torch.testing.assert_close(outcome.loss_sum, wanted, rtol=1e-12, atol=0)


def test_a_state_that_is_carried_gives_what_one_pass_gives():
    model = small()
    objective = NextToken(model)
    tokens, targets = batch(40)
    whole = objective({"tokens": tokens}, targets)
    state, total, count = None, 0.0, 0
    for piece in (slice(0, 5), slice(5, 6), slice(6, 14)):
        outcome = objective({"tokens": tokens[:, piece]}, targets[:, piece], state)
        state, total, count = outcome.state, total + outcome.loss_sum, count + outcome.count
    torch.testing.assert_close(total, whole.loss_sum, rtol=1e-12, atol=0)
    assert count == whole.count
    early = objective({"tokens": tokens[:, :7]}, targets[:, :7])
    late = objective({"tokens": tokens[:, 7:]}, targets[:, 7:], early.state)
    truncated = objective(
        {"tokens": tokens[:, 7:]},
        targets[:, 7:],
        tree_map_only(torch.Tensor, torch.Tensor.detach, early.state),
    )
    assert torch.equal(late.loss_sum, truncated.loss_sum)
    weight = model.layers[1].mixer.get_parameter(next(iter(dict(model.layers[1].mixer.named_parameters()))))
    through, cut = (torch.autograd.grad(each.loss_sum, weight)[0] for each in (late, truncated))
    assert not torch.allclose(through, cut)


def test_packed_documents_and_padding_are_rows_alone():
    text = SMALL.replace("layers: [attention, memory, experts]", "layers: [attention, memory]")
    objective = NextToken(small(text))
    tokens, targets = batch(40, rows=1)
    targets[0, 5] = -100  # the first document ends there
    alone = [objective({"tokens": tokens[:, p]}, targets[:, p]).loss_sum for p in (slice(0, 6), slice(6, 14))]
    documents = torch.tensor([[1] * 6 + [2] * 8])
    packed = objective({"tokens": tokens, "mask": documents}, targets)
    torch.testing.assert_close(packed.loss_sum, sum(alone), rtol=1e-12, atol=0)
    mask = torch.ones(1, 14, dtype=torch.bool)
    mask[0, 6:] = False
    targets[0, 6:] = -100
    padded = objective({"tokens": tokens, "mask": mask}, targets)
    torch.testing.assert_close(padded.loss_sum, alone[0], rtol=1e-12, atol=0)


def test_auxiliary_losses_read_the_state():
    entry = Registry.installed(plugins=False).find("auxiliary", "load_balance")
    module, _, name = entry.load().module.partition(":")
    loss = getattr(__import__(module, fromlist=[name]), name)
    model = small()
    tokens, targets = batch(40)
    outcome = NextToken(model)({"tokens": tokens}, targets)
    assert loss(outcome.state) == loss(model(tokens)[1])
    (grad,) = torch.autograd.grad(loss(outcome.state), [model.layers[2].mixer.router.weight])
    assert grad.any()


def test_autocast_is_near_float32():
    model = small(dtype="float32")
    objective = NextToken(model)
    tokens, targets = batch(40)
    wanted = objective({"tokens": tokens}, targets).loss_sum
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outcome = objective({"tokens": tokens}, targets)
    assert outcome.loss_sum.dtype == torch.float32
    assert 0 < abs(float(outcome.loss_sum.detach() / wanted.detach()) - 1) < 1e-2
    outcome.loss_sum.backward()
    assert all(parameter.grad.dtype == torch.float32 for parameter in model.parameters())


def test_one_graph():
    torch._dynamo.reset()
    model = small(SMALL.replace("[attention, memory, experts]", "[attention]"))
    objective = NextToken(model)
    tokens, targets = batch(40)
    compiled = torch.compile(objective, fullgraph=True, backend="aot_eager")
    ours, theirs = (each({"tokens": tokens}, targets) for each in (compiled, objective))
    torch.testing.assert_close(ours.loss_sum, theirs.loss_sum, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(ours.loss_sum, [*model.parameters()]),
        torch.autograd.grad(theirs.loss_sum, [*model.parameters()]),
        rtol=1e-9, atol=1e-12,
    )  # fmt: skip


def test_its_parameters_are_the_models():
    model = small()
    objective = NextToken(model)
    assert {*map(id, objective.parameters())} == {*map(id, model.parameters())}
    model.eval()
    assert not any(module.training for module in objective.body.layers.modules())


class Doubled(Head):
    """A head over the vocabulary that does not say what its logits are made of."""

    module = "doubled:Doubled"

    def shape(self):
        return ("B", "T", 40)


class DoubledHead(nn.Module):
    def forward(self, x):
        return 2 * x.repeat(1, 1, 3)[..., :40]


class Plugin:
    @staticmethod
    @hookimpl
    def register_heads(register):
        register("doubled", Doubled)


def test_a_head_that_does_not_say_so_has_its_logits_computed():
    registry = Registry.installed(plugins=False).with_plugin(Plugin)
    model = small(SMALL.replace(HEAD, "hidden"))
    model.__dict__["recipe"] = SMALL.replace(HEAD, "doubled")
    model._modules["head"] = DoubledHead()
    tokens, targets = batch(40)
    outcome = NextToken(model, registry=registry, smoothing=0.1)({"tokens": tokens}, targets)
    wanted = F.cross_entropy(
        model(tokens)[0].flatten(0, 1), targets.flatten(), label_smoothing=0.1, reduction="sum"
    )
    torch.testing.assert_close(outcome.loss_sum, wanted, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        (
            "recipes/vit-tiny.yaml",
            "next_token is for a model of tokens, and this one reads pixels",
            "embed: tokens",
        ),
        (
            "recipes/transformer-tiny.yaml",
            "next_token is for one stream of tokens, and there are encoder and decoder",
            "a model of one stream",
        ),
        (
            "recipes/zoo/longformer-like.yaml",
            "attention sees later tokens, so that what next_token asks for would be known",
            "mask: causal in the block, or objective: masked_lm",
        ),
        (
            SMALL.replace(HEAD, "{classifier: {pool: last}}"),
            "next_token needs logits of every token, and the model has the classifier head",
            "head: lm, or head: masked_lm where blocks see later tokens",
        ),
        (
            SMALL.replace(f"  - head: {HEAD}\n", ""),
            "next_token needs logits of every token, and the model has no head",
            "head: lm, or head: masked_lm where blocks see later tokens",
        ),
    ],
)
def test_a_model_that_cannot_be_trained_for_it(text, message, help):
    plan = blocks.load(text).plan()
    with pytest.raises(BlocksError) as caught:
        plan.train  # noqa: B018
    found = [(each.code, each.message, each.help) for each in caught.value.diagnostics]
    assert [each for each in found if each[0] == "B1308"] == [("B1308", message, help)]


def test_a_complaint_stands_at_the_objective_in_the_recipe():
    text = SMALL.replace(HEAD, "hidden")
    with pytest.raises(BlocksError) as caught:
        blocks.load(text + "train: {objective: next_token}\n").plan()
    (found,) = caught.value.diagnostics
    assert (found.code, found.span.line, found.span.column) == ("B1308", 14, 20)


def test_a_model_without_a_head_over_the_vocabulary_is_refused():
    with pytest.raises(ValueError, match="vit-tiny has no head that gives logits of every token"):
        NextToken(blocks.build("recipes/vit-tiny.yaml"))
