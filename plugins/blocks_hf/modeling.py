"""The models of type `blocks`, one for each thing that transformers asks of models.

Shapes: B batch, T tokens of this call, S of the source, D d_model, V vocabulary. Attention masks are [B, T], true
or 1 at real tokens, wherever the padding stands; where there is a cache they may begin with the past.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GenerationMixin
from transformers.modeling_outputs import (
    BaseModelOutput,
    BaseModelOutputWithPast,
    BaseModelOutputWithPoolingAndNoAttention,
    CausalLMOutputWithPast,
    ImageClassifierOutput,
    MaskedLMOutput,
    Seq2SeqLMOutput,
    Seq2SeqModelOutput,
    SequenceClassifierOutput,
)
from transformers.utils import can_return_tuple

from blocks_hf.base import BlocksPreTrainedModel
from blocks_hf.cache import BlocksCache
from blocks_hf.calls import mask_of, refuse

CACHE = "cache" if "cache" in BaseModelOutputWithPast.__dataclass_fields__ else "past_key_values"
"""What transformers calls the cache that a model returns: 5.24 renamed it."""


class Generating:
    """generate() with the state of blocks as its cache."""

    def _prepare_cache_for_generation(
        self, generation_config: Any, model_kwargs: dict[str, Any], *_: Any, **__: Any
    ) -> None:
        """Begin with an empty state, unless there is one, or none is to be kept."""
        if generation_config.cache_implementation not in (None, "dynamic"):
            raise ValueError(
                f"blocks keep a state of their own, no {generation_config.cache_implementation} cache"
            )
        if generation_config.use_cache is not False and model_kwargs.get(CACHE) is None:
            model_kwargs[CACHE] = BlocksCache()


class BlocksModel(BlocksPreTrainedModel):
    """Hidden states: of a model without a head, or of any other one, whose heads are left out."""

    _keys_to_ignore_on_load_unexpected = [r"^heads?\."]  # noqa: RUF012

    def _kept(self, heads: dict[str, nn.Module]) -> dict[str, nn.Module]:
        pooler = self.facts.pooler
        return {path: head for path, head in heads.items() if pooler and path == self._path(pooler.path)}

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: Any = None,
        past_key_values: BlocksCache | None = None,
        cache: BlocksCache | None = None,
        use_cache: bool | None = None,
        inputs_embeds: None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> Any:
        """last_hidden_state [B, T, D]; pooler_output [B, D] where the recipe has a pooler; the cache.

        Of two streams, last_hidden_state is the decoder's, encoder_last_hidden_state [B, S, D] the encoder's.
        """
        refuse(inputs_embeds=inputs_embeds, output_attentions=output_attentions)
        state, cache = self._cached(cache if cache is not None else past_key_values, use_cache)
        if len(self.facts.streams) == 2:
            memory = self._encoded(encoder_outputs, input_ids, attention_mask, token_type_ids, state)
            x, state, hidden = self._decoded(
                decoder_input_ids, decoder_attention_mask, memory, attention_mask, state, output_hidden_states
            )
            return Seq2SeqModelOutput(
                last_hidden_state=x,
                encoder_last_hidden_state=memory,
                decoder_hidden_states=hidden,
                **_kept(cache, state, x),
            )
        refuse(decoder_input_ids=decoder_input_ids, decoder_attention_mask=decoder_attention_mask)
        mask = mask_of(attention_mask, input_ids)
        x, state, hidden = self._states(
            input_ids, mask, token_type_ids, pixel_values, state, output_hidden_states
        )
        if self.facts.remembers and self.facts.pooler is None:
            return BaseModelOutputWithPast(
                last_hidden_state=x, hidden_states=hidden, **_kept(cache, state, x)
            )
        return BaseModelOutputWithPoolingAndNoAttention(
            last_hidden_state=x, pooler_output=self._pooled(x, mask), hidden_states=hidden
        )


class BlocksForCausalLM(Generating, BlocksPreTrainedModel, GenerationMixin):
    """Logits of the next token."""

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        past_key_values: BlocksCache | None = None,
        cache: BlocksCache | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        inputs_embeds: None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Logits [B, T, V], or of `logits_to_keep` tokens; the loss of labels [B, T], -100 where there is none."""
        refuse(inputs_embeds=inputs_embeds, output_attentions=output_attentions)
        state, cache = self._cached(cache if cache is not None else past_key_values, use_cache)
        mask = mask_of(attention_mask, input_ids)
        x, state, hidden = self._states(input_ids, mask, token_type_ids, None, state, output_hidden_states)
        logits = self._logits(x, mask, logits_to_keep)
        loss = None
        if labels is not None:
            loss = self.loss_function(
                logits, labels, self.config.vocab_size, num_items_in_batch=num_items_in_batch
            )
        return CausalLMOutputWithPast(
            loss=loss, logits=logits, hidden_states=hidden, **_kept(cache, state, x)
        )


