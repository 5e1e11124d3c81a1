"""`blocks new-plugin`: a distribution of one's own, with a working component and tests that pass."""

from __future__ import annotations

import importlib.util
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from string import Template

from blocks import API_VERSION, BuildError, Registry, UsageError, __version__
from blocks.command import Command
from blocks.known_plugins import KNOWN
from blocks.registry import KINDS
from blocks.render import plain
from blocks.swap import fresh_folder
from blocks_compiler.backends.write import check_output

TEMPLATES = Path(__file__).parents[1] / "templates"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
NO_NAMES = ("none", "null", "true", "false")
MAX_NAME = 40


@dataclass(frozen=True, slots=True)
class Kind:
    """What is told about the example of one kind."""

    about: str
    help: str
    tests: str
    inside: str = ""


EXAMPLES: Mapping[str, Kind] = {
    "mixer": Kind(
        "a gated exponential moving average of each channel (Ma et al. 2022, arXiv:2209.10655).",
        "a gated moving average of each channel",
        "`blocks.testing.conformance`, and the formula term by term",
        ", what is inside for diagrams",
    ),
    "norm": Kind(
        "a norm without statistics, weight * tanh(alpha x) + bias (Zhu et al. 2025, arXiv:2503.10622).",
        "tanh of each channel in place of statistics",
        "the formula, the declared parameters, a model that decodes",
    ),
    "position": Kind(
        "rotary positions that leave the slowest pairs unturned (Barbero et al. 2024, arXiv:2410.06205).",
        "rotary positions of the fast pairs alone",
        "scores by distance, which pairs turn, a model that decodes",
    ),
}
"""Kind -> the example that its templates hold; a folder of `templates/` each."""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "name", metavar="NAME", help="such as fast-memory: the distribution blocks-fast-memory"
    )
    parser.add_argument("--kind", choices=EXAMPLES, default="mixer", help="what it brings (mixer)")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="the new folder (blocks-NAME)")


def run(args: Namespace) -> int:
    """Write the distribution and print what to do with it."""
    slug = slug_of(args.name)
    check_free(slug, args.kind, args.registry)
    target: Path = args.output or Path(f"blocks-{slug}")
    if target.exists() or target.is_symlink():
        raise BuildError.of(
            "B0613",
            f"there is something at {plain(str(target))} already",
            help="choose another folder with -o",
        )
    check_output(target)
    with fresh_folder(target) as folder:
        for path, text in files(slug, args.kind).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    print(f"{target}: a {args.kind} called {slug.replace('-', '_')}, which works. Next:\n")
    print(f"  cd {target}\n  pip install -e '.[test]'\n  pytest\n  blocks check {slug}-tiny.yaml")
    return 0


def slug_of(name: str) -> str:
    """The name in lower case with hyphens, without `blocks-`. Raises UsageError for what cannot be one."""
    slug = name.lower().replace("_", "-").removeprefix("blocks-")
    if not NAME.fullmatch(slug) or slug in NO_NAMES or len(slug) > MAX_NAME:
        shown = plain(name if len(name) <= MAX_NAME else name[:MAX_NAME] + "...")
        raise UsageError.of(
            "B0612",
            f"{shown!r} cannot be the name of a plugin",
            help=f"letters, digits and single hyphens, a letter first, at most {MAX_NAME}: such as fast-memory",
        )
    return slug


def check_free(slug: str, kind: str, registry: Registry) -> None:
    """Raise UsageError where a component, a distribution or a package of this name is there already."""
    component, package, owner = slug.replace("-", "_"), package_of(slug), ""
    for entry in registry.of_kind(kind):
        if entry.name == component:
            owner = f"the {kind} {component} is {entry.plugin.distribution}'s"
    for known in KNOWN:
        if (known.kind, known.name) == (kind, component) and not owner:
            owner = f"the {kind} {component} is {known.distribution}'s"
    if not owner and _is_installed(f"blocks-{slug}"):
        owner = f"a distribution blocks-{slug} is installed"
    if not owner and importlib.util.find_spec(package) is not None:
        owner = f"there is a package {package}"
    if owner:
        raise UsageError.of(
            "B0614", f"the name {slug!r} is taken: {owner}", help="choose another, such as my-" + slug
        )


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def package_of(slug: str) -> str:
    """The import name."""
    return f"blocks_{slug.replace('-', '_')}"


def files(slug: str, kind: str) -> dict[str, str]:
    """Path in the new folder -> text."""
    component, package = slug.replace("-", "_"), package_of(slug)
    words = slug.split("-")
    example = EXAMPLES[kind]
    names = {
        "about": example.about,
        "api": str(API_VERSION),
        "class_name": "".join(word.capitalize() for word in words),
        "component": component,
        "distribution": f"blocks-{slug}",
        "help": example.help,
        "inside_words": example.inside,
        "kind": kind,
        "package": package,
        "phrase": " ".join(words),
        "plural": KINDS[kind],
        "recipe": f"{slug}-tiny.yaml",
        "slug": slug,
        "tests_words": example.tests,
        "version": ".".join(__version__.split(".")[:2]),
    }
    sources = {
        ".gitignore": "common/gitignore",
        "README.md": "common/README.md",
        "pyproject.toml": "common/pyproject.toml",
        f"src/{package}/__init__.py": "common/init.py",
        f"src/{package}/specs.py": f"{kind}/specs.py",
        f"src/{package}/module.py": f"{kind}/module.py",
        f"tests/test_{component}.py": f"{kind}/test.py",
        names["recipe"]: f"{kind}/recipe.yaml",
    }
    texts = {path: (TEMPLATES / f"{source}.tmpl").read_text("utf-8") for path, source in sources.items()}
    return {f"src/{package}/py.typed": ""} | {
        path: Template(text).substitute(names) for path, text in texts.items()
    }


COMMAND = Command(
    "Start a plugin: a distribution with a component that works, its tests and a recipe that uses it.",
    "blocks new-plugin fast-memory\nblocks new-plugin soft-clip --kind norm -o plugins/soft-clip",
    configure,
    run,
)
