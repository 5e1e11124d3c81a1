"""Names and texts of strangers: what is generated from them works, and says no more than they do."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

import blocks
from blocks.recipe import Block
from blocks_compiler.backends.text import wrapped

RECIPE = """\
recipe: r
d_model: 32
vocab_size: 64
blocks:
  attention: {mixer: multi_head, n_heads: 4}
  ffn: {mixer: mlp, d_ff: 64}
model:
  - embed: tokens
"""
END = "  - norm: rmsnorm\n  - head: lm\n"


def logits(stages: str) -> torch.Tensor:
    model = blocks.build(blocks.load(RECIPE + stages + END)).eval()
    found: torch.Tensor = model(torch.arange(6)[None])[0]
    return found


@pytest.mark.parametrize("name", ["f", "nn", "torch", "any", "tensor"])
def test_a_stack_hides_no_name_of_the_file(name: str) -> None:
    stack = f"  - stack: {{name: {name}, depth: 2, cycle: [attention, ffn]}}\n"
    assert logits(stack).shape == (1, 6, 64)


def test_a_stack_may_have_the_path_that_a_second_norm_would_get() -> None:
    text = "  - stack: {name: norm_2, depth: 2, cycle: [ffn]}\n  - norm: layernorm\n"
    plan = blocks.load(RECIPE + text + END).plan()
    assert [stage.path for stage in plan.stages] == ["embed", "norm_2", "norm", "norm_3", "head"]
    assert logits(text).shape == (1, 6, 64)


@pytest.mark.parametrize(
    "name", ["<b>x</b>", "<script>alert(1)</script>", "</TABLE>", 'a"b\\N|{}<>&', "a b", ""]
)
def test_a_block_of_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="should match pattern"):
        blocks.Recipe(recipe="r", d_model=16, blocks={name: Block(mixer="mlp")}, model=[])


def test_invisible_characters_do_not_reach_the_file() -> None:
    assert wrapped("a\u202eb\u0007c\nd") == ["a b c", "d"]


def test_a_build_through_a_link_replaces_the_folder_it_leads_to(tmp_path: Path) -> None:
    from blocks.swap import fresh_folder

    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    try:
        link.symlink_to("real")
    except OSError:
        pytest.skip("this system lets only some users make links")
    with fresh_folder(link) as folder:
        (folder / "new").write_text("x")
    assert link.is_symlink()
    assert [p.name for p in (tmp_path / "real").iterdir()] == ["new"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "real"]


@pytest.mark.parametrize(
    ("stages", "source"), [("[{embed: tokens}, {head: lm}, {stack: S}]", "head"), ("[{stack: S}]", "tokens")]
)
def test_a_stack_that_reads_no_stream_is_refused(stages: str, source: str) -> None:
    text = RECIPE.partition("\nmodel:")[0] + "\nmodel: " + stages.replace("S", "{layers: [ffn, ffn]}") + "\n"
    with pytest.raises(blocks.RecipeError) as caught:
        blocks.compile_graph(blocks.load(text))
    (found,) = caught.value.diagnostics
    assert found.code == "B0702"
    assert found.message.startswith(f"{source} gives")
    assert found.message.endswith("layers.0.norm takes [B T d_model]")
    assert found.span is not None
    assert found.span.line == 7


def test_what_a_plugin_prints_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text("print('noise')\n")
    info = tmp_path / "noisy-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: noisy\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[blocks]\nnoisy = noisy\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from blocks.cli import main; "
    code += "sys.exit(main(['check', 'gpt2', '--json']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert "noise" in done.stderr
