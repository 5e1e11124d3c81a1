"""Declarations of the embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from pydantic import Field

from blocks import Call, Complaint, Cost, D, Embedding, Input, Sizes, T
from blocks.input import TOKENS


class Tokens(Embedding):
    """A learned row for each token id (Bengio et al. 2003, JMLR 3:1137-1155)."""

    module = "torch.nn:Embedding"
    phrases = ("token embeddings", "word embeddings")

    vocab_size: int | None = Field(None, gt=0, description="number of token ids; default: the recipe's")
    scale: float | None = Field(
        None,
        gt=0,
        description="multiplies the rows, such as sqrt(d_model) (Vaswani et al. 2017, section 3.4)",
    )
    dim: int | None = Field(
        None, gt=0, description="columns of a factorised table, mapped to d_model after it (ALBERT)"
    )
    bias: bool = Field(False, description="a bias in the map from dim to d_model")
    width: int | None = Field(
        None, gt=0, description="channels of the output, where they are not d_model (RNNsearch has 620)"
    )
    n_types: int | None = Field(
        None, gt=0, description="segment types with a row each (BERT has 2), which the model takes as `types`"
    )
    share: str | None = Field(
        None, min_length=1, description="name of a group of embeddings that have one set of weights"
    )

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if self.vocab_size is None and sizes.vocab_size is None:
            yield Complaint(
                "vocab_size", "a token embedding needs vocab_size",
                help="add vocab_size: 32000, or a tokenizer", code="B0202",
            )  # fmt: skip
        if self.dim is not None and self.width is not None:
            yield Complaint(
                "width",
                "dim is mapped to d_model, and width says that nothing is mapped",
                help=f"keep dim for a factorised table, or width: {self.dim} for embeddings of that width",
                code="B0312",
            )
        elif self.dim is not None and self.dim >= sizes.d_model:
            yield Complaint(
                "dim",
                f"a table of {self.dim} columns and a map to d_model = {sizes.d_model} save nothing",
                help=f"a dim below {sizes.d_model}, or no dim",
                code="B0339",
                related=("d_model",),
            )
        if self.bias and self.dim is None:
            yield Complaint(
                "bias",
                "the bias belongs to the map from dim to d_model, and there is no dim",
                help="add dim, or leave bias out",
                code="B0340",
            )

    def bind(self, sizes: Sizes) -> Self:
        return self.model_copy(update={"vocab_size": self.vocab_size or sizes.vocab_size})

    def inputs(self) -> tuple[Input, ...]:
        types = Input("types", absent="type 0 everywhere")
        return (TOKENS,) if self.n_types is None else (TOKENS, types)

    def out_width(self, width: int) -> int:
        return self.width or width

    def share_group(self) -> str | None:
        return self.share

    def table(self, width: int) -> tuple[int, int]:
        """Rows and columns of the parameter `weight`, for a model of `width` channels."""
        return self.vocab_size or 0, self.dim or self.out_width(width)

    def call(self, width: int) -> Call:
        arguments = (self.vocab_size, self.out_width(width))
        if self.scale is None and self.dim is None and self.n_types is None:
            return Call(self.module, arguments)
        options: dict[str, Any] = {
            "scale": self.scale,
            "n_types": self.n_types,
            "dim": self.dim,
            "bias": self.bias,
        }
        return Call("blocks_embeddings.module:TokenEmbedding", arguments, options)

    def cost(self) -> Cost:
        columns: Any = self.dim or self.width or D
        rows = (self.vocab_size or 0) + (self.n_types or 0)
        mapped: Any = 0 if self.dim is None else self.dim * D
        return Cost(params=rows * columns + mapped + self.bias * D, flops=2 * mapped * T)


class Patches(Embedding):
    """Patches of an image, each mapped linearly to one vector (Dosovitskiy et al. 2021, arXiv:2010.11929, section 3.1).

    The image fixes their number: (image_size / patch_size)^2, and one more for the class token.
    """

    module = "blocks_embeddings.patches:PatchEmbedding"
    phrases = ("patch embeddings", "image patches")

    image_size: int = Field(224, gt=0, description="height and width of an image, in pixels")
    patch_size: int = Field(16, gt=0, description="height and width of a patch, in pixels")
    channels: int = Field(3, gt=0, description="numbers a pixel: 3 for colours, 1 for greys")
    class_token: bool = Field(
        True, description="a learned vector before the patches, which heads with `pool: first` read"
    )
    bias: bool = Field(True, description="a bias in the map of a patch")

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if self.image_size % self.patch_size:
            near = max(self.image_size // self.patch_size, 1) * self.patch_size
            yield Complaint(
                "patch_size",
                f"patches of {self.patch_size} pixels do not fill an image of {self.image_size}",
                label=f"{self.image_size} / {self.patch_size} = {self.image_size / self.patch_size:.4g}",
                help=f"an image_size of {near} or {near + self.patch_size}, or a patch_size that divides it",
                code="B0346",
                related=("image_size",),
            )

    @property
    def n_patches(self) -> int:
        """Patches of an image."""
        return (self.image_size // self.patch_size) ** 2

    def inputs(self) -> tuple[Input, ...]:
        return (Input("pixels", ("B", self.channels, self.image_size, self.image_size), "float"),)

    def length(self) -> int:
        return self.n_patches + self.class_token

    def cost(self) -> Cost:
        weights = self.channels * self.patch_size**2 * D
        return Cost(weights + (self.bias + self.class_token) * D, flops=2 * weights * self.n_patches, step=0)
