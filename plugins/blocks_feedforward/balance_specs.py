"""Declaration of the loss that keeps experts busy alike."""

from __future__ import annotations

from collections.abc import Iterator

from blocks import Auxiliary, Complaint, Plan
from blocks_feedforward.moe_specs import MoE


class LoadBalance(Auxiliary):
    """The load-balance loss of Switch Transformers (Fedus et al. 2021, arXiv:2101.03961, equations 4 to 6).

    Their weight alpha is 0.01; Mixtral's configuration has 0.02.
    """

    module = "blocks_feedforward.balance:load_balance_loss"

    def check_plan(self, plan: Plan) -> Iterator[Complaint]:
        mixers = [branch.mixer for layer in plan.layers for branch in layer.type.branches]
        sizes = sorted({mixer.n_experts for mixer in mixers if isinstance(mixer, MoE)})
        if not sizes:
            yield Complaint(
                "load_balance",
                "no block is a mixture of experts, so there is no load to balance",
                help="leave it out, or use moe in place of an mlp",
                code="B1308",
            )
        elif len(sizes) > 1:
            yield Complaint(
                "load_balance",
                f"the loss is over routers of as many experts each, and they have {' and '.join(map(str, sizes))}",
                help=f"n_experts: {sizes[-1]} in all of them",
                code="B1308",
            )
