"""docs/editors.md says what the commands do."""

import json
import re
from pathlib import Path

import pytest

from blocks.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "editors.md").read_text(encoding="utf-8")


def test_installing_prints_what_the_page_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    [shown] = re.findall(r"\$ blocks schema --install\n(.*?)…\n```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    assert main(["schema", "--install"]) == 0
    assert capsys.readouterr().out.startswith(shown)
    for path in re.findall(r"\$schema=\.\./(\S+)", PAGE):
        assert (tmp_path / path).is_file()


def test_the_page_counts_the_wrong_recipes() -> None:
    path = Path(__file__).parents[2] / "benchmarks" / "results" / "yaml_language_server.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    assert f"to {result['wrong recipes']} wrong ones" in PAGE.replace("\n", " ")
    assert result["failed"] == []
