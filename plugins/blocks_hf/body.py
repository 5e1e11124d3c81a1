"""A built model in the two parts that transformers knows: a body that gives hidden states, and its heads.

Nothing is copied: body and heads hold the very modules of the model.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

from torch import Tensor, nn

from blocks_hf.facts import Facts


class Passed(nn.Module):
    """Stands where a head was: what the head would read comes out."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return x."""
        return x


def split(model: nn.Module, facts: Facts) -> tuple[nn.Module, dict[str, nn.Module]]:
    """Body and heads of a model; a head is called by its path in its stream: head, heads.words.

    The body is of the model's own class and runs its forward pass, in which the heads pass on what they are given.
    """
    body = shallow(model)
    stream = facts.streams[-1].name
    last = body
    if stream:
        last = body._modules[stream] = shallow(body.get_submodule(stream))
    heads: dict[str, nn.Module] = {}
    for path, stage in facts.head_paths.items():
        heads[path] = last.get_submodule(path)
        if stage.name:
            holder = path.rpartition(".")[0]
            inner = last._modules[holder] = shallow(last.get_submodule(holder))
            inner._modules[stage.name] = Passed()
        else:
            last._modules[path] = Passed()
    return body, heads


def join(body: nn.Module, heads: Mapping[str, nn.Module], facts: Facts) -> nn.Module:
    """The model whose body and heads these are, under their paths in its last stream."""
    model = shallow(body)
    stream = facts.streams[-1].name
    last = model
    if stream:
        last = model._modules[stream] = shallow(model.get_submodule(stream))
    for path, head in heads.items():
        holder, _, name = path.rpartition(".")
        if holder:
            last._modules[holder] = shallow(last.get_submodule(holder))
        last.get_submodule(holder)._modules[name] = head
    return model


def shallow(module: nn.Module) -> nn.Module:
    """A module with the same children, which can be exchanged without the first one's being so."""
    twin = copy.copy(module)
    twin.__dict__["_modules"] = dict(module._modules)
    return twin


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
