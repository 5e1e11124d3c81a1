"""What transformers asks of a body: its blocks, and which parameters are one."""

from __future__ import annotations

from torch import nn

from blocks_hf.facts import Facts


def block_modules(body: nn.Module, facts: Facts) -> list[nn.Module]:
    """The modules of all blocks, in order; one that is used twice comes once."""
    return list(dict.fromkeys(body.get_submodule(layer.path) for layer in facts.plan.layers))


def ties(module: nn.Module) -> dict[str, str]:
    """Every further name of a parameter -> its first name."""
    first: dict[nn.Parameter, str] = {}
    found = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if first.setdefault(parameter, name) != name:
            found[name] = first[parameter]
    return found
