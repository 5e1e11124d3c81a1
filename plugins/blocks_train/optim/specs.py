"""Declarations of the optimizers."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from blocks import Complaint, Optimizer, Sizes


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Kingma & Ba 2014, arXiv:1412.6980; Loshchilov & Hutter 2017, arXiv:1711.05101).

    The defaults are those of GPT-3 Small (Brown et al. 2020, arXiv:2005.14165, table 2.1 and appendix B).
    """

    module = "blocks_train.optim.make:adamw"

    lr: float = Field(6e-4, gt=0, description="learning rate where the schedule's factor is 1")
    beta1: float = Field(0.9, ge=0, lt=1, description="decay a step of the mean of the gradients")
    beta2: float = Field(0.95, ge=0, lt=1, description="decay a step of the mean of their squares")
    eps: float = Field(1e-8, gt=0, description="added to the root of that mean")
    weight_decay: float = Field(
        0.1, ge=0, description="times the learning rate: what each decayed weight loses of itself a step"
    )
    decay_embeddings: bool = Field(
        True, description="whether tables of tokens and positions decay as matrices do"
    )


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum as torch has it (Sutskever et al. 2013, PMLR 28:1139-1147)."""

    module = "blocks_train.optim.make:sgd"

    lr: float = Field(0.1, gt=0, description="learning rate where the schedule's factor is 1")
    momentum: float = Field(
        0.9, ge=0, lt=1, description="what remains of the velocity a step; 0: none is kept"
    )
    nesterov: bool = Field(False, description="look ahead along the velocity (Nesterov 1983)")
    dampening: float = Field(
        0.0, ge=0, le=1, description="share of the gradient that is left out of the velocity"
    )
    weight_decay: float = Field(
        0.0, ge=0, description="added to the gradient of each decayed weight, times itself"
    )
    decay_embeddings: bool = Field(
        True, description="whether tables of tokens and positions decay as matrices do"
    )

    def floats(self) -> int:
        return int(self.momentum > 0)

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if self.nesterov and not self.momentum:
            yield Complaint(
                "nesterov", "there is no velocity to look ahead along where momentum is 0",
                help="momentum: 0.9, or nesterov: false", code="B0312", related=("momentum",),
            )  # fmt: skip
        if self.nesterov and self.dampening:
            yield Complaint(
                "nesterov", "Nesterov's momentum is not damped",
                help="dampening: 0, or nesterov: false", code="B0312", related=("dampening",),
            )  # fmt: skip
