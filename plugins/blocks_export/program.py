"""A model as a program of torch.export, with batch and length left open, and the check of what became of it.

Shapes: B batch, T tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from blocks import BuildError
from blocks.exporter import Exporting
from blocks_export.signature import Signature, signature

TRACED = (2, 70)
"""Batch and length of the call that is traced: more than one chunk of any mixer."""
CHECKED = ((1, 1), (2, 7), (3, 67))
"""Those of the calls that are compared."""
EXACT = (torch.float32, torch.float64)


class Whole(nn.Module):
    """A model that is called with whole sequences, and gives its outputs without the state.

    `forward` takes the inputs of the signature by their names, and returns its outputs in their order.
    """

    def __init__(self, model: nn.Module, given: Signature) -> None:
        super().__init__()
        self.model, self.given = model, given

    def outputs(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The outputs, of the inputs in the order of the signature."""
        left = iter(inputs)
        values: list[Tensor | None] = []
        for argument in self.given.arguments:
            value = None if argument is None else next(left)
            values.append(
                value.bool() if argument is not None and argument.is_mask and value is not None else value
            )
        count = self.given.n_first
        outputs, _ = self.model(*values[:count], None, *values[count:])
        return tuple(outputs.values()) if isinstance(outputs, dict) else (outputs,)


def whole_model(model: nn.Module, given: Signature) -> Whole:
    """A model with the calls of a signature: torch.export names inputs after the parameters of `forward`."""
    names = ", ".join(argument.name for argument in given.inputs)
    scope: dict[str, Any] = {}
    exec(f"def forward(self, {names}):\n    return self.outputs({names})\n", scope)
    made: Whole = type("Whole", (Whole,), {"forward": scope["forward"]})(model, given).eval()
    return made


def trace(exporting: Exporting) -> tuple[Whole, ExportedProgram]:
    """The model to call, and its program. Raises BuildError where torch.export cannot leave the sizes open."""
    whole = whole_model(exporting.model, signature(exporting.plan))
    limits = {} if whole.given.longest is None else {"max": whole.given.longest}
    dims = {axis: Dim(axis, **({} if axis == "batch" else limits)) for axis in whole.given.open}
    shapes = {
        argument.name: {at: dims[axis] for at, axis in enumerate(argument.axes) if isinstance(axis, str)}
        for argument in whole.given.inputs
    }
    try:
        with torch.no_grad():
            program = torch.export.export(whole, (), example(whole, *TRACED), dynamic_shapes=shapes)
    except Exception as error:
        raise refused(exporting, "torch.export", error) from error
    return whole, program


def example(whole: Whole, batch: int, length: int) -> dict[str, Tensor]:
    """Inputs of a call: random ids and pixels; masks whose first row has padding on the left, if there is room.

    Streams differ in length, by a token each.
    """
    generator = torch.Generator().manual_seed(length)
    dtype = next((p.dtype for p in whole.parameters() if p.is_floating_point()), torch.float32)
    longest = whole.given.longest or length + len(whole.given.open)
    sizes = {axis: min(length + more, longest) for more, axis in enumerate(whole.given.open)}
    sizes["batch"] = batch
    found = {}
    for argument in whole.given.inputs:
        shape = [sizes[axis] if isinstance(axis, str) else axis for axis in argument.axes]
        if argument.is_mask:
            value = torch.ones(shape, dtype=torch.int64)
            value[0, : shape[1] // 3] = 0
        elif argument.dtype == "int64":
            value = torch.randint(argument.ids, shape, generator=generator)
        else:
            value = torch.randn(shape, generator=generator).to(dtype)
        found[argument.name] = value
    return found


@torch.no_grad()
def check(
    exporting: Exporting, whole: Whole, run: Callable[[Mapping[str, Tensor]], Sequence[Tensor]], what: str
) -> str:
    """Compare what was written with the model at several sizes; a sentence with the largest difference.

    The difference is that at real tokens, over the largest number: at most 1e-5 in fp32 and fp64, 2e-2 in half
    precision. Raises BuildError when it is more.
    """
    worst = 0.0
    dtype = next((p.dtype for p in whole.parameters() if p.is_floating_point()), torch.float32)
    for batch, length in CHECKED:
        inputs = example(whole, batch, min(length, whole.given.longest or length))
        wanted, got = whole(**inputs), run(inputs)
        masks = [inputs[a.name] for a in whole.given.inputs if a.is_mask]
        for name, ours, theirs in zip(whole.given.outputs, wanted, got, strict=True):
            if ours.shape != theirs.shape:
                raise wrong(exporting, what, f"{name} is {[*theirs.shape]}, not {[*ours.shape]}")
            real = masks[-1].bool() if masks and masks[-1].shape == ours.shape[:2] else ...
            difference = (theirs.double() - ours.double())[real].abs().max() / ours.double().abs().max()
            worst = max(worst, float(difference.nan_to_num(torch.inf)))
    if worst > (1e-5 if dtype in EXACT else 2e-2):
        raise wrong(exporting, what, f"it differs by {worst:.1e} of the largest number")
    sizes = ", ".join(f"{batch} x {length}" for batch, length in CHECKED)
    return f"checked  {what} differs from the model by {worst:.1e} of the largest number, at {sizes} tokens"


def wrong(exporting: Exporting, what: str, how: str) -> BuildError:
    """The error for a program that does not compute what the model does."""
    return BuildError.of(
        "B1102", f"{exporting.plan.name} was exported, and {what} gives something else: {how}",
        help="please report it with the recipe",
    )  # fmt: skip


def refused(exporting: Exporting, who: str, error: Exception) -> BuildError:
    """The error for a model that cannot be written, with the first line of what was said about it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[0][:300] if lines else type(error).__name__
    return BuildError.of(
        "B1103",
        f"{who} refuses {exporting.plan.name}: {said}",
        help="another format may do; please report it with the recipe",
    )
