"""Objectives as modules: a model's body, its head over the vocabulary, and the loss of what they make of tokens.

Shape letters: B rows, T tokens, E columns of the table, V vocab_size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from blocks import Head, Registry, Target, load, split_heads
from blocks.kernel import choose, implementations
from blocks_train.objectives.kernels import IGNORED, cross_entropy
from blocks_train.objectives.vocabulary import vocabulary_head

OP = "linear_cross_entropy"


@dataclass(frozen=True)
class Outcome:
    """What an objective makes of a batch: the sum of losses, float32, how many there are, the model's state."""

    loss_sum: Tensor
    count: Tensor
    state: Any


class TokenLoss(nn.Module):
    """The cross-entropy of the ids that a model's head over the vocabulary gives a token, in nats.

    Its parameters are the model's own. Where the head's logits are those of a table (`Head.linear`), they never exist
    in full; `kernels` chooses how, as for the model. Raises ValueError for a model without such a head.
    """

    sparse = False
    """Whether most tokens have no target, so that their logits are better left out."""

    def __init__(
        self,
        model: nn.Module,
        *,
        smoothing: float = 0.0,
        z_loss: float = 0.0,
        kernels: str = "auto",
        registry: Registry | None = None,
    ) -> None:
        super().__init__()
        registry = registry or Registry.installed()
        plan = load(str(model.recipe)).plan(registry=registry)
        stage = vocabulary_head(plan)
        if stage is None:
            raise ValueError(f"{plan.name} has no head that gives logits of every token")
        assert isinstance(stage.component, Head)
        body, heads = split_heads(model, plan)
        path = next(path for path, each in plan.head_paths.items() if each is stage)
        self.body, self.head = body, heads[path]
        self.output = stage.name
        self.first = plan.streams[-1].inputs[0].name
        self.options = {"smoothing": smoothing, "z_loss": z_loss}
        self.linear, self.takes_mask = stage.component.linear, stage.component.takes_mask
        if self.linear:
            table: Any = self.head.weight
            target = Target(table.device.type, str(table.dtype).removeprefix("torch."))
            found = implementations(registry, OP)
            self.loss = found[choose(found, [stage.component], target, kernels)].load()

    def forward(self, inputs: Mapping[str, Tensor], targets: Tensor, state: Any = None) -> Outcome:
        """The loss of targets int64 [B, T], -100 where nothing is asked, after inputs by the model's arguments.

        `state` is what an earlier call returned, detached where no gradient is to go back so far.
        """
        given = dict(inputs)
        read, state = self.body(given.pop(self.first), state=state, **given)
        hidden = read[self.output] if self.output else read
        total = self._sum(hidden, targets) if self.linear else self._full(hidden, targets, given.get("mask"))
        return Outcome(total, (targets != IGNORED).sum(), state)

    def _full(self, hidden: Tensor, targets: Tensor, mask: Tensor | None) -> Tensor:
        """The sum of losses by way of the logits, of a head that does not say what they are made of."""
        logits = self.head(hidden, mask) if self.takes_mask else self.head(hidden)
        return cross_entropy(logits.flatten(0, 1), targets.flatten(), **self.options).sum()

    def _sum(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """The sum of losses from what the table reads."""
        head: Any = self.head
        if self.sparse and not torch.compiler.is_compiling():
            asked = targets != IGNORED
            hidden, targets = hidden[asked], targets[asked]
        else:
            hidden, targets = hidden.flatten(0, 1), targets.flatten()
        features = head.features(hidden) if hasattr(head, "features") else hidden
        cap = getattr(head, "logit_cap", None)
        loss: Tensor = self.loss(
            features, head.weight, head.bias, targets, logit_cap=cap, reduction="sum", **self.options
        )
        return loss


class MaskedLM(TokenLoss):
    """The cross-entropy of hidden tokens; targets are -100 at all others, and only theirs are computed.

    `share`, `hidden` and `replaced` say which those are; whoever makes the batches has seen to them.
    """

    sparse = True

    def __init__(
        self,
        model: nn.Module,
        *,
        share: float = 0.15,
        hidden: float = 0.8,
        replaced: float = 0.1,
        smoothing: float = 0.0,
        kernels: str = "auto",
        registry: Registry | None = None,
    ) -> None:
        super().__init__(model, smoothing=smoothing, kernels=kernels, registry=registry)


class NextToken(TokenLoss):
    """The cross-entropy of each token given those before it; targets are the tokens that follow."""
