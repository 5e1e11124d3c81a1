"""The configuration of model type `blocks`: a recipe, and the sizes that transformers' tools look for."""

from __future__ import annotations

from typing import ClassVar

from transformers import PreTrainedConfig


class BlocksConfig(PreTrainedConfig):
    """config.json of a model that blocks built.

    `recipe` is the text of its recipe, and all that a model is made from; the sizes follow from it and are there for
    others to read. `kernels` is what `blocks.build` takes: reference, auto, or an implementation.
    """

    model_type: ClassVar[str] = "blocks"
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values", "cache"]

    recipe: str = ""
    kernels: str = "reference"
    vocab_size: int | None = None
    hidden_size: int | None = None
    num_hidden_layers: int | None = None
    num_attention_heads: int | None = None
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    intermediate_size: int | None = None
    max_position_embeddings: int | None = None
    num_channels: int | None = None
    image_size: int | list[int] | None = None
    patch_size: int | list[int] | None = None
    tie_word_embeddings: bool = False
    use_cache: bool = True
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    decoder_start_token_id: int | None = None
