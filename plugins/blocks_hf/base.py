"""What every model of type `blocks` is: a PreTrainedModel around the module that blocks generated.

`model` is the body, `head` or `heads` what stands behind it; in a file their names are those of a build folder
with `model.` in front of the body's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

import blocks
from blocks_hf.body import block_modules, ties
from blocks_hf.calls import Calling
from blocks_hf.checkpointing import Checkpointed
from blocks_hf.configuration import BlocksConfig
from blocks_hf.facts import CLASSES, facts_of


class BlocksPreTrainedModel(Calling, PreTrainedModel):
    """Makes the module of a recipe, or takes one that was built; loads, saves, ties, checkpoints it.

    Raises ValueError for a recipe that makes another kind of model.
    """

    config_class = BlocksConfig
    config: BlocksConfig
    base_model_prefix = ""
    supports_gradient_checkpointing = True
    _is_stateful = True  # a state cannot be cropped, as assisted decoding would
    _supports_sdpa = True
    _skip_keys_device_placement = ["past_key_values", "cache"]  # noqa: RUF012

    def __init__(self, config: BlocksConfig, module: nn.Module | None = None) -> None:
        super().__init__(config)
        self.facts = facts_of(config.recipe)
        self._check_kind()
        if module is None:
            module = self._built()
        body, heads = blocks.split_heads(module, self.facts.plan)
        self.model = body
        for path, head in self._kept(heads).items():
            holder, _, name = path.rpartition(".")
            if holder and holder not in self._modules:
                self.add_module(holder, nn.ModuleDict())
            (self.get_submodule(holder) if holder else self).add_module(name, head)
        self.main_input_name = "pixel_values" if self.facts.main == "pixels" else "input_ids"
        self.gradient_checkpointing = False
        self._checkpoints: list[Checkpointed] = []
        self._tied_weights_keys = ties(self)
        self._no_split_modules = {type(block).__name__ for block in block_modules(body, self.facts)}
        tensors: list[Any] = [*self.parameters(), *self.buffers()]
        for tensor in tensors:
            tensor._is_hf_initialized = tensor.device.type != "meta"
        self.post_init()

    def _check_kind(self) -> None:
        name = CLASSES[self.facts.kind]
        if type(self).__name__ not in (name, "BlocksModel"):
            raise ValueError(
                f"the recipe {self.facts.plan.name} is no model for {type(self).__name__}: it makes a {name}"
            )

    def _kept(self, heads: dict[str, nn.Module]) -> dict[str, nn.Module]:
        """The heads that this class has."""
        return heads

    def _built(self) -> nn.Module:
        """The module of the recipe; weights are drawn from torch's generator, unless they are to come from a file."""
        device = torch.get_default_device()
        seed = 0 if device.type == "meta" else int(torch.randint(2**31, ()))
        dtype = str(torch.get_default_dtype()).removeprefix("torch.")
        return blocks.build(
            self.config.recipe, seed=seed, device=str(device), dtype=dtype, kernels=self.config.kernels
        )

    # Weights

    def get_expanded_tied_weights_keys(self, all_submodels: bool = False) -> dict[str, str]:
        """Further name -> first name of every parameter that has several, as the recipe ties and shares them."""
        return dict(self._tied_weights_keys or {})

    def initialize_weights(self) -> None:
        """Draw what no file held, and work out buffers that are not saved, as `blocks.build` does."""
        modules = dict(self.model.named_modules()) | {
            path: module for path, module in self.named_modules() if path.startswith("head")
        }
        missing = {path: module for path, module in modules.items() if any(map(_unset, _own(module)))}
        if not missing:
            return
        held = {t: t.detach().clone() for m in missing.values() for t in _own(m) if not _unset(t)}
        start = sys.modules[type(self.model).__module__].init_weights
        start(
            _Named({path: missing.get(path, nn.Identity()) for path in modules}),
            int(torch.randint(2**31, ())),
        )
        with torch.no_grad():
            for tensor, value in held.items():
                tensor.copy_(value)

    def get_input_embeddings(self) -> nn.Module:
        """The embedding of the first stream."""
        return self.model.get_submodule(self.facts.streams[0].stages[0].path)

    def get_output_embeddings(self) -> nn.Module | None:
        """The head, where it has a table as large as the vocabulary."""
        stage = self.facts.head
        if stage is None or self.facts.kind in ("images", "sequences"):
            return None
        return self._head()

    def resize_token_embeddings(self, new_num_tokens: int | None = None, *_: Any, **__: Any) -> nn.Module:
        """Raise ValueError for another size than there is: the vocabulary is part of the recipe."""
        if new_num_tokens not in (None, self.config.vocab_size):
            raise ValueError(
                f"the recipe {self.facts.plan.name} has vocab_size {self.config.vocab_size}, not {new_num_tokens}: "
                "build a recipe that says so"
            )
        return self.get_input_embeddings()

    # Gradient checkpointing

    def _set_gradient_checkpointing(
        self, enable: bool = True, gradient_checkpointing_func: Any = None, every_n_layers: int = 1
    ) -> None:
        """Have blocks forget what they computed, and compute it again for the gradient; or no longer.

        Raises ValueError for reentrant checkpointing, which loses gradients through states.
        """
        if enable and getattr(gradient_checkpointing_func, "keywords", {}).get("use_reentrant"):
            raise ValueError("blocks are checkpointed with use_reentrant=False")
        self.gradient_checkpointing = enable
        if enable and not self._checkpoints:
            for block in block_modules(self.model, self.facts):
                self._checkpoints.append(Checkpointed(block))
                block.__dict__["forward"] = self._checkpoints[-1]
        for index, checkpoint in enumerate(self._checkpoints):
            checkpoint.around = (
                gradient_checkpointing_func if enable and index % every_n_layers == 0 else None
            )


def _own(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]


def _unset(tensor: Tensor) -> bool:
    return not getattr(tensor, "_is_hf_initialized", False)


class _Named:
    """Modules by name, as `init_weights` of a generated model asks for them."""

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        self._modules = modules

    def named_modules(self) -> Iterator[tuple[str, nn.Module]]:
        """Name and module."""
        yield from self._modules.items()
