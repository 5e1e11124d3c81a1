"""The table of cases: a name, the property, and the capabilities without which it is not asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from blocks import Mixer
from blocks_compiler.conformance import (
    causality,
    cost,
    declaration,
    decoding,
    gradients,
    inside,
    loading,
    memory,
    order,
    packing,
    padding,
    precision,
    repeats,
    sizes,
    splits,
    tracing,
    weights,
)
from blocks_compiler.conformance.subject import Subject


@dataclass(frozen=True, slots=True)
class Case:
    """One property. `check` raises Violation where it does not hold.

    needs    the capabilities without which it is not asked
    reads    asked of those that read a memory
    when     asked of those whose bound declaration says so
    method   asked of those whose module has it
    """

    name: str
    check: Callable[[Subject], None]
    needs: frozenset[str] = frozenset()
    reads: bool = False
    when: Callable[[Mixer], bool] | None = None
    method: str = ""

    @property
    def about(self) -> str:
        """The property in one line."""
        return (self.check.__doc__ or "").strip().splitlines()[0]

    def applies(self, subject: Subject) -> bool:
        """Whether the mixer declares, or its module has, what this case needs."""
        if not self.needs <= subject.can or (self.reads and subject.mixer.memory_width is None):
            return False
        if self.when is not None and not self.when(subject.bound):
            return False
        return not self.method or subject.offers(self.method)


CAUSAL, CACHED, PADDED, PACKED = (frozenset({name}) for name in ("causal", "cached", "padded", "packed"))

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
    Case("inside", inside.inside, when=lambda mixer: mixer.inside() is not None),
    Case("seeded", weights.seeded),
    Case("every_weight_starts", weights.every_weight_starts),
    Case("every_weight_learns", weights.every_weight_learns),
    Case("shape", sizes.shape),
    Case("shape_with_state", sizes.shape_with_state, CACHED),
    Case("many_tokens", sizes.many_tokens),
    Case("precision_fp32", precision.single),
    Case("precision_bf16", precision.half),
    Case("determinism", repeats.determinism),
    Case("batch_slices", repeats.batch_slices),
    Case("permutation", order.permutation, when=lambda mixer: mixer.equivariant()),
    Case("sight", causality.sight),
    Case("blindness", causality.blindness),
    Case("causal_gradient", causality.causal_gradient, CAUSAL),
    Case("causal_replacement", causality.causal_replacement, CAUSAL),
    Case("prefix", causality.prefix, CAUSAL),
    Case("any_split", splits.any_split, CAUSAL | CACHED),
    Case("token_by_token", splits.token_by_token, CAUSAL | CACHED),
    Case("state_untouched", splits.state_untouched, CACHED),
    Case("state_reordered", decoding.state_reordered, CAUSAL | CACHED),
    Case("state_rewound", decoding.state_rewound, CAUSAL | CACHED),
    Case("decoding", decoding.decoding, CAUSAL | CACHED),
    Case("state_reserved", decoding.state_reserved, CAUSAL | CACHED, method="reserve"),
    Case("padding_content", padding.padding_content, PADDED),
    Case("padding_gradient", padding.padding_gradient, PADDED),
    Case("padded_batch", padding.padded_batch, PADDED),
    Case("padding_finite", padding.padding_finite, PADDED),
    Case("padded_state", padding.padded_state, PADDED | CAUSAL | CACHED),
    Case("padded_split", padding.padded_split, PADDED | CAUSAL | CACHED),
    Case("packed_documents", packing.packed_documents, PACKED),
    Case("packed_gradient", packing.packed_gradient, PACKED),
    Case("packed_alone", packing.packed_alone, PACKED),
    Case("memory_needed", memory.memory_needed, reads=True),
    Case("memory_gradient", memory.memory_gradient, reads=True),
    Case("memory_padding", memory.memory_padding, reads=True),
    Case("memory_rows", memory.memory_rows, reads=True),
    Case("memory_kept", memory.memory_kept, CACHED, reads=True),
    Case("gradcheck", gradients.gradcheck),
    Case("opcheck", gradients.opcheck),
    Case("meta_device", loading.meta_device),
    Case("state_dict", loading.state_dict),
    Case("compiles", tracing.compiles),
    Case("exports", tracing.exports),
)
