"""Names that a stack, a stream or a head cannot have, because the model's module needs them for itself."""

from __future__ import annotations

import keyword

_MODULE = frozenset(
    {
        "T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "compile", "cpu",
        "cuda", "double", "dump_patches", "eval", "extra_repr", "float", "forward", "get_buffer",
        "get_extra_state", "get_parameter", "get_submodule", "half", "init_weights", "ipu", "load_state_dict",
        "modules", "mtia", "named_buffers", "named_children", "named_modules", "named_parameters",
        "parameters", "recipe", "register_backward_hook", "register_buffer", "register_forward_hook",
        "register_forward_pre_hook", "register_full_backward_hook", "register_full_backward_pre_hook",
        "register_load_state_dict_post_hook", "register_load_state_dict_pre_hook", "register_module",
        "register_parameter", "register_state_dict_post_hook", "register_state_dict_pre_hook",
        "requires_grad_", "set_extra_state", "set_submodule", "share_memory", "state_dict", "to",
        "to_empty", "train", "training", "type", "xpu", "zero_grad",
    }
)  # fmt: skip
"""Attributes of torch's nn.Module and of our models, which a stack must not hide."""
_MAPPING = frozenset({"clear", "items", "keys", "pop", "update", "values"})
"""What torch's nn.ModuleDict has besides."""


def is_reserved(name: str) -> bool:
    """Whether Python or nn.Module needs this name."""
    return name in _MODULE or keyword.iskeyword(name)


def is_reserved_key(name: str) -> bool:
    """Whether nn.ModuleDict needs this name, so that none of its members can have it."""
    return name in _MODULE or name in _MAPPING
