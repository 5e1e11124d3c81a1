"""One line gives a stranger the whole suite; a waiver carries its reason."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from blocks import BuildError
from blocks.testing import conformance
from blocks_attention.specs import MultiHead


def cases(test) -> dict[str, list[str]]:
    (mark,) = test.pytestmark
    return {param.id: [m.kwargs.get("reason", "") for m in param.marks] for param in mark.args[1]}


def test_one_case_a_property_with_readable_ids(fade):
    found = cases(conformance(fade()(), d_model=8))
    assert {"causal_gradient", "any_split", "padded_batch", "flops", "no_torch"} <= found.keys()
    assert not any(found.values())


def test_capabilities_choose_the_cases():
    found = cases(conformance(MultiHead(n_heads=2, mask="bidirectional"), d_model=8))
    assert not {"causal_gradient", "any_split", "step_flops", "state_size"} & found.keys()
    assert {"padded_batch", "undeclared"} <= found.keys()


def test_a_waiver_shows_its_reason(fade):
    found = cases(conformance(fade()(), d_model=8, waive={"flops": "the scan is counted twice"}))
    assert found["flops"] == ["waived: the scan is counted twice"]


@pytest.mark.parametrize("reason", ["", "  ", None, True])
def test_a_waiver_needs_a_reason(fade, reason):
    with pytest.raises(ValueError, match="waiving 'flops' needs a reason"):
        conformance(fade()(), waive={"flops": reason})


def test_a_waiver_of_no_case_names_the_nearest(fade):
    with pytest.raises(ValueError, match="did you mean 'flops'"):
        conformance(fade()(), waive={"flop": "why not"})


def test_options_wrong_at_this_width_are_said_at_once():
    with pytest.raises(BuildError, match="5 heads do not divide d_model = 16"):
        conformance(MultiHead(n_heads=5), d_model=16)


def test_pytest_runs_it_in_a_strangers_repository(fade, tmp_path: Path):
    package = fade().__module__.partition(".")[0]
    (tmp_path / "test_fading.py").write_text(
        "from blocks.testing import conformance\n"
        f"from {package}.specs import Fade\n"
        "test_fade = conformance(Fade(), d_model=8, waive={'flops': 'counted by hand'})\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-v",
            "-rs",
            "-p",
            "no:cacheprovider",
            "-k",
            "torch or causal or flops",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_fade[causal_gradient] PASSED" in done.stdout
    assert "waived: counted by hand" in done.stdout
