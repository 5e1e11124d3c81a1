"""The build folder: what is in it, what it gives back, what it refuses."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

import blocks
from blocks.cli import main
from blocks_compiler.backends.folder import LOCK, MANIFEST, PICTURE, WEIGHTS

RECIPE = "recipes/gpt2-tiny.yaml"
TOKENS = torch.arange(24).view(2, 12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("build") / "gpt2"
    assert main(["build", RECIPE, "-o", str(target), "--seed", "3"]) == 0
    return target


def copy(folder: Path, target: Path) -> Path:
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def test_what_is_in_it(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {WEIGHTS, LOCK, PICTURE, MANIFEST}
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["recipe"] == "gpt2-tiny"
    assert manifest["seed"] == 3
    for name, wanted in manifest["files"].items():
        data = (folder / name).read_bytes()
        assert wanted == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    assert (folder / PICTURE).read_text().lstrip().startswith("<?xml") or "<svg" in (
        folder / PICTURE
    ).read_text()


def test_it_gives_back_the_same_model(folder: Path) -> None:
    built, loaded = blocks.build(RECIPE, seed=3), blocks.from_pretrained(folder)
    assert loaded.recipe == built.recipe
    assert torch.equal(built(TOKENS)[0], loaded(TOKENS)[0])
    assert list(built.state_dict()) == list(loaded.state_dict())
    assert loaded.head.weight is loaded.embed.weight


def test_building_the_lock_gives_the_identical_model(folder: Path, tmp_path: Path) -> None:
    assert main(["build", str(folder / LOCK), "-o", str(tmp_path / "again"), "--seed", "3"]) == 0
    again = json.loads((tmp_path / "again" / MANIFEST).read_text())["files"]
    first = json.loads((folder / MANIFEST).read_text())["files"]
    assert again[WEIGHTS] == first[WEIGHTS]
    assert again[LOCK] == first[LOCK]


def test_the_lock_names_distributions_and_versions(folder: Path) -> None:
    assert blocks.load(folder / LOCK).plugins == {"blocks-dsl": blocks.__version__}


def test_a_lock_whose_plugin_is_missing_is_refused(folder: Path, tmp_path: Path) -> None:
    text = (folder / LOCK).read_text().replace("blocks-dsl:", "blocks-elsewhere:")
    with pytest.raises(blocks.RecipeError) as caught:
        blocks.load(text).plan()
    (found,) = caught.value.diagnostics
    assert found.code == "B0604"
    assert found.help == f"pip install blocks-elsewhere=={blocks.__version__}"


@pytest.mark.parametrize("name", [WEIGHTS, LOCK, PICTURE])
def test_a_changed_file_is_found(folder: Path, tmp_path: Path, name: str) -> None:
    target = copy(folder, tmp_path / "copy")
    data = bytearray((target / name).read_bytes())
    data[len(data) // 2] ^= 1
    (target / name).write_bytes(bytes(data))
    with pytest.raises(blocks.BuildError) as caught:
        blocks.from_pretrained(target)
    assert caught.value.diagnostics[0].code == "B0804"
    assert name in caught.value.diagnostics[0].message


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"files": 3}', '{"format": 99, "files": {}}', '{"files": {"../x": {}}, "format": 1}'],
)
def test_a_wrong_manifest_is_found(folder: Path, tmp_path: Path, text: str) -> None:
    target = copy(folder, tmp_path / "copy")
    (target / MANIFEST).write_text(text)
    with pytest.raises(blocks.BuildError) as caught:
        blocks.from_pretrained(target)
    assert caught.value.diagnostics[0].code == "B0804"


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(blocks.BuildError, match="is not a build folder"):
        blocks.from_pretrained(tmp_path)


def test_something_else_in_the_way_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["build", RECIPE, "-o", str(tmp_path)]) == 1
    assert "B0803" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_dtype_is_kept(tmp_path: Path) -> None:
    assert main(["build", RECIPE, "-o", str(tmp_path / "half"), "--dtype", "bfloat16"]) == 0
    assert blocks.from_pretrained(tmp_path / "half").embed.weight.dtype == torch.bfloat16


def test_the_current_folder_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["build", "gpt2-tiny", "-o", "."]) == 1
    assert "error[B0803]: the folder you are in" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_link_is_not_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert main(["build", RECIPE, "-o", str(tmp_path / "out")]) == 1
    assert "B0809" in capsys.readouterr().err
    assert main(["build", RECIPE, "-o", str(tmp_path / "-rf")]) == 1
    assert "B0810" in capsys.readouterr().err
    assert not list((tmp_path / "elsewhere").iterdir())
