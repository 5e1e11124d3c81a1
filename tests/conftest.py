"""Settings of the whole test run, made before anything is imported."""

import os
import shutil
import site
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

if not Path("/dev/nvidia0").exists() and shutil.which("nvidia-smi") is None:
    os.environ.setdefault("TRITON_INTERPRET", "1")  # Triton reads it as a kernel is decorated


@pytest.fixture(autouse=True)
def _forget_traces() -> None:
    """What torch.compile and torch.export learnt of sizes in one test says nothing in the next."""
    if "torch._dynamo" in sys.modules:
        sys.modules["torch._dynamo"].reset()


@pytest.fixture
def stranger(tmp_path: Path) -> Callable[..., Path]:
    """Write a distribution with one plugin as pip would install it; returns the folder to put on sys.path.

    `stranger("left", source)` is the distribution left-dist 1.2 with the entry point left = fake_plugin_left.
    """

    def write(name: str, source: str, *, folder: Path = tmp_path, module: str = "") -> Path:
        module = module or f"fake_plugin_{name}"
        (folder / f"{module}.py").write_text(source)
        info = folder / f"{name}_dist-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-dist\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[blocks]\n{name} = {module}\n")
        return folder

    return write


@dataclass(frozen=True)
class Environment:
    """A throw-away virtual environment that also sees what is installed where the tests run."""

    python: Path
    wheel: Path

    def run(
        self, *arguments: str, cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run its Python."""
        return subprocess.run(
            [str(self.python), *arguments], capture_output=True, text=True, cwd=cwd,
            env={**os.environ, **variables}, timeout=300, check=False,
        )  # fmt: skip

    def blocks(
        self, *arguments: str, cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run its `blocks`."""
        program = "import sys; from blocks.cli import main; sys.exit(main())"
        return self.run("-c", program, *arguments, cwd=cwd, **variables)


@pytest.fixture(scope="session")
def install_wheel(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Environment]:
    """Build the wheel of a folder, offline and away from it, and install it into a new environment."""

    def install(source: Path) -> Environment:
        folder = tmp_path_factory.mktemp("environment")
        copy = folder / "source"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        offline = ["--no-deps", "--no-index"]
        build = [*pip, "wheel", *offline, "--no-build-isolation", "-w", str(folder), str(copy)]
        subprocess.run(build, check=True, capture_output=True, text=True)
        (wheel,) = folder.glob("*.whl")
        venv.create(folder / "venv", symlinks=os.name != "nt")
        python = folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        purelib = subprocess.run(
            [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip
        seen = "".join(f"import site; site.addsitedir({path!r})\n" for path in site.getsitepackages())
        (Path(purelib) / "the_tests_environment.pth").write_text(seen)
        subprocess.run([*pip, "--python", str(python), "install", *offline, str(wheel)], check=True)
        return Environment(python, wheel)

    return install