class BlocksForMaskedLM(BlocksPreTrainedModel):
    """Logits of every token, masked ones above all."""

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> Any:
        """Logits [B, T, V]; the loss of labels [B, T], -100 where there is none."""
        refuse(inputs_embeds=inputs_embeds, output_attentions=output_attentions)
        mask = mask_of(attention_mask, input_ids)
        x, _, hidden = self._states(input_ids, mask, token_type_ids, record=output_hidden_states)
        logits = self._logits(x, mask)
        loss = None if labels is None else self.loss_function(logits, labels, self.config.vocab_size)
        return MaskedLMOutput(loss=loss, logits=logits, hidden_states=hidden)


class BlocksForSequenceClassification(BlocksPreTrainedModel):
    """Logits of classes, one vector a sequence."""

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> Any:
        """Logits [B, classes]; the loss of labels [B]."""
        refuse(inputs_embeds=inputs_embeds, output_attentions=output_attentions)
        mask = mask_of(attention_mask, input_ids)
        x, _, hidden = self._states(input_ids, mask, token_type_ids, record=output_hidden_states)
        logits = self._logits(x, mask)
        loss = None if labels is None else self.loss_function(labels, logits, self.config)
        return SequenceClassifierOutput(loss=loss, logits=logits, hidden_states=hidden)


class BlocksForImageClassification(BlocksPreTrainedModel):
    """Logits of classes, one vector a picture."""

    main_input_name = "pixel_values"

    @can_return_tuple
    def forward(
        self,
        pixel_values: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> Any:
        """Logits [B, classes] of pixels [B, C, H, W]; the loss of labels [B]."""
        refuse(output_attentions=output_attentions)
        x, _, hidden = self._states(None, None, pixels=pixel_values, record=output_hidden_states)
        logits = self._logits(x, None)
        loss = None if labels is None else self.loss_function(labels, logits, self.config)
        return ImageClassifierOutput(loss=loss, logits=logits, hidden_states=hidden)


class BlocksForSeq2SeqLM(Generating, BlocksPreTrainedModel, GenerationMixin):
    """Logits of the target's next token; an encoder reads the source, once."""

    def get_encoder(self, modality: str | None = None) -> nn.Module:
        """The encoder, called as transformers calls encoders."""
        return Encoder(self)

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """The labels [B, T] a token later, behind `decoder_start_token_id`. Raises ValueError without one."""
        start = self.config.decoder_start_token_id
        if start is None:
            raise ValueError("labels without decoder_input_ids need a decoder_start_token_id in the config")
        pad = self.config.pad_token_id
        shifted = F.pad(labels[:, :-1], (1, 0), value=start)
        return shifted.masked_fill(shifted == -100, start if pad is None else pad)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: Any = None,
        past_key_values: BlocksCache | None = None,
        cache: BlocksCache | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        inputs_embeds: None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Logits [B, T, V] of the target, decoder_input_ids or the labels a token later; the loss of labels."""
        refuse(inputs_embeds=inputs_embeds, output_attentions=output_attentions)
        if decoder_input_ids is None and labels is not None:
            decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        state, cache = self._cached(cache if cache is not None else past_key_values, use_cache)
        memory = self._encoded(encoder_outputs, input_ids, attention_mask, token_type_ids, state)
        x, state, hidden = self._decoded(
            decoder_input_ids, decoder_attention_mask, memory, attention_mask, state, output_hidden_states
        )
        logits = self._logits(x, None)
        loss = None
        if labels is not None:
            total = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), reduction="sum")
            loss = total / (num_items_in_batch or (labels != -100).sum())
        return Seq2SeqLMOutput(
            loss=loss,
            logits=logits,
            decoder_hidden_states=hidden,
            encoder_last_hidden_state=memory,
            **_kept(cache, state, x),
        )


class Encoder(nn.Module):
    """The first of two streams by itself; the model that it belongs to is not a part of it."""

    main_input_name = "input_ids"

    def __init__(self, model: BlocksPreTrainedModel) -> None:
        super().__init__()
        self.__dict__["model"] = model

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> Any:
        """last_hidden_state [B, S, D] of input_ids [B, S]."""
        refuse(output_attentions=output_attentions, output_hidden_states=output_hidden_states)
        model: Any = self.model
        x = model._encoded(None, input_ids, attention_mask, token_type_ids, None)
        return (x,) if return_dict is False else BaseModelOutput(last_hidden_state=x)


def _kept(cache: BlocksCache | None, state: Any, x: Tensor) -> dict[str, BlocksCache]:
    """The cache after the tokens of x, under the name that outputs have for it."""
    return {} if cache is None else {CACHE: cache.step(state, x.shape[1])}
