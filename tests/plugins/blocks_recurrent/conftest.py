"""Keras on torch."""

import importlib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def keras(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Keras with the backend torch, whatever the machine's settings say."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return importlib.import_module("keras")
