"""Files that mean harm: what is extended, and where output goes."""

import json
import os
import time
from pathlib import Path

import pytest

from blocks.cli import main

BASE = """\
recipe: base
d_model: 16
vocab_size: 10
blocks: {f: {mixer: mlp}}
model: [{embed: tokens}, {stack: {layers: f}}, {head: lm}]
"""
SECRET = "password: hunter2\n"


@pytest.fixture
def inside(tmp_path):
    """The folder of a stranger's recipes, beside things that are none of its business."""
    folder = tmp_path / "inside"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret.yaml").write_text(SECRET)
    (folder / "base.yaml").write_text(BASE)
    (folder / "link.yaml").symlink_to("../secret.yaml")
    (folder / "up").symlink_to("..", target_is_directory=True)
    (folder / "etc").symlink_to("/etc", target_is_directory=True)
    (folder / "round.yaml").symlink_to("about.yaml")
    (folder / "about.yaml").symlink_to("round.yaml")
    (folder / "zero.yaml").symlink_to("/dev/zero")
    (folder / "folder.yaml").mkdir()
    (folder / "large.yaml").write_bytes(b"#" * (2 << 20))
    (folder / "bomb.yaml").write_text("a: &a [x, x]\nb: [*a, *a]\n")
    (folder / "me.yaml").symlink_to("child.yaml")
    (folder / "chain0.yaml").write_text(BASE)
    for i in range(1, 200):
        (folder / f"chain{i}.yaml").write_text(f"extends: chain{i - 1}.yaml\nrecipe: c\n")
    for i in range(50):
        (folder / f"ring{i}.yaml").write_text(f"extends: ring{(i + 1) % 50}.yaml\nrecipe: c\n")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.yaml")
    return folder


EXTENDED = {
    "../secret.yaml": "B0114",
    "sub/../../secret.yaml": "B0114",
    "./././../inside/../secret.yaml": "B0114",
    "../" * 100 + "etc/passwd.yaml": "B0114",
    "/etc/passwd.yaml": "B0114",
    "//server/share.yaml": "B0114",
    "~/secret.yaml": "B0114",
    "C:\\secret.yaml": "B0114",
    "..\\secret.yaml": "B0114",
    "file:///etc/passwd": "B0113",
    "https://example.org/base.yaml": "B0113",
    "up/secret.yaml": "B0114",
    "link.yaml": "B0114",
    "etc/passwd.yaml": "B0114",
    "zero.yaml": "B0114",
    "round.yaml": "B0113",
    "pipe.yaml": "B0113",
    "folder.yaml": "B0113",
    "missing.yaml": "B0113",
    "child.yaml": "B0115",
    "sub/../child.yaml": "B0115",
    "me.yaml": "B0115",
    "ring0.yaml": "B0116",
    "chain199.yaml": "B0116",
    "large.yaml": "B0109",
    "bomb.yaml": "B0105",
    "a\0b.yaml": "B0114",
    "a\nb.yaml": "B0114",
    "a" * 300 + ".yaml": "B0113",
    "a/" * 3000 + "a.yaml": "B0113",
    "-rf": "B0113",
    "../gpt2": "B0113",
    "$HOME/base.yaml": "B0113",
    "*.yaml": "B0113",
    "": "B0203",
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="links and pipes")
@pytest.mark.parametrize(("name", "code"), EXTENDED.items(), ids=[name[:30] for name in EXTENDED])
def test_what_is_extended_stays_inside(inside, capsys, name, code):
    child = inside / "child.yaml"
    child.write_text(f"extends: {json.dumps(name)}\nrecipe: child\n")
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        assert main(["check", str(child), "--json"]) == 1
        best = min(best, time.process_time() - start)
        said = capsys.readouterr()
        assert "hunter2" not in said.out + said.err
        found = json.loads(said.out)[0]
        assert (found["code"], Path(found["file"]).parent) == (code, inside)
        assert found["line"] >= 1
        if best < 0.1:
            break
    assert best < 0.1


OUTPUTS = {
    "-rf.svg": "B0810",
    "a\nb.svg": "B0810",
    "a\x1b[2Jb.svg": "B0810",
    "a\u202egvs.svg": "B0810",
    "n" * 300 + ".svg": "B0810",
    "link.svg": "B0809",
    "dangling.svg": "B0809",
    "folder.svg": "B0807",
    "missing/a.svg": "B0807",
}


@pytest.mark.parametrize(("name", "code"), OUTPUTS.items(), ids=[ascii(name[:30]) for name in OUTPUTS])
@pytest.mark.parametrize("command", ["draw", "eject"])
def test_nothing_is_written_where_it_should_not_be(tmp_path, monkeypatch, capsys, command, name, code):
    pytest.importorskip("pygraphviz")
    monkeypatch.chdir(tmp_path)
    Path("mine").write_text("mine")
    Path("link.svg").symlink_to("mine")
    Path("dangling.svg").symlink_to("nowhere")
    Path("folder.svg").mkdir()
    Path("r.yaml").write_text(BASE)
    before = sorted(path.name for path in Path().iterdir())
    force = ["--force"] if command == "eject" else []
    assert main([command, "r.yaml", f"-o{name}" if name.startswith("-") else f"--output={name}", *force]) == 1
    assert code in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == before
    assert Path("mine").read_text() == "mine"
    assert not list(Path("folder.svg").iterdir())


def test_a_recipe_does_not_choose_where_its_output_goes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("../evil", "/tmp/evil", "-rf", "a/b", "..", ""):
        Path("r.yaml").write_text(BASE.replace("recipe: base", f"recipe: {json.dumps(name)}"))
        assert main(["draw", "r.yaml"]) == 1
        assert "B0206" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["r.yaml"]
