"""`blocks new`: a recipe file from a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

import blocks
from blocks.cli import main
from blocks.same import same_plan

SENTENCE = "8% attention, interleaved Mamba-2 and FFN, pre-norm, RoPE"


def new(*arguments: str) -> int:
    return main(["new", *arguments])


def test_the_file_checks_and_plans_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "my.yaml"
    assert new(SENTENCE, "--d-model", "512", "--depth", "13", "--vocab-size", "32k", "-o", str(path)) == 0
    assert "13 blocks" in capsys.readouterr().out
    assert main(["check", str(path)]) == 0
    said = blocks.load(
        f"recipe: my-model\nd_model: 512\nvocab_size: 32000\ndepth: 13\nmodel: {SENTENCE}\n"
    ).plan()
    made = blocks.load(path).plan()
    assert same_plan(made, said)
    assert (made.name, made.recipe.model == SENTENCE) == ("my-model", False)
    text = path.read_text()
    for line in (
        f"#     {SENTENCE}",
        '  # "Mamba-2": Structured state-space duality',
        '      # "8% attention": spread evenly among the others',
        '      # "pre-norm": where the norm of a block stands',
        "      # not said: RMSNorm is the usual norm",
    ):
        assert line in text
    assert 'position is from "RoPE"' in text


def test_two_streams_sharing_and_branches(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = "encoder-decoder, 2 + 1 layers, parallel attention and FFN, cross-attention, tied embeddings"
    assert new(sentence, "--d-model", "64", "--name", "x") == 0
    text = capsys.readouterr().out
    plan = blocks.load(text).plan()
    assert [stream.name for stream in plan.streams] == ["encoder", "decoder"]
    assert plan.name == "x"
    assert "# no vocabulary of its own: that of the tokenizer" in text
    assert '"tied embeddings": one table of embeddings for the encoder and the decoder' in text


def test_sizes_in_the_sentence_are_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert new("2-layer Transformer, d_model 64, vocabulary of 1k") == 0
    plan = blocks.load(capsys.readouterr().out).plan()
    assert (plan.sizes.d_model, plan.sizes.vocab_size, len(plan.layers)) == (64, 1000, 4)


def test_a_file_is_not_replaced_without_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("mine")
    given = ("Mamba, 2 layers", "--d-model", "64", "-o", str(path))
    assert new(*given) == 1
    assert "B0803" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert new(*given, "--force") == 0
    assert path.read_text().startswith("# Made of the sentence")
    assert [entry.name for entry in tmp_path.iterdir()] == ["my.yaml"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("Transformer, 2 layers",), "B0503", "add --d-model 512, or say it: d_model 512"),
        (("Transformer", "--d-model", "64"), "B0503", "a sentence needs a depth"),
        (("Tranformer, 2 layers", "--d-model", "64"), "B0501", "did you mean 'Transformer'?"),
        (("Mamba, 2 layers", "--d-model", "x"), "B0805", "--d-model"),
        (("Mamba, 2 layers", "--d-model", "64", "--name", "a b"), "B0206", "is not a name"),
        (("Mamba, 2 layers, d_model 32", "--d-model", "64"), "B0504", "d_model is 64"),
        (("Mamba, 2 layers", "--d-model", "1M", "--max-params", "1M"), "B0311", "more than the 1,000,000"),
    ],
)
def test_what_is_wrong_is_said(
    arguments: tuple[str, ...], code: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert new(*arguments) in (1, 2)
    error = capsys.readouterr().err
    assert code in error
    assert says in error


@pytest.mark.parametrize(
    "sentence", ['2 layers, "Mamba', "2 layers,\nMamba", "2 layers, Mamba # x", "2 layers\u2028Mamba"]
)
def test_strange_characters_stay_inside_the_comment(
    sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if new(sentence, "--d-model", "64") == 0:
        assert len(blocks.load(capsys.readouterr().out).plan().layers) == 2
    else:
        assert "B0501" in capsys.readouterr().err


def test_what_does_not_compile_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "my.yaml"
    sentence = "bidirectional attention and FFN, 12 layers"
    assert new(sentence, "--d-model", "64", "-o", str(path)) == 1
    assert "error[B0701]" in capsys.readouterr().err
    assert not path.exists()
