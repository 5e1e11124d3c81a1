"""Settings of the whole test run, made before anything is imported."""

import os
import shutil
from pathlib import Path

if not Path("/dev/nvidia0").exists() and shutil.which("nvidia-smi") is None:
    os.environ.setdefault("TRITON_INTERPRET", "1")  # Triton reads it as a kernel is decorated
