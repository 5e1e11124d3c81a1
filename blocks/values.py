"""What keys of a recipe hold as written: sizes, choices, factors, names."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, Union

from pydantic import BaseModel, ConfigDict, Field

MAX_SIZE = 10**12

Number: TypeAlias = Union[Annotated[int, Field(ge=0, le=MAX_SIZE)], Annotated[str, Field(max_length=1000)]]  # noqa: UP007
"""A size: an integer, or an expression over declared names such as `4 * d_model` or `32k`."""
Slot: TypeAlias = Union[str, dict[str, dict[str, Any]]]  # noqa: UP007
"""A choice: a registered name, or `{name: {option: value}}`."""
Gain: TypeAlias = (
    Annotated[int, Field(ge=-MAX_SIZE, le=MAX_SIZE)] | float | Annotated[str, Field(max_length=1000)]
)
"""A factor: a number, or an expression over declared names such as `1 / sqrt(depth)`."""
NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}$"


class Strict(BaseModel):
    """A part of a recipe: types as written, no unknown key, no NaN, no change."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)
