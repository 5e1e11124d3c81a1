"""The cross-entropy of a linear map: torch's own of its logits, chunk by chunk, and never all of the logits."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from blocks import Mixer, Registry, Target
from blocks.kernel import choose, implementations
from blocks_train.objectives import chunked, kernels

N, E, V = 37, 8, 50
OPTIONS = {
    "plain": {},
    "capped": {"logit_cap": 3.0},
    "smoothed": {"smoothing": 0.1},
    "z-loss": {"z_loss": 1e-2},
    "all": {"logit_cap": 2.0, "smoothing": 0.2, "z_loss": 1e-2},
}
CASES = list(itertools.product(OPTIONS, ("none", "sum"), (False, True)))
CHUNKS = (1, 3 * V + 1, N * V, 10**9)  # one token, three and one token over, all, more than there is


def example(dtype: torch.dtype, bias: bool) -> tuple[list[Tensor], Tensor]:
    torch.manual_seed(0)
    leaves = [torch.randn(N, E, dtype=dtype), torch.randn(V, E, dtype=dtype)]
    leaves += [torch.randn(V, dtype=dtype)] if bias else []
    targets = torch.randint(0, V, (N,))
    targets[::5] = -100
    return [leaf.requires_grad_() for leaf in leaves], targets


def given(leaves: list[Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
    return leaves[0], leaves[1], leaves[2] if len(leaves) > 2 else None


def with_gradients(losses: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    """The losses, and the gradients from another weight for each token."""
    weights = torch.linspace(-1, 2, losses.numel(), dtype=losses.dtype).view(losses.shape)
    return [losses.detach(), *torch.autograd.grad(losses, leaves, weights)]


def near(ours: list[Tensor], theirs: list[Tensor], tolerance: float) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        assert float((a - b).abs().max()) <= tolerance * float(b.abs().max())


@pytest.mark.parametrize("bias", [False, True])
def test_the_reference_is_torchs_own(bias):
    leaves, targets = example(torch.float64, bias)
    logits = F.linear(*given(leaves))
    near(
        with_gradients(kernels.linear_cross_entropy(*given(leaves), targets, smoothing=0.1), leaves),
        with_gradients(F.cross_entropy(logits, targets, label_smoothing=0.1, reduction="none"), leaves),
        1e-12,
    )
    capped = 2 * torch.tanh(F.linear(*given(leaves)) / 2)
    z = torch.where(targets == -100, 0, capped.exp().sum(dim=1).log() ** 2)
    wanted = (F.cross_entropy(capped, targets, reduction="none") + 0.01 * z).sum()
    ours = kernels.linear_cross_entropy(*given(leaves), targets, logit_cap=2.0, z_loss=0.01, reduction="sum")
    near(with_gradients(ours, leaves), with_gradients(wanted, leaves), 1e-12)


@pytest.mark.parametrize(("options", "reduction", "bias"), CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_chunks_give_what_the_reference_gives(dtype, tolerance, options, reduction, bias):
    leaves, targets = example(dtype, bias)
    keywords = OPTIONS[options] | {"reduction": reduction}
    wanted = with_gradients(kernels.linear_cross_entropy(*given(leaves), targets, **keywords), leaves)
    for chunk in CHUNKS:
        losses = chunked.linear_cross_entropy(*given(leaves), targets, chunk=chunk, **keywords)
        near(with_gradients(losses, leaves), wanted, tolerance)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(("reduction", "bias"), [("none", True), ("sum", True), ("sum", False)])
def test_gradients_are_the_numerical_ones(options, reduction, bias):
    leaves, _ = example(torch.float64, bias)
    small = [leaf[:7].detach().requires_grad_() for leaf in leaves]
    targets = torch.tensor([0, 6, -100, 3, 3, -100, 1])

    def losses(*leaves: Tensor) -> Tensor:
        keywords = OPTIONS[options] | {"reduction": reduction}
        return chunked.linear_cross_entropy(*given(list(leaves)), targets, chunk=2 * 7, **keywords)

    assert torch.autograd.gradcheck(losses, small)


@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_bf16_operands_have_float32_logits(reduction):
    leaves, targets = example(torch.bfloat16, True)
    wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
    losses = chunked.linear_cross_entropy(*given(leaves), targets, reduction=reduction, chunk=3 * V)
    wanted = kernels.linear_cross_entropy(*given(wide), targets, reduction=reduction)
    assert losses.dtype == torch.float32
    (total, *ours), (other, *theirs) = with_gradients(losses, leaves), with_gradients(wanted, wide)
    near([total.double()], [other], 1e-6)
    assert {grad.dtype for grad in ours} == {torch.bfloat16}
    near([grad.double() for grad in ours], theirs, torch.finfo(torch.bfloat16).eps)  # rounded once


@pytest.mark.parametrize("implementation", [kernels, chunked])
@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_autocast_rounds_the_operands_and_nothing_else(implementation, reduction):
    leaves, targets = example(torch.float32, True)
    rounded = [leaf.detach().bfloat16().float().requires_grad_() for leaf in leaves]
    wanted = with_gradients(
        kernels.linear_cross_entropy(*given(rounded), targets, reduction=reduction), rounded
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = implementation.linear_cross_entropy(*given(leaves), targets, reduction=reduction)
    ours = with_gradients(losses, leaves)
    near(ours[:1], wanted[:1], 1e-6)
    near(ours[1:], wanted[1:], torch.finfo(torch.bfloat16).eps)


@pytest.mark.parametrize("frozen", [0, 1, 2])
@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_only_what_is_wanted_is_computed(frozen, reduction):
    leaves, targets = example(torch.float64, True)
    leaves[frozen].requires_grad_(False)
    learn = [leaf for leaf in leaves if leaf.requires_grad]
    wanted = kernels.linear_cross_entropy(*given(leaves), targets, reduction=reduction)
    losses = chunked.linear_cross_entropy(*given(leaves), targets, reduction=reduction, chunk=3 * V)
    near(with_gradients(losses, learn), with_gradients(wanted, learn), 1e-12)


@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_no_token_and_none_that_counts(reduction):
    leaves, _ = example(torch.float64, True)
    for rows in (0, 3):
        losses = chunked.linear_cross_entropy(
            leaves[0][:rows], *given(leaves)[1:], torch.full((rows,), -100), reduction=reduction
        )
        assert losses.shape == (() if reduction == "sum" else (rows,))
        assert not losses.any()
        for grad in torch.autograd.grad(losses.sum(), leaves):
            assert not grad.any()


class Sizes(TorchDispatchMode):
    """Watches the number of elements of every tensor that an operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for each in made if isinstance(made, tuple | list) else (made,):
            if isinstance(each, Tensor):
                self.largest = max(self.largest, each.numel())
        return made


