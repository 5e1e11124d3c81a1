"""One thing that pyproject.toml cannot say: wheels, editable ones too, hold `blocks_hf.pth`.

The file has Python run plugins/blocks_hf/autoload.py as it starts, so that transformers knows the model type `blocks`
without anybody importing blocks. docs/decisions/0015-transformers-without-an-import.md says why it is done so.
"""

from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.editable_wheel import editable_wheel

PTH = "blocks_hf.pth"
SOURCE = Path(__file__).parent / "plugins" / "blocks_hf" / "autoload.py"


def add_pth(wheel: Path) -> None:
    """Add the file to a wheel and to its list of files, unless it is there."""
    code = SOURCE.read_text(encoding="utf-8")
    data = f"import sys; exec({code!r}, {{'__name__': 'blocks_hf.autoload'}})\n".encode()
    with ZipFile(wheel) as old:
        files = {info: old.read(info) for info in old.infolist()}
    if any(info.filename == PTH for info in files):
        return
    digest = urlsafe_b64encode(sha256(data).digest()).decode().rstrip("=")
    with ZipFile(wheel, "w", ZIP_DEFLATED) as new:
        new.writestr(PTH, data)
        for info, content in files.items():
            listed = info.filename.endswith(".dist-info/RECORD")
            line = f"{PTH},sha256={digest},{len(data)}\n".encode() if listed else b""
            new.writestr(info, line + content)


class WithPth:
    """A command that makes wheels and then adds the file to them."""

    def run(self) -> None:
        super().run()
        for wheel in Path(self.dist_dir).glob("blocks_dsl-*.whl"):
            add_pth(wheel)


setup(
    cmdclass={
        "bdist_wheel": type("bdist_wheel", (WithPth, bdist_wheel), {}),
        "editable_wheel": type("editable_wheel", (WithPth, editable_wheel), {}),
    }
)
