"""The published architectures by name, and the zoo."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks import RecipeError
from blocks.published import locate, published


def test_names_and_files() -> None:
    known = published()
    assert known["llama-3.1-8b"].name == "llama-3.1-8b.yaml"
    assert known["zoo/albert"].parts[-2:] == ("zoo", "albert.yaml")
    assert all(path.is_file() for path in known.values())
    assert list(known) == sorted(known, key=lambda name: (name.startswith("zoo/"), known[name].name))


def test_a_name_of_the_zoo_is_a_recipe() -> None:
    assert locate("zoo/hymba-like") == published()["zoo/hymba-like"]


def test_a_file_comes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("gpt2").name == "gpt2.yaml"
    (tmp_path / "gpt2").write_text("recipe: mine\n", encoding="utf-8")
    assert locate("gpt2") == Path("gpt2")
    assert locate("anything.yaml") == Path("anything.yaml")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("hymba-like", "zoo/hymba-like"),
        ("zoo/hymbalike", "zoo/hymba-like"),
        ("gpt-2", "gpt2"),
        ("albert", "zoo/albert"),
    ],
)
def test_what_was_probably_meant(name: str, meant: str) -> None:
    with pytest.raises(RecipeError) as error:
        locate(name)
    (found,) = error.value.diagnostics
    assert (found.code, found.help) == ("B0801", f"did you mean {meant!r}?")
