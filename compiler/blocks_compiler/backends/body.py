"""A built model in two parts: a body that gives what the heads read, and its heads.

Nothing is copied: body and heads hold the very modules of the model. A loss that works on hidden states, and other
libraries, which know a body and its heads, ask for this.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from blocks import Plan


class Passed(nn.Module):
    """Stands where a head was: what the head would read comes out."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return x."""
        return x


def split_heads(model: nn.Module, plan: Plan) -> tuple[nn.Module, dict[str, nn.Module]]:
    """Body and heads of a model of this plan; a head is called by its path in the last stream: head, heads.words.

    The body is of the model's own class and runs its forward pass, in which the heads pass on what they are given.
    """
    body = shallow(model)
    last, stream = body, plan.streams[-1].name
    if stream:
        last = body._modules[stream] = shallow(body.get_submodule(stream))
    heads: dict[str, nn.Module] = {}
    for path, stage in plan.head_paths.items():
        heads[path] = last.get_submodule(path)
        if stage.name:
            holder = path.rpartition(".")[0]
            inner = last._modules[holder] = shallow(last.get_submodule(holder))
            inner._modules[stage.name] = Passed()
        else:
            last._modules[path] = Passed()
    return body, heads


def join_heads(body: nn.Module, heads: Mapping[str, nn.Module], plan: Plan) -> nn.Module:
    """The model whose body and heads these are. Raises ValueError where one of its heads is missing."""
    missing = sorted(plan.head_paths.keys() - heads.keys())
    if missing:
        raise ValueError(f"{plan.name} is not whole without {', '.join(missing)}")
    model = shallow(body)
    last, stream = model, plan.streams[-1].name
    if stream:
        last = model._modules[stream] = shallow(model.get_submodule(stream))
    for path, head in heads.items():
        holder, _, name = path.rpartition(".")
        if holder:
            last._modules[holder] = shallow(last.get_submodule(holder))
        last.get_submodule(holder)._modules[name] = head
    return model


def shallow(module: nn.Module) -> nn.Module:
    """A module with the same children, which can be exchanged without the first one's being so.

    Nothing is constructed, which copy.copy does of a sharded module (FSDP2).
    """
    twin: nn.Module = object.__new__(type(module))
    twin.__dict__.update(module.__dict__, _modules=dict(module._modules))
    return twin
