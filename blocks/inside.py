"""What is inside a mixer: operations and the wires between them, declared by the mixer, drawn and fused by others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from blocks.cost import Size

Shape: TypeAlias = tuple[Size | str, ...]
"""Axis sizes: numbers, polynomials, or letters such as "B" and "T"."""


@dataclass(frozen=True, slots=True)
class Op:
    """One operation. `kind` groups what is drawn and fused alike: linear, conv, norm, position, scores, scan, gate.

    name    unique inside the mixer; for operations with parameters the attribute that holds them
    inputs  names of the operations read; "x" is the mixer's input
    shape   shape of the output
    params  number of parameters
    fuse    operations of kind linear with the same inputs and the same `fuse` become one of that name
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    shape: Shape
    params: Size = 0
    fuse: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Inside:
    """The operations of one mixer in the order of execution; the last one is the output."""

    ops: tuple[Op, ...]

    def fused(self) -> Inside:
        """The operations with parallel linears merged: q, k and v become one qkv_proj, gate and up gate_up_proj.

        Requires: `fuse` names agree only on linears that read the same inputs. Ensures: parameters are kept in
        sum, readers of a merged operation read the merged one.
        """
        renamed: dict[str, str] = {}
        merged: dict[str, Op] = {}
        for op in self.ops:
            target = op.fuse or op.name
            renamed[op.name] = target
            inputs = tuple(dict.fromkeys(renamed.get(name, name) for name in op.inputs))
            if target in merged:
                first = merged[target]
                assert first.inputs == inputs, f"{op.name} and {target} read different inputs"
                width = first.shape[-1] + op.shape[-1]  # type: ignore[operator]
                merged[target] = replace(
                    first, shape=(*first.shape[:-1], width), params=first.params + op.params
                )
            else:
                merged[target] = replace(op, name=target, inputs=inputs, fuse="")
        return Inside(tuple(merged.values()))
