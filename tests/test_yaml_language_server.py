"""The schema in a real editor's language server, where one is installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SERVER = shutil.which(os.environ.get("YAML_LANGUAGE_SERVER", "yaml-language-server"))


@pytest.mark.skipif(
    SERVER is None, reason="npm install yaml-language-server, and name it in YAML_LANGUAGE_SERVER"
)
def test_the_server_checks_completes_and_explains() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "yaml_language_server.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[done.stdout.find('"failed"') :] + done.stderr
