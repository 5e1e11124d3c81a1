"""A recipe as written: the vocabulary (`blocks:`) and the sentence (`model:`).

The models here hold what a person wrote, with names and expressions unresolved; `blocks.plan` turns them into
components. The same classes are the Python API: `Recipe(recipe="tiny", d_model=64, …)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, Union

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

if TYPE_CHECKING:
    from blocks.plan import Plan
    from blocks.reader import Document

MAX_SIZE = 10**12

Number: TypeAlias = Union[Annotated[int, Field(ge=0, le=MAX_SIZE)], Annotated[str, Field(max_length=1000)]]  # noqa: UP007
"""A size: an integer, or an expression over declared names such as `4 * d_model` or `32k`."""
Slot: TypeAlias = Union[str, dict[str, dict[str, Any]]]  # noqa: UP007
"""A choice: a registered name, or `{name: {option: value}}`."""
Residual: TypeAlias = Literal["pre", "post", "none"]
NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}$"


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Block(_Strict):
    """One entry of the vocabulary: a mixer, its options; norm and residual where not the stack's."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, allow_inf_nan=False)

    mixer: str = Field(description="registered name of the mixer")
    norm: Slot | None = Field(default=None, description="norm of this block; default: the stack's")
    residual: Residual | None = Field(
        default=None, description="residual of this block; default: the stack's"
    )

    @property
    def options(self) -> dict[str, Any]:
        """The mixer's own options, as written."""
        return dict(self.model_extra or {})


class Stack(_Strict):
    """A run of blocks. Exactly one of `layers`, `pattern`, `interleave` and `cycle` says which."""

    name: str = Field(default="layers", pattern=r"^[a-z][a-z0-9_]{0,39}$", description="path of its blocks")
    depth: Number | None = Field(default=None, description="number of blocks")
    layers: str | list[Any] | None = Field(
        default=None, description="literal layout: names, nested lists, `3 x [a, b]`"
    )
    pattern: str | None = Field(
        default=None, max_length=100_000, description="one letter a block, such as M-M-M*-"
    )
    symbols: dict[str, str] | None = Field(default=None, description="letter of the pattern -> block")
    interleave: list[str] | None = Field(default=None, min_length=1, description="blocks that take turns")
    scatter: dict[str, int | str] | None = Field(
        default=None,
        description="block -> share of the depth (8%) or count, spread evenly; `before: block` says where",
    )
    cycle: list[str] | None = Field(
        default=None, min_length=1, description="blocks repeated until the depth is reached"
    )
    norm: Slot = Field(default="rmsnorm", description="norm of every block")
    residual: Residual = Field(
        default="pre", description="pre: x + mixer(norm(x)); post: norm(x + mixer(x)); none: mixer(norm(x))"
    )
    override: dict[str, dict[str, Any]] | None = Field(
        default=None, description="selector such as attention[-1] or layers[0:4] -> options to change"
    )


STAGES = ("embed", "position", "stack", "norm", "head")


class Stage(_Strict):
    """One step of the model's pipeline: a mapping of exactly one key."""

    embed: Slot | None = Field(default=None, description="embedding")
    position: Slot | None = Field(default=None, description="position added to the stream")
    stack: Stack | None = Field(default=None, description="a run of blocks")
    norm: Slot | None = Field(default=None, description="norm")
    head: Slot | None = Field(default=None, description="head")

    @model_validator(mode="after")
    def _one_key(self) -> Stage:
        if len(self.model_fields_set) != 1:
            raise ValueError(f"a stage has exactly one key of {', '.join(STAGES)}")
        return self

    @property
    def key(self) -> str:
        """Which of the stages this is."""
        return next(iter(self.model_fields_set))


class Recipe(_Strict):
    """An architecture, as a person writes it down.

    Raises pydantic.ValidationError for a wrong structure when made in Python; `blocks.load` turns the same
    findings into a RecipeError with lines and columns.
    """

    recipe: str = Field(pattern=NAME, description="name of the architecture")
    about: str = Field(default="", max_length=10_000, description="what it is and where it was published")
    d_model: Number = Field(description="width of the residual stream, in channels")
    vocab_size: Number | None = Field(
        default=None, description="number of token ids; default: the tokenizer's"
    )
    depth: Number | None = Field(default=None, description="number of blocks; for the sentence form")
    let: dict[str, int | float | str] = Field(
        default_factory=dict, description="names of one's own for use in expressions"
    )
    tokenizer: Slot | None = Field(default=None, description="tokenizer that the ids come from")
    plugins: dict[str, str] = Field(
        default_factory=dict, description="distributions and versions that a lock file was written with"
    )
    blocks: dict[str, Block] = Field(default_factory=dict, description="the vocabulary")
    model: str | list[Stage] = Field(description="a sentence, or the stages of the pipeline")

    _document: Document | None = PrivateAttr(default=None)

    def __eq__(self, other: object) -> bool:
        """Whether both say the same, wherever they were read from."""
        return isinstance(other, Recipe) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    @property
    def document(self) -> Document | None:
        """The text that this recipe was read from, with the place of every key; None if made in Python."""
        return self._document

    def plan(self, **options: Any) -> Plan:
        """Resolve every name, size and layout; see `blocks.plan.make_plan`. Raises RecipeError."""
        from blocks.plan import make_plan

        return make_plan(self, **options)

    def __repr__(self) -> str:
        sizes = [f"d_model={self.d_model}"]
        sizes += [f"depth={self.depth}"] if self.depth is not None else []
        sizes += [f"vocab_size={self.vocab_size}"] if self.vocab_size is not None else []
        return f"Recipe({self.recipe!r}, {', '.join(sizes)})"

    def _repr_html_(self) -> str:
        """The kinds of block and the pattern, for notebooks; where it cannot be planned, why."""
        from html import escape

        from blocks.api import page
        from blocks.diagnostics import BlocksError

        try:
            return page(self.plan())
        except BlocksError as error:
            return f"<pre>{escape(str(error))}</pre>"
