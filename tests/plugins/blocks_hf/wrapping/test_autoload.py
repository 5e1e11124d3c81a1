"""transformers knows the model type `blocks` without an import of ours, and pays nothing for it."""

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from blocks_hf import autoload

ROOT = Path(__file__).parents[4]
FORGET = "import sys; sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != 'BlocksFinder']\n"
INSTALLED = any(type(finder).__name__ == "BlocksFinder" for finder in sys.meta_path)


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_is_there_as_python_starts():
    assert INSTALLED, "blocks_hf.pth is not installed: run pip install -e . again"
    assert python("import sys; print(*[n for n in sys.modules if n.startswith('blocks')])") == ""


def test_importing_transformers_imports_what_it_does_without_us():
    code = "import transformers, sys; print(*sorted(sys.modules))"
    with_us, without = python(code).split(), python(FORGET + code).split()
    assert with_us == without
    assert "blocks" not in with_us


def test_models_load_by_their_type_alone(hf, tmp_path):
    hf("gpt2-tiny").save_pretrained(tmp_path)
    code = f"""
import sys
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM
assert not any(name.startswith("blocks") for name in sys.modules)
config = AutoConfig.from_pretrained({str(tmp_path)!r})
assert "torch" in sys.modules and "blocks_hf.modeling" not in sys.modules and "blocks.api" not in sys.modules
made = [auto.from_pretrained({str(tmp_path)!r}) for auto in (AutoModel, AutoModelForCausalLM)]
print(*(type(each).__name__ for each in (config, *made)))
"""
    assert python(code) == "BlocksConfig BlocksModel BlocksForCausalLM"


@pytest.mark.parametrize("tables", autoload.TABLES.items(), ids=lambda pair: pair[0].rpartition(".")[2])
def test_every_table_is_one_of_transformers(tables):
    name, entries = tables
    module = importlib.import_module(name)
    for table, value in entries.items():
        found = getattr(module, table)
        assert (found if table.endswith("_NAMES") else found._model_mapping)["blocks"] == value


def test_programs_take_the_type_for_a_decoder():
    from transformers.models.auto import modeling_auto

    assert "blocks" in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    assert "blocks" not in modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES


def test_what_concerns_us_not_is_left_to_others():
    finder = autoload.BlocksFinder()
    assert finder.find_spec("json") is None
    assert finder.find_spec("transformers.models.llama") is None


def test_wheels_hold_the_file_and_list_it(tmp_path):
    spec = importlib.util.spec_from_file_location("blocks_setup", ROOT / "setup.py")
    text = (ROOT / "setup.py").read_text(encoding="utf-8").partition("\nsetup(")[0]
    names = {"__file__": str(ROOT / "setup.py"), "__name__": spec.name}
    exec(compile(text, "setup.py", "exec"), names)
    wheel = tmp_path / "blocks_dsl-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("blocks/__init__.py", "")
        file.writestr(
            "blocks_dsl-1.dist-info/RECORD", "blocks/__init__.py,,\nblocks_dsl-1.dist-info/RECORD,,\n"
        )
    for _ in range(2):
        names["add_pth"](wheel)
        with zipfile.ZipFile(wheel) as file:
            assert sorted(file.namelist()) == [
                "blocks/__init__.py",
                "blocks_dsl-1.dist-info/RECORD",
                "blocks_hf.pth",
            ]
            assert file.read("blocks_dsl-1.dist-info/RECORD").count(b"blocks_hf.pth,sha256=") == 1
            (line,) = file.read("blocks_hf.pth").decode().splitlines()
    assert line.startswith("import sys; ")
    found = python(
        f"import sys; sys.meta_path.clear()\n{line}\nprint(*[type(f).__name__ for f in sys.meta_path])"
    )
    assert found == "BlocksFinder"
