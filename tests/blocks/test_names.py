"""Names that a stack cannot have."""

import re

import pytest
from torch import nn

import blocks
from blocks.names import is_reserved


def test_every_attribute_of_a_module_is_reserved() -> None:
    public = {name for name in dir(nn.Module()) if re.fullmatch(r"[a-z][a-z0-9_]*", name)}
    assert {name for name in public if not is_reserved(name)} == set()


@pytest.mark.parametrize("name", ["layers", "decoder", "stack_2"])
def test_usual_names_are_free(name: str) -> None:
    assert not is_reserved(name)


@pytest.mark.parametrize("name", ["forward", "class", "train", "init_weights", "recipe"])
def test_a_reserved_name_is_an_error_of_the_recipe(name: str) -> None:
    text = f"""\
recipe: r
d_model: 16
vocab_size: 10
blocks: {{ffn: {{mixer: mlp}}}}
model:
  - embed: tokens
  - stack: {{name: {name}, layers: ffn}}
"""
    with pytest.raises(blocks.RecipeError) as caught:
        blocks.load(text).plan()
    (found,) = caught.value.diagnostics
    assert (found.code, found.help) == ("B0206", f"name: {name}_layers")
    assert found.span is not None
    assert found.span.line == 7
