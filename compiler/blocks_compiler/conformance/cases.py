"""The table of cases: a name, the property, and the capabilities without which it is not asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from blocks_compiler.conformance import causality, cost, declaration, memory, padding, sizes, splits, weights
from blocks_compiler.conformance.subject import Subject


@dataclass(frozen=True, slots=True)
class Case:
    """One property. `check` raises Violation where it does not hold; `reads`: asked of those with a memory."""

    name: str
    check: Callable[[Subject], None]
    needs: frozenset[str] = frozenset()
    reads: bool = False

    @property
    def about(self) -> str:
        """The property in one line."""
        return (self.check.__doc__ or "").strip().splitlines()[0]

    def applies(self, subject: Subject) -> bool:
        """Whether the mixer declares what this case needs."""
        return self.needs <= subject.can and (subject.mixer.memory_width is not None or not self.reads)


CAUSAL, CACHED, PADDED = frozenset({"causal"}), frozenset({"cached"}), frozenset({"padded"})

CASES = (
    Case("no_torch", declaration.imports_no_torch),
    Case("options", declaration.options_described),
    Case("capabilities", declaration.known_capabilities),
    Case("undeclared", declaration.undeclared_raises),
    Case("stands_alone", declaration.stands_alone),
    Case("parameters", cost.parameters),
    Case("flops", cost.flops),
    Case("step_flops", cost.step_flops, CACHED),
    Case("state_size", cost.state_size, CACHED),
    Case("seeded", weights.seeded),
    Case("every_weight_starts", weights.every_weight_starts),
    Case("every_weight_learns", weights.every_weight_learns),
    Case("shape", sizes.shape),
    Case("shape_with_state", sizes.shape_with_state, CACHED),
    Case("causal_gradient", causality.causal_gradient, CAUSAL),
    Case("causal_replacement", causality.causal_replacement, CAUSAL),
    Case("any_split", splits.any_split, CAUSAL | CACHED),
    Case("token_by_token", splits.token_by_token, CAUSAL | CACHED),
    Case("state_untouched", splits.state_untouched, CACHED),
    Case("padding_content", padding.padding_content, PADDED),
    Case("padding_gradient", padding.padding_gradient, PADDED),
    Case("padded_batch", padding.padded_batch, PADDED),
    Case("padding_finite", padding.padding_finite, PADDED),
    Case("padded_state", padding.padded_state, PADDED | CAUSAL | CACHED),
    Case("memory_needed", memory.memory_needed, reads=True),
    Case("memory_gradient", memory.memory_gradient, reads=True),
    Case("memory_padding", memory.memory_padding, reads=True),
    Case("memory_rows", memory.memory_rows, reads=True),
    Case("memory_kept", memory.memory_kept, CACHED, reads=True),
)