def largest(call) -> int:
    with Sizes() as sizes:
        call()
    return sizes.largest


@pytest.mark.parametrize("op", ["forward", "backward", "sum"])
def test_logits_never_exist_in_full(op):
    rows, columns, ids, chunk = 600, 8, 900, 30 * 900
    hidden, weight, bias = torch.randn(rows, columns), torch.randn(ids, columns), torch.randn(ids)
    targets, grad = torch.randint(0, ids, (rows,)), torch.ones(rows)
    options = (2.0, 0.1, 0.01, chunk)
    with torch.no_grad():
        _, log_z = chunked.losses(hidden, weight, bias, targets, *options)
        work = {
            "forward": lambda: chunked.losses(hidden, weight, bias, targets, *options),
            "backward": lambda: chunked.gradients(
                grad, hidden, weight, bias, targets, log_z, *options, [True] * 3
            ),
            "sum": lambda: chunked.summed(hidden, weight, bias, targets, *options, [True] * 3),
        }
        assert largest(work[op]) == chunk
    assert largest(lambda: kernels.linear_cross_entropy(hidden, weight, bias, targets)) == rows * ids


@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_peak_memory_is_that_of_chunks(reduction):
    rows, columns, ids, chunk = 1200, 8, 900, 30 * 900
    torch.manual_seed(0)
    leaves = [torch.randn(rows, columns, requires_grad=True), torch.randn(ids, columns, requires_grad=True)]
    targets = torch.randint(0, ids, (rows,))

    def step(implementation, **options) -> None:
        losses = implementation.linear_cross_entropy(*leaves, None, targets, reduction=reduction, **options)
        torch.autograd.grad(losses.sum(), leaves)

    assert peak(lambda: step(kernels)) > 4 * rows * ids
    assert peak(lambda: step(chunked, chunk=chunk)) < 4 * (6 * chunk + 10 * (rows + ids) * columns)


