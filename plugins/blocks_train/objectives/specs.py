"""Declarations of the objectives, and of the op that they share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from blocks import BuildError, Coder, Complaint, Component, Kernel, Objective, Plan, Sizes, Target
from blocks_train.objectives.vocabulary import later, vocabulary_head

DTYPES = frozenset({"float64", "float32", "bfloat16", "float16"})


def _runs(target: Target, component: Component) -> bool:
    """On devices whose products of 16-bit floats can be summed in 32 bits, or are made of 32-bit ones."""
    return target.device in ("cpu", "cuda", "meta") and target.dtype in DTYPES


LINEAR_CROSS_ENTROPY = Kernel("blocks_train.objectives.kernels:linear_cross_entropy")
CHUNKED = Kernel("blocks_train.objectives.chunked:linear_cross_entropy", _runs)


class NextToken(Objective):
    """The cross-entropy of each token given those before it, in nats (Bengio et al. 2003, JMLR 3, equation 3).

    Logits of a whole batch never exist at once, where the head's are those of a table.
    """

    module = "blocks_train.objectives.module:NextToken"
    ops = ("linear_cross_entropy",)

    smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of each target that is spread over all ids (label smoothing)"
    )
    z_loss: float = Field(
        0.0, ge=0, description="factor of log(Z)^2, which keeps logits from drifting (PaLM has 1e-4)"
    )

    def check_plan(self, plan: Plan) -> Iterator[Complaint]:
        other = list(_check_tokens(self, plan))
        yield from other
        for name in () if other else later(plan):
            yield Complaint(
                "",
                f"{name} sees later tokens, so that what {self.name} asks for would be known",
                help="mask: causal in the block, or objective: masked_lm",
                code="B1308",
            )


class MaskedLM(Objective):
    """The cross-entropy of tokens that are hidden, in nats (Devlin et al. 2019, arXiv:1810.04805, section 3.1).

    Some tokens of each row are asked for. Most of those are replaced by the mask, some by another token, some stay.
    """

    module = "blocks_train.objectives.module:MaskedLM"
    ops = ("linear_cross_entropy",)
    shift = 0

    share: float = Field(0.15, gt=0, le=1, description="share of a row's tokens that are asked for")
    hidden: float = Field(0.8, ge=0, le=1, description="share of those that the mask stands for")
    replaced: float = Field(0.1, ge=0, le=1, description="share of those that another token stands for")
    smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of each target that is spread over all ids (label smoothing)"
    )

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if self.hidden + self.replaced > 1:
            yield Complaint(
                "replaced",
                f"shares of {self.hidden:g} and {self.replaced:g} are more than all of the tokens that are asked for",
                help=f"replaced: {1 - self.hidden:g}, or less",
                related=("hidden",),
            )

    def check_plan(self, plan: Plan) -> Iterator[Complaint]:
        other = list(_check_tokens(self, plan))
        yield from other
        if not other and not any(True for _ in later(plan)):
            yield Complaint(
                "",
                f"every block sees the past alone, and {self.name} hides tokens that later ones tell of",
                help="mask: bidirectional in the blocks, or objective: next_token",
                code="B1308",
            )

    def check_coder(self, coder: Coder) -> None:
        if "mask" not in coder.roles:
            raise BuildError.of(
                "B1309",
                f"{self.name} hides tokens behind one that stands for them, and the tokenizer has none",
                help="a tokenizer with a token of the role mask",
            )

    def change(
        self, inputs: Mapping[str, Any], targets: Any, *, rows: Sequence[int], seed: int, coder: Coder
    ) -> tuple[Mapping[str, Any], Any]:
        from blocks_train.objectives.masking import Masking, specials

        unknown = coder.roles.get("unk")
        masking = Masking(
            self.share, self.hidden, self.replaced, coder.roles["mask"], coder.vocab_size,
            specials(coder.roles.values(), unknown),
        )  # fmt: skip
        tokens, asked = masking.apply(inputs["tokens"], targets != -100, rows, seed)
        return {**inputs, "tokens": tokens}, asked


def _check_tokens(objective: Objective, plan: Plan) -> Iterator[Complaint]:
    """Complaints about a model that does not turn one stream of tokens into logits of each."""
    if len(plan.streams) > 1:
        names = " and ".join(stream.name for stream in plan.streams)
        yield Complaint(
            "",
            f"{objective.name} is for one stream of tokens, and there are {names}",
            help="a model of one stream",
            code="B1308",
        )
        return
    first = plan.streams[0].inputs[0].name
    if first != "tokens":
        yield Complaint(
            "",
            f"{objective.name} is for a model of tokens, and this one reads {first}",
            help="embed: tokens",
            code="B1308",
        )
    elif vocabulary_head(plan) is None:
        has = ", ".join(f"the {_name(stage.component)} head" for stage in plan.head_paths.values())
        yield Complaint(
            "",
            f"{objective.name} needs logits of every token, and the model has {has or 'no head'}",
            help="head: lm, or head: masked_lm where blocks see later tokens",
            code="B1308",
        )


def _name(component: Component | None) -> str:
    return component.name if component is not None else ""
