"""The cross-entropy of a linear map's logits over chunks of tokens: no more than one chunk of logits exists at a time.

Forward, each chunk leaves a loss and the logarithm of its softmax's denominator a token; backward, its logits are
computed again, and the gradients of hidden states, table and bias summed chunk by chunk. Of a sum of losses, the
factor of every gradient is known up to one number, so they are computed in the forward pass and the logits once: three
products of N E V multiply-adds each, as with full logits, against four. Hsu et al. 2024, Liger Kernel,
arXiv:2410.10989, section 3.2; Wijmans et al. 2024, Cut Your Losses, arXiv:2411.09009, whose kernel keeps not even one
chunk.

All of it are custom ops, so that a compiled graph has one node of it for any number of tokens.

Shape letters: N tokens, C tokens of a chunk, E columns of the table, V vocab_size.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from blocks_train.objectives.kernels import IGNORED, operands

CHUNK = 1 << 24
"""Logits of a chunk: 64 MiB of float32."""


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    *,
    logit_cap: float | None = None,
    smoothing: float = 0.0,
    z_loss: float = 0.0,
    reduction: str = "none",
    chunk: int = CHUNK,
) -> Tensor:
    """What the reference gives, from at most `chunk` logits at a time, or one token's."""
    hidden, weight, bias = operands(hidden, weight, bias)
    options = (logit_cap or 0.0, smoothing, z_loss, chunk)
    wanted = [each is not None and each.requires_grad for each in (hidden, weight, bias)]
    if reduction == "sum" and torch.is_grad_enabled() and any(wanted):
        total: Tensor = _sum(hidden, weight, bias, targets, *options, wanted)[0]
        return total
    losses: Tensor = _losses(hidden, weight, bias, targets, *options)[0]
    return losses.sum() if reduction == "sum" else losses


