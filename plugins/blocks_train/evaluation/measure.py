"""What a language model is worth on a corpus: its loss a token, and what follows from that."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from blocks import BuildError, Plan, Registry, UsageError
from blocks.carrying import not_carried
from blocks.diagnostics import Diagnostic
from blocks_train.evaluation.rows import Rows, carried, in_windows
from blocks_train.objectives.module import NextToken
from blocks_train.objectives.specs import NextToken as Declared

if TYPE_CHECKING:
    from blocks_train.data import Corpus

USUAL_CONTEXT = 1024
"""Tokens that a model reads at once where neither its recipe nor its positions say how many."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `blocks eval` finds; the keys of `as_json` are a contract.

    loss           mean over the scored tokens, in nats
    perplexity     its exponential; None where that is beyond a float
    bits_per_byte  what a byte of text costs
    tokens         of all texts; `scored` are those that something stands before
    bytes          of all texts, in UTF-8
    context        tokens that were read at once
    stride         tokens from one window to the next; None: the state was carried from piece to piece
    """

    loss: float
    perplexity: float | None
    bits_per_byte: float
    tokens: int
    scored: int
    bytes: int
    texts: int
    context: int
    stride: int | None

    def as_json(self) -> dict[str, float | int | None]:
        """The fields by name."""
        return asdict(self)


def complaints(plan: Plan) -> Iterator[Diagnostic]:
    """Why a model of this plan has no loss of the next token."""
    for complaint in Declared().named("next_token").check_plan(plan):
        help = "a model of tokens whose blocks see the past alone, with a head over the vocabulary"
        yield Diagnostic("B1801", f"{plan.name}: {complaint.message}", help=help)


def measure(
    model: nn.Module,
    plan: Plan,
    corpus: Corpus,
    *,
    context: int | None = None,
    stride: int | None = None,
    batch: int = 8,
    step: Callable[[int], None] = lambda scored: None,
    registry: Registry | None = None,
) -> Evaluation:
    """Score every token of every document once, but the first of each; documents know nothing of each other.

    A model whose state stays as small as it is reads pieces of `context` tokens and goes on from its state, unless a
    stride is asked for; what comes out does not depend on the context then. Others read windows of `context` tokens, a
    `stride` apart. Raises BuildError for a context that the model has no positions for, texts that are too short, and
    a loss that is no number; UsageError for a stride beyond the context.
    """
    documents = [found for found in map(corpus.document, range(len(corpus))) if len(found) > 1]
    if not documents:
        short = (
            "the text is one token" if len(corpus) == 1 else f"none of {len(corpus):,} texts has two tokens"
        )
        raise BuildError.of(
            "B1802", f"{short}, and a token is scored by those before it", help="longer texts"
        )
    context = _context(plan, context)
    if stride is None and any(True for _ in not_carried(plan)):
        stride = max(1, context // 2)
    if stride is None:
        rows = carried(documents, context, batch)
    else:
        if stride > context:
            raise UsageError.of(
                "B0805",
                f"a stride of {stride} leaves out tokens between windows of {context}",
                help=f"--stride {context}, or less",
            )
        rows = in_windows(documents, context, stride, batch)
    total, scored = total_loss(model, rows, step=step, registry=registry)
    loss = total / scored
    if not math.isfinite(loss):
        raise BuildError.of(
            "B1803", f"the loss of {plan.name} is {loss}, no number", help="weights of another checkpoint"
        )
    tokens = len(corpus.tokens)
    return Evaluation(
        loss, perplexity(loss), bits_per_byte(loss, tokens, corpus.bytes),
        tokens=tokens, scored=scored, bytes=corpus.bytes, texts=len(corpus), context=context, stride=stride,
    )  # fmt: skip


def _context(plan: Plan, asked: int | None) -> int:
    """Tokens to read at once. Raises BuildError for more than the model has positions for."""
    longest = min((tokens for tokens, _ in plan.limits), default=None)
    if asked is not None:
        if longest is not None and asked > longest:
            raise BuildError.of(
                "B1304",
                f"{asked:,} tokens at once are more than the {longest:,} that {plan.name} has positions for",
                help=f"--context {longest}",
            )
        return asked
    if plan.training is not None:
        return plan.training.context
    return min(longest or USUAL_CONTEXT, USUAL_CONTEXT)


@torch.no_grad()
def total_loss(
    model: nn.Module,
    rows: Iterable[Rows],
    *,
    step: Callable[[int], None] = lambda scored: None,
    registry: Registry | None = None,
) -> tuple[float, int]:
    """The sum of losses in nats, and of how many tokens it is; `step` is told how many were scored in each call.

    The model is in evaluation mode while it runs, and afterwards in the one that it was in. Sums are of float32 within
    a call, of double precision from call to call. Raises ValueError for a model without a head over the vocabulary.
    """
    was_training = model.training
    model.eval()
    try:
        objective = NextToken(model, registry=registry)
        objective.sparse = True
        device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
        total, count, state = 0.0, 0, None
        for each in rows:
            state = _first(state, each.carried)
            inputs = {"tokens": torch.from_numpy(each.tokens).to(device)}
            outcome = objective(inputs, torch.from_numpy(each.targets).to(device), state)
            scored = int(outcome.count)
            total, count, state = total + float(outcome.loss_sum), count + scored, outcome.state
            step(scored)
    finally:
        model.train(was_training)
    return total, count


def _first(state: Any, rows: int) -> Any:
    """The state of the first rows, which is the first axis of every tensor; none where no row goes on."""
    if not rows:
        return None
    return tree_map_only(Tensor, lambda tensor: tensor[:rows], state)


def perplexity(loss: float) -> float | None:
    """The exponential of a loss in nats a token; None where it is beyond a float."""
    return math.exp(loss) if loss < math.log(torch.finfo(torch.float64).max) else None


def bits_per_byte(loss: float, tokens: int, size: int) -> float:
    """Bits that a byte of text costs, from the mean loss in nats of its tokens. Gao et al. 2020, The Pile,
    arXiv:2101.00027, section 3.1: (tokens / bytes) loss / ln 2."""
    return tokens / size * loss / math.log(2)
