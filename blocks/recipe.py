"""A recipe as written: the vocabulary (`blocks:`), the sentence (`model:`), and how it is trained (`train:`).

The models here hold what a person wrote, with names and expressions unresolved; `blocks.plan` turns them into
components. The same classes are the Python API: `Recipe(recipe="tiny", d_model=64, …)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from blocks.training import Training
from blocks.values import NAME, Gain, Number, Slot, Strict

if TYPE_CHECKING:
    from blocks.plan import Plan
    from blocks.reader import Document

Residual: TypeAlias = Literal["pre", "post", "sandwich", "none"]
Join: TypeAlias = Literal["sum", "mean", "concat"]
STREAM_NAME = r"^[a-z][a-z0-9_]{0,39}$"


class Around(Strict):
    """What stands around a mixer. A stack says it for all its blocks, a block for itself."""

    norm: Slot | None = Field(default=None, description="norm before the mixer, or after the sum in `post`")
    out_norm: Slot | None = Field(
        default=None,
        description="norm of the mixer's output; default: that of `norm` in `sandwich`, else none",
    )
    residual: Residual | None = Field(
        default=None,
        description="pre: x + mixer(norm(x)); post: norm(x + mixer(x)); sandwich: x + out_norm(mixer(norm(x))); "
        "none: mixer(norm(x))",
    )
    scale: Gain | None = Field(default=None, description="constant factor of the mixer's output in the sum")
    layer_scale: Gain | None = Field(
        default=None,
        description="learned factor for each channel of the mixer's output; its value at the start",
    )
    alpha: Gain | None = Field(
        default=None,
        description="constant factor of the stream in the sum; `deepnorm`: (blocks in the stack)^(1/4), and in a "
        "stream that another one reads 0.81 (N^4 M)^(1/16), N = blocks / 2 and M = blocks of the reader / 3",
    )


AROUND = tuple(Around.model_fields)


class Block(Around):
    """One entry of the vocabulary: a mixer and its options, or several in parallel; what stands around them.

    What a block does not say about norm, residual and factors, its stack says.
    """

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, allow_inf_nan=False)

    mixer: str | None = Field(default=None, description="registered name of the mixer")
    parallel: list[str] | None = Field(
        default=None, min_length=2, max_length=64, description="blocks whose mixers run side by side"
    )
    join: Join | None = Field(
        default=None, description="how parallel outputs become one; concat: side by side, then a linear map"
    )
    share: bool | Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="true, or a group's name: all uses have one and the same parameters"
    )
    adapter: Slot | None = Field(
        default=None, description="mixer beside a shared one, with parameters for each use of its own"
    )
    memory: str | None = Field(
        default=None, description="name of the stream that the mixer reads besides its own"
    )
    kv_from: str | None = Field(
        default=None,
        max_length=200,
        description="earlier block whose keys and values are used: attention, attention[-2], layers[0]",
    )

    @property
    def options(self) -> dict[str, Any]:
        """The mixer's own options, as written."""
        return dict(self.model_extra or {})


STRUCTURE = tuple(Block.model_fields)
"""Keys of a block that are not options of its mixer."""


class Stack(Around):
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
    scatter: dict[str, int | float | str] | None = Field(
        default=None,
        description="block -> share of the depth (8%) or count, spread evenly; `before: block` says where",
    )
    cycle: list[str] | None = Field(
        default=None, min_length=1, description="blocks repeated until the depth is reached"
    )
    norm: Slot = Field(default="rmsnorm", description="norm of every block")
    residual: Residual = Field(default="pre", description="residual of every block; as in a block")
    override: dict[str, dict[str, Any]] | None = Field(
        default=None, description="selector such as attention[-1] or layers[0:4] -> options to change"
    )


STAGES = ("embed", "position", "stack", "norm", "head", "heads")


class Stage(Strict):
    """One step of the model's pipeline: a mapping of exactly one key."""

    embed: Slot | None = Field(default=None, description="embedding")
    position: Slot | None = Field(default=None, description="position added to the stream")
    stack: Stack | None = Field(default=None, description="a run of blocks")
    norm: Slot | None = Field(default=None, description="norm")
    head: Slot | None = Field(default=None, description="head")
    heads: dict[Annotated[str, Field(pattern=STREAM_NAME)], Slot] | None = Field(
        default=None,
        min_length=1,
        description="several heads by name; the output is a mapping of their outputs",
    )

    @model_validator(mode="after")
    def _one_key(self) -> Stage:
        if len(self.model_fields_set) != 1:
            raise ValueError(
                f"a stage has exactly one key of {', '.join(STAGES)}; "
                "write each stage as an item of its own, such as `- head: lm`"
            )
        if getattr(self, self.key) is None:
            raise ValueError(
                f"{self.key} says nothing; leave the stage out, or fill it, such as `- {self.key}: none`"
            )
        return self

    @property
    def key(self) -> str:
        """Which of the stages this is."""
        return next(iter(self.model_fields_set))


Stages: TypeAlias = Annotated[list[Stage], Field(min_length=1, max_length=1000)]
"""A pipeline, in order."""


class Recipe(Strict):
    """An architecture, as a person writes it down.

    Raises pydantic.ValidationError for a wrong structure when made in Python; `blocks.load` turns the same
    findings into a RecipeError with lines and columns.
    """

    recipe: str = Field(pattern=NAME, description="name of the architecture")
    extends: str | None = Field(
        default=None,
        max_length=4096,
        description="recipe that this one changes: a file beside it, or a published name",
    )
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
    blocks: dict[Annotated[str, Field(pattern=NAME)], Block] = Field(
        default_factory=dict, max_length=1000, description="the vocabulary"
    )
    model: (
        str
        | Stages
        | Annotated[dict[Annotated[str, Field(pattern=STREAM_NAME)], Stages], Field(min_length=1)]
    ) = Field(description="a sentence, the stages of the pipeline, or several streams by name")
    train: Training | None = Field(default=None, description="how it is trained; no part of the architecture")

    _document: Document | None = PrivateAttr(default=None)

    def __eq__(self, other: object) -> bool:
        """Whether both say the same, wherever they were read from."""
        return isinstance(other, Recipe) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    @property
    def document(self) -> Document | None:
        """The text that this recipe was read from, with the place of every key; None if made in Python."""
        return self._document

    @property
    def streams(self) -> dict[str, list[Stage]]:
        """The streams in order; the only one of a plain pipeline is called "". A sentence has none."""
        if isinstance(self.model, str):
            return {}
        return self.model if isinstance(self.model, dict) else {"": self.model}

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
