"""Names and layout of generated text."""

import pytest

from blocks.fold import fold
from blocks_compiler.backends.text import (
    WIDTH,
    camel,
    identifier,
    imported,
    imports,
    row,
    sum_of,
    terms,
    wrapped,
)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("nemotron-h-8b", "NemotronH8B"), ("gpt2", "Gpt2"), ("llama-3.1-8b", "Llama318B"), ("3-x", "Model3X")],
)
def test_class_names(name, wanted):
    assert camel(name) == wanted


@pytest.mark.parametrize(
    ("name", "wanted"), [("mamba-2", "mamba_2"), ("2x", "block_2x"), ("class", "block_class")]
)
def test_function_names(name, wanted):
    assert identifier(name) == wanted


def test_imports_are_merged_and_sorted():
    lines = ["import torch", "from torch import nn", "import math", "from torch import Tensor"]
    lines.append("from typing import Any")
    assert (
        imports(lines)
        == "import math\nfrom typing import Any\n\nimport torch\nfrom torch import Tensor, nn\n"
    )


def test_names_that_imports_bind():
    lines = ["import torch.nn.functional as F", "import torch.utils", "from a import b as c, d"]
    assert set(imported(lines)) == {"F", "torch", "c", "d"}


def test_a_layout_is_a_sum_of_repeats():
    assert sum_of(terms(fold(list("ababc")))) == "2 * [a, b] + [c]"
    assert terms(fold(list("aababaabab"))) == ["2 * (2 * [a] + [b, a, b])"]


def test_a_long_layout_takes_several_lines():
    text = sum_of(terms([f"block_{i}" for i in range(7)]) * 3)
    assert text.startswith("(\n    [") or "\n" not in text
    assert all(len(line) <= WIDTH for line in text.splitlines())


def test_rows_wrap_below_their_second_column():
    lines = list(row("left", "word " * 40, 6))
    assert len(lines) > 1
    assert all(len(line) <= WIDTH for line in lines)
    assert lines[1].startswith(" " * 14 + "word")


def test_a_persons_words_cannot_end_a_docstring():
    assert wrapped('a """ b \\ c') == ["a ''' b / c"]
