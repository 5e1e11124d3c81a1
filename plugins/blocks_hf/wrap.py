"""A built model as one of transformers', and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blocks import BuildError, join_heads
from blocks_hf.facts import CLASSES, facts_of, sizes_of

if TYPE_CHECKING:
    from torch import nn

    from blocks_hf.base import BlocksPreTrainedModel


def to_transformers(model: nn.Module, **config: Any) -> BlocksPreTrainedModel:
    """A model of `blocks.build` or `blocks.from_pretrained` as a PreTrainedModel with the same parameters.

    It is called as transformers' models are: input_ids, attention_mask, token_type_ids, pixel_values,
    decoder_input_ids, labels, past_key_values …; generate(), save_pretrained() and the rest work. What kind it is
    follows from the heads of the recipe. `config` sets further fields of its BlocksConfig, such as eos_token_id=0.

    Raises BuildError where transformers is missing; ValueError for a module that blocks did not build, and for one
    that transformers' calls have no words for.
    """
    recipe = getattr(model, "recipe", None)
    if not isinstance(recipe, str):
        raise ValueError(
            f"a {type(model).__name__} does not say what recipe it was built from, as models of blocks.build and "
            "blocks.from_pretrained do"
        )
    try:
        import transformers  # noqa: F401
    except ImportError as error:
        raise BuildError.of(
            "B0806", f"transformers cannot be imported: {error}", help="pip install 'blocks-dsl[hf]'"
        ) from None
    from blocks_hf import configuration, modeling

    facts = facts_of(recipe)
    parameter = next(model.parameters(), None)
    if parameter is not None:
        config.setdefault("dtype", str(parameter.dtype).removeprefix("torch."))
    made = configuration.BlocksConfig(recipe=recipe, **(sizes_of(facts) | config))
    cls: Any = getattr(modeling, CLASSES[facts.kind])
    wrapped: BlocksPreTrainedModel = cls(made, model).train(model.training)
    return wrapped


def from_transformers(wrapped: BlocksPreTrainedModel) -> nn.Module:
    """The model inside of a BlocksForCausalLM and the like, called as blocks' models are, with the same parameters.

    Raises ValueError for one of transformers' own, and for a BlocksModel whose heads were left out.
    """
    from blocks_hf.base import BlocksPreTrainedModel as Wrapped

    if not isinstance(wrapped, Wrapped):
        raise ValueError(
            f"a {type(wrapped).__name__} is not one that blocks made: save it, and blocks.from_pretrained"
        )
    plan = wrapped.facts.plan
    heads = {path: head for path, head in wrapped.named_modules() if path in plan.head_paths}
    if heads.keys() != plan.head_paths.keys():
        raise ValueError(
            f"the heads of {plan.name} were left out: load it by the class that config.json names"
        )
    return join_heads(wrapped.model, heads, plan)
