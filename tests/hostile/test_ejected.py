"""Whatever a recipe says, the ejected file has the statements that it has for a harmless one, and runs."""

import ast
import builtins
import keyword
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import NAMES, text_of, texts

import blocks
from blocks import BlocksError

FREE = ("about", "a shared block", "a shared table")
"""Places that take any text, or nearly."""
PIECES = (
    *NAMES.values(),
    '"""',
    "'''",
    "\\",
    "\\u0027",
    "\n",
    "\t",
    "#",
    "{}",
    "%",
    "x",
    " ",
    "(",
    ")",
    "import os",
)
WORDS = (
    *keyword.kwlist,
    *keyword.softkwlist,
    *dir(builtins),
    "torch",
    "nn",
    "Tensor",
    "math",
    "x",
    "y",
    "state",
)


def ejected(recipe):
    """The file of a recipe; None where the recipe is refused."""
    from blocks_compiler.backends.source import generate

    try:
        return generate(blocks.compile_graph(blocks.load(text_of(recipe)))).text
    except BlocksError:
        return None


def statements(text):
    """The kinds of all nodes of a file, without what they say."""
    return [type(node).__name__ for node in ast.walk(ast.parse(text))]


@pytest.fixture(scope="module")
def usual():
    """Place -> the statements of a file with a harmless text there."""
    return {place: statements(ejected(texts("words of it")[place])) for place in FREE}


@settings(max_examples=100, deadline=None)
@given(
    place=st.sampled_from(FREE),
    text=st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=5).map("".join),
)
def test_a_text_stays_a_text(usual, place, text):
    file = ejected(texts(text)[place])
    if file is not None and text.strip():
        compile(file, "ejected", "exec")
        assert statements(file) == usual[place]


@pytest.mark.parametrize(
    "place", ["recipe", "block", "a branch", "stack", "the last stream", "a head", "size"]
)
def test_a_name_of_python_stays_a_name(place):
    taken = [ejected(texts(word)[place]) for word in WORDS[::4]]
    files = [file for file in taken if file is not None]
    assert files
    for file in files:
        compile(file, "ejected", "exec")


def test_a_branch_can_be_called_anything():
    """Names of nn.Module, of Python, and of what a block has besides its branches."""
    torch = pytest.importorskip("torch")
    words = sorted(
        {*dir(torch.nn.Module()), *keyword.kwlist, "add", "adapted", "join", "mixer", "1", "a-b", "a.b"}
    )
    for start in range(0, len(words), 60):
        names = words[start : start + 60]
        vocabulary = {name: {"mixer": "mlp", "d_ff": 4} for name in names}
        recipe = texts("x")["recipe"] | {"blocks": {**vocabulary, "f": {"parallel": names}}}
        model = blocks.build(blocks.load(text_of(recipe)))
        found = {
            path.split(".")[2] for path, _ in model.named_modules() if re.fullmatch(r"layers\.0\.\w+", path)
        }
        assert len(found - {"norm"}) == len(names)
        model(torch.zeros(1, 3, dtype=torch.long))