def peak(call) -> int:
    """Bytes that a call has allocated at most at any one time."""
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        call()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = list(itertools.accumulate(event.nbytes() for event in sorted(events, key=lambda e: e.start_ns())))
    return max(held)


@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_one_graph_of_any_length(reduction):
    torch._dynamo.reset()

    @torch.compile(fullgraph=True, backend="aot_eager", dynamic=True)
    def compiled(hidden, weight, bias, targets):
        return chunked.linear_cross_entropy(hidden, weight, bias, targets, reduction=reduction, chunk=3 * V)

    leaves, targets = example(torch.float64, True)
    for rows in (N, N - 4):
        part = [leaves[0][:rows].detach().requires_grad_(), *leaves[1:]]
        with torch._dynamo.config.patch(error_on_recompile=rows != N):
            ours = compiled(*part, targets[:rows].clone())
        wanted = kernels.linear_cross_entropy(*given(part), targets[:rows], reduction=reduction)
        near(with_gradients(ours, part), with_gradients(wanted, part), 1e-12)


@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_operands_need_not_be_contiguous(reduction):
    leaves, targets = example(torch.float64, False)
    turned = [leaf.detach().t().contiguous().t().requires_grad_() for leaf in leaves]
    assert not any(leaf.is_contiguous() for leaf in turned)
    ours = chunked.linear_cross_entropy(*turned, None, targets, reduction=reduction, chunk=3 * V)
    theirs = kernels.linear_cross_entropy(*leaves, None, targets, reduction=reduction)
    near(with_gradients(ours, turned), with_gradients(theirs, leaves), 1e-12)
    torch.library.opcheck(
        torch.ops.blocks.summed_linear_cross_entropy.default,
        (*turned, None, targets, 0.0, 0.0, 0.0, 3 * V, [True, True, False]),
    )


def test_the_ops_are_what_they_say():
    leaves, targets = example(torch.float64, True)
    options = (2.0, 0.1, 0.01, 3 * V)
    ops = torch.ops.blocks
    torch.library.opcheck(ops.linear_cross_entropy.default, (*leaves, targets, *options))
    torch.library.opcheck(ops.summed_linear_cross_entropy.default, (*leaves, targets, *options, [True] * 3))
    plain = [leaf.detach() for leaf in leaves]
    _, log_z = ops.linear_cross_entropy(*plain, targets, *options)
    arguments = (torch.ones(N, dtype=torch.float64), *plain, targets, log_z, *options, [True] * 3)
    torch.library.opcheck(ops.linear_cross_entropy_backward.default, arguments)


@pytest.mark.parametrize(
    ("target", "policy", "name"),
    [
        (Target(), "auto", "chunked"),
        (Target("cuda", "bfloat16"), "auto", "chunked"),
        (Target("cpu", "float64"), "chunked", "chunked"),
        (Target("cpu", "float32"), "reference", "reference"),
        (Target("mps", "float32"), "auto", "reference"),
        (Target("cpu", "float8_e4m3fn"), "chunked", "reference"),
    ],
)
def test_it_is_chosen_as_other_kernels_are(target, policy, name):
    found = implementations(Registry.installed(plugins=False), "linear_cross_entropy")
    assert choose(found, [Mixer()], target, policy) == name
    assert found[name].load() in (chunked.linear_cross_entropy, kernels.linear_cross_entropy)