def chunks(N: int, V: int, chunk: int) -> Iterator[slice]:
    """Slices of N tokens, as even as they can be, of at most `chunk` logits each."""
    parts = -(-N // max(1, chunk // V))
    for part in range(parts):
        yield slice(N * part // parts, N * (part + 1) // parts)


class Operands:
    """Hidden states and table, made ready for products whose results are wide: float32, or float64 where they are.

    On CUDA 16-bit operands stay as they are, and a product sums and returns float32. Elsewhere they become wide first.
    """

    def __init__(self, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        self.wide = torch.promote_types(hidden.dtype, torch.float32)
        self.narrow = hidden.is_cuda and hidden.dtype != self.wide
        dtype = hidden.dtype if self.narrow else self.wide
        self.hidden, self.weight = hidden.to(dtype), weight.to(dtype)
        self.bias = None if bias is None else bias.to(self.wide)

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """a [M, K] @ b [K, L], wide."""
        if self.narrow:
            return torch.mm(a.to(self.hidden.dtype), b, out_dtype=self.wide)
        return a @ b

    def logits(self, rows: slice, logit_cap: float) -> Tensor:
        """Logits [C, V] of some tokens, capped where logit_cap is not 0."""
        logits = self.product(self.hidden[rows], self.weight.t())
        if self.bias is not None:
            logits += self.bias
        return logits.div_(logit_cap).tanh_().mul_(logit_cap) if logit_cap else logits


class Gradients:
    """Gradients of hidden states, table and bias, as far as they are wanted, summed chunk by chunk."""

    def __init__(self, given: Operands, wanted: tuple[bool, bool, bool]) -> None:
        self.given = given
        shapes = (given.hidden, given.weight, given.bias)
        made = [
            like.new_zeros(like.shape, dtype=given.wide) if want and like is not None else None
            for like, want in zip(shapes, wanted, strict=True)
        ]
        self.hidden, self.weight, self.bias = made

    def add(self, rows: slice, grad: Tensor) -> None:
        """Add what follows from the gradient [C, V] of the logits of some tokens, before any cap."""
        given = self.given
        if self.hidden is not None:
            self.hidden[rows] = given.product(grad, given.weight)
        if self.weight is not None:
            if given.narrow:
                self.weight += given.product(grad.t(), given.hidden[rows])
            else:
                self.weight.addmm_(grad.t(), given.hidden[rows])
        if self.bias is not None:
            self.bias += grad.sum(dim=0)

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """The gradients, wide, and empty where none was wanted."""
        empty = self.given.hidden.new_empty(0, dtype=self.given.wide)
        x, table, b = (
            empty.clone() if grad is None else grad for grad in (self.hidden, self.weight, self.bias)
        )
        return x, table, b


def chunk_losses(logits: Tensor, targets: Tensor, smoothing: float, z_loss: float) -> tuple[Tensor, Tensor]:
    """Loss [C] and logarithm of the softmax's denominator [C] of logits [C, V]."""
    real = targets != IGNORED
    log_z = logits.logsumexp(dim=1)
    losses = log_z - (1 - smoothing) * logits.gather(1, targets.where(real, 0)[:, None])[:, 0]
    if smoothing:
        losses -= smoothing * logits.mean(dim=1)
    if z_loss:
        losses += z_loss * log_z.square()
    return losses.where(real, 0), log_z


def chunk_gradient(
    logits: Tensor,
    log_z: Tensor,
    targets: Tensor,
    grad: Tensor,
    logit_cap: float,
    smoothing: float,
    z_loss: float,
) -> Tensor:
    """The gradient [C, V] of the logits before any cap, from `grad` [C] of their losses; `logits` are used up.

    ∂loss/∂logit_v = p_v (1 + 2 z log Z) - (1 - s) [v = target] - s / V, times 1 - (logit_v / cap)^2.
    """
    real = targets != IGNORED
    slope = 1 - (logits / logit_cap).square() if logit_cap else None
    result = logits.sub_(log_z[:, None]).exp_()
    if z_loss:
        result *= (1 + 2 * z_loss * log_z)[:, None]
    if smoothing:
        result -= smoothing / logits.shape[1]
    share = torch.full_like(log_z, smoothing - 1)[:, None]
    result.scatter_add_(1, targets.where(real, 0)[:, None], share)
    result *= grad.to(result.dtype).where(real, 0)[:, None]
    return result if slope is None else result.mul_(slope)


def losses(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor,
    logit_cap: float, smoothing: float, z_loss: float, chunk: int,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Losses [N] and logarithms of denominators [N]."""
    with torch.autocast(hidden.device.type, enabled=False):
        given = Operands(hidden, weight, bias)
        losses = hidden.new_zeros(hidden.shape[0], dtype=given.wide)
        log_z = torch.zeros_like(losses)
        for rows in chunks(hidden.shape[0], weight.shape[0], chunk):
            logits = given.logits(rows, logit_cap)
            losses[rows], log_z[rows] = chunk_losses(logits, targets[rows], smoothing, z_loss)
        return losses, log_z


def gradients(
    grad: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, log_z: Tensor,
    logit_cap: float, smoothing: float, z_loss: float, chunk: int, wanted: list[bool],
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Gradients of hidden states, table and bias from `grad` [N], wide; empty where `wanted` says no."""
    with torch.autocast(hidden.device.type, enabled=False):
        given = Operands(hidden, weight, bias)
        found = Gradients(given, (wanted[0], wanted[1], wanted[2]))
        for rows in chunks(hidden.shape[0], weight.shape[0], chunk):
            logits = given.logits(rows, logit_cap)
            found.add(rows, chunk_gradient(
                logits, log_z[rows], targets[rows], grad[rows], logit_cap, smoothing, z_loss
            ))  # fmt: skip
            del logits
        return found.tensors()


def summed(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor,
    logit_cap: float, smoothing: float, z_loss: float, chunk: int, wanted: list[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """The sum of losses, and its gradients with respect to hidden states, table and bias, as above."""
    with torch.autocast(hidden.device.type, enabled=False):
        given = Operands(hidden, weight, bias)
        found = Gradients(given, (wanted[0], wanted[1], wanted[2]))
        total = hidden.new_zeros((), dtype=given.wide)
        for rows in chunks(hidden.shape[0], weight.shape[0], chunk):
            logits = given.logits(rows, logit_cap)
            losses, log_z = chunk_losses(logits, targets[rows], smoothing, z_loss)
            total += losses.sum()
            found.add(rows, chunk_gradient(
                logits, log_z, targets[rows], torch.ones_like(losses), logit_cap, smoothing, z_loss
            ))  # fmt: skip
            del logits
        return total, *found.tensors()


# ---------------------------------------------------------------------------------------------- custom ops

_losses = torch.library.custom_op("blocks::linear_cross_entropy", losses, mutates_args=())
_backward = torch.library.custom_op("blocks::linear_cross_entropy_backward", gradients, mutates_args=())
_sum = torch.library.custom_op("blocks::summed_linear_cross_entropy", summed, mutates_args=())


def _wide(hidden: Tensor) -> torch.dtype:
    return torch.promote_types(hidden.dtype, torch.float32)


@_losses.register_fake
def _(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, *_: object
) -> tuple[Tensor, Tensor]:
    losses = hidden.new_empty(hidden.shape[0], dtype=_wide(hidden))
    return losses, torch.empty_like(losses)


def _gradients(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, wanted: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    shapes = (hidden.shape, weight.shape, weight.shape[:1])
    x, table, b = (
        hidden.new_empty(shape if want else (0,), dtype=_wide(hidden))
        for shape, want in zip(shapes, wanted, strict=True)
    )
    return x, table, b


@_backward.register_fake
def _(
    grad: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, log_z: Tensor,
    logit_cap: float, smoothing: float, z_loss: float, chunk: int, wanted: list[bool],
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    return _gradients(hidden, weight, bias, wanted)


@_sum.register_fake
def _(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor,
    logit_cap: float, smoothing: float, z_loss: float, chunk: int, wanted: list[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    return hidden.new_empty((), dtype=_wide(hidden)), *_gradients(hidden, weight, bias, wanted)


def _save(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    hidden, weight, bias, targets, *ctx.options = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(hidden, weight, bias, targets, output[1])


def _differentiate(ctx, grad, _):  # type: ignore[no-untyped-def]
    if grad is None:
        return (None,) * 8
    hidden, weight, bias, targets, log_z = ctx.saved_tensors
    wanted = list(ctx.needs_input_grad[:3])
    found = _backward(grad, hidden, weight, bias, targets, log_z, *ctx.options, wanted)
    returned = (each.to(hidden.dtype) if want else None for each, want in zip(found, wanted, strict=True))
    return *returned, *[None] * 5


def _save_sum(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.set_materialize_grads(False)
    ctx.wanted = inputs[-1]
    ctx.dtype = inputs[0].dtype
    ctx.save_for_backward(*output[1:])


def _differentiate_sum(ctx, grad, *_):  # type: ignore[no-untyped-def]
    if grad is None:
        return (None,) * 9
    found = (
        (grad * each).to(ctx.dtype) if want else None
        for each, want in zip(ctx.saved_tensors, ctx.wanted, strict=True)
    )
    return *found, *[None] * 6


_losses.register_autograd(_differentiate, setup_context=_save)
_sum.register_autograd(_differentiate_sum, setup_context=_save_sum)
