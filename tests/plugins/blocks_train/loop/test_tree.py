"""Trees of tensors as JSON and safetensors, and back."""

import json
from typing import NamedTuple

import pytest
import torch

from blocks_train.loop.tree import detached, flatten, named_in, unflatten


class Cache(NamedTuple):
    keys: torch.Tensor
    length: int


def there_and_back(value, namespace=None):
    form, tensors = flatten(value)
    form = json.loads(json.dumps(form))
    return unflatten(form, tensors, named_in({"Cache": Cache} if namespace is None else namespace), "cpu")


def test_every_container_comes_back_as_it_was() -> None:
    value = {
        "layers": (Cache(torch.arange(6.0).view(2, 3), 3), None, [torch.tensor(7), ()]),
        0: {"step": 1.5, "on": True, "name": "a"},
        "none": {},
    }
    back = there_and_back(value)
    assert type(back["layers"]) is tuple
    assert type(back["layers"][0]) is Cache
    assert torch.equal(back["layers"][0].keys, value["layers"][0].keys)
    assert back["layers"][0].length == 3
    assert back["layers"][1] is None
    assert back["layers"][2][0].item() == 7
    assert back["layers"][2][1] == ()
    assert back[0] == {"step": 1.5, "on": True, "name": "a"}
    assert back["none"] == {}


def test_tensors_come_back_in_memory_of_their_own() -> None:
    value = torch.arange(4)
    back = there_and_back([value])[0]
    back += 1
    assert value.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("value", [{"a": object()}, {(1, 2): 3}, [lambda: 0]])
def test_what_json_and_safetensors_cannot_hold_is_refused(value) -> None:
    with pytest.raises(TypeError, match="state"):
        flatten(value, "state")


@pytest.mark.parametrize("namespace", [{}, {"Cache": print}, {"Cache": dict}, {"Cache": tuple}])
def test_a_name_stands_for_a_named_tuple_only(namespace) -> None:
    with pytest.raises(LookupError, match="Cache"):
        there_and_back(Cache(torch.ones(1), 1), namespace)


def test_detached_states_have_no_history_and_are_contiguous() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    state = detached({"layers": (Cache((2 * x).t(), 1), None), "more": [x]})
    keys = state["layers"][0].keys
    assert not keys.requires_grad
    assert keys.is_contiguous()
    assert not state["more"][0].requires_grad
