"""What can be wrong with the options of attention."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from blocks import Complaint, Sizes
from blocks.divisors import divisors

if TYPE_CHECKING:
    from blocks_attention.specs import MultiHead


def complaints(mixer: MultiHead, sizes: Sizes) -> Iterator[Complaint]:
    """Everything that is wrong with a mixer for a stream of this width."""
    undividable = heads_of_width(mixer, sizes.d_model)
    if undividable is not None:
        yield undividable
        return
    if mixer.qk_norm is None and mixer.qk_norm_over != "head":
        yield Complaint(
            "qk_norm_over",
            "qk_norm_over says what qk_norm normalises, and there is no qk_norm",
            help="set qk_norm, or leave out qk_norm_over",
            code="B0312",
        )
    bound = mixer.bind(sizes)
    yield from groups(mixer, bound, sizes.d_model)
    if mixer.memory_width is not None:
        yield from over_a_memory(mixer)
    elif mixer.borrows:
        yield from borrowing(mixer)
    elif mixer.global_tokens is not None and mixer.window is None:
        yield Complaint(
            "global_tokens",
            "global tokens stand out from a window, and there is none: every token sees as far as the mask lets it",
            help="set window, or leave out global_tokens",
            code="B0330",
        )
    for name in bound.slots():
        if name == "position" and mixer.memory_width is not None:
            continue  # already refused
        yield from mixer.check_slot(name, bound.slot_sizes(name, sizes))


def heads_of_width(mixer: MultiHead, d_model: int) -> Complaint | None:
    """Heads that share out the width evenly, unless the channels of one are given."""
    heads = mixer.n_heads
    if heads is None or mixer.head_dim is not None or d_model % heads == 0:
        return None
    fits = divisors(d_model)
    below = max((n for n in fits if n < heads), default=None)
    above = min((n for n in fits if n > heads), default=None)
    near = " or ".join(str(n) for n in (below, above) if n is not None)
    return Complaint(
        "n_heads",
        f"{heads} heads do not divide d_model = {d_model}",
        label=f"{d_model} / {heads} = {d_model / heads:.2f}",
        help=f"use {near} heads, or set head_dim",
        code="B0307",
        related=("d_model",),
    )


def groups(mixer: MultiHead, bound: MultiHead, d_model: int) -> Iterator[Complaint]:
    """Whole heads, and whole groups of query heads."""
    assert bound.n_heads is not None
    if mixer.n_heads is None and mixer.head_dim is not None and d_model % mixer.head_dim:
        yield Complaint(
            "head_dim",
            f"heads of {mixer.head_dim} channels do not divide d_model = {d_model}",
            label=f"{d_model} / {mixer.head_dim} = {d_model / mixer.head_dim:.2f}",
            help="set n_heads as well: head_dim is free of d_model then",
            code="B0307",
            related=("d_model",),
        )
    elif mixer.n_kv_heads is not None and bound.n_heads % mixer.n_kv_heads:
        fits = divisors(bound.n_heads)
        yield Complaint(
            "n_kv_heads",
            f"{mixer.n_kv_heads} key/value heads cannot serve {bound.n_heads} query heads evenly",
            help=f"n_kv_heads is one of {', '.join(map(str, fits))}",
            code="B0306",
            related=("n_heads",),
        )


def over_a_memory(mixer: MultiHead) -> Iterator[Complaint]:
    """Options that say how far a token sees along its own stream."""
    if mixer.mask == "bidirectional":
        yield Complaint(
            "mask",
            "the whole memory is seen, whatever the mask of the stream that reads it",
            help="leave out mask",
            code="B0331",
            related=("memory",),
        )
    for name in ("window", "global_tokens"):
        if getattr(mixer, name) is not None:
            yield Complaint(
                name,
                f"{name} counts tokens along one stream, and the tokens of a memory stand in no row with the reader's",
                help="use multi_head" if name not in mixer.model_fields_set else f"leave out {name}",
                code="B0331",
                related=("memory",),
            )
    if mixer.position is not None:
        yield Complaint(
            "position",
            f"{mixer.position.name} relates tokens of one stream, and a memory is another one",
            help="leave out position here: the memory's stream and this one have their own",
            code="B0331",
            related=("memory",),
        )


def borrowing(mixer: MultiHead) -> Iterator[Complaint]:
    """Options that keys and values of a causal block over all earlier tokens cannot have."""
    if mixer.mask == "bidirectional":
        yield Complaint(
            "mask",
            "borrowed keys and values are those of a causal block, and a bidirectional one sees later tokens",
            help="leave out mask, or kv_from",
            code="B0332",
            related=("kv_from",),
        )
    for name in ("window", "global_tokens"):
        if getattr(mixer, name) is not None:
            yield Complaint(
                name,
                f"a block that borrows sees the keys that their owner keeps, which are all: {name} has no meaning",
                help="use multi_head"
                if name not in mixer.model_fields_set
                else f"leave out {name}, or kv_from",
                code="B0332",
                related=("kv_from",),
            )
