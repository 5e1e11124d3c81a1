"""The Python API: `load`, `compile_graph`, `build`, `from_pretrained`, `find_build`, `save_build`."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from blocks.changes import changed
from blocks.diagnostics import BlocksError, Diagnostic, RecipeError
from blocks.extends import extended
from blocks.published import locate
from blocks.reader import Document, read, read_file
from blocks.recipe import Recipe
from blocks.validation import LOOKED_UP, MAX_FINDINGS, report_validation, with_stand_ins, without_unknown_keys

if TYPE_CHECKING:
    from torch import Tensor, nn

    from blocks.graph import BlockGraph
    from blocks.plan import Plan
    from blocks.registry import Registry
    from blocks.tokenizer import Coder
    from blocks_compiler.backends.manifest import Found
    from blocks_compiler.backends.report import Report


def load(
    source: str | os.PathLike[str], *, set: Mapping[str, object] | Sequence[str] = (), origin: str = "set"
) -> Recipe:
    """Read a recipe from a file, from its text, or by the name of a published architecture (`"gpt2"`).

    A string with a line break or a colon followed by a space is text. `set` changes parts of it, such as
    `{"d_model": 512, "blocks.attention.n_heads": 8, "stack.depth": 24}`, or texts as `--set` takes them; errors
    call them by `origin` and their number. Raises RecipeError with every mistake: lines, columns and help.
    """
    if not isinstance(source, str):
        document = read_file(source)
    elif "\n" in source or ": " in source:
        document = read(source)
    else:
        document = read_file(locate(source))
    return from_document(document, set=set, origin=origin)


def from_document(
    document: Document, *, set: Mapping[str, object] | Sequence[str] = (), origin: str = "set"
) -> Recipe:
    """The recipe of a text that was read, with what it extends, and changed by settings. Raises RecipeError."""
    document = extended(document)
    if set:
        document = changed(document, set, origin)
    try:
        if not isinstance(document.value, Mapping):
            problems = document.problems()
            problems.add(
                "B0208",
                "a recipe is a mapping of keys to values",
                at=document.span(()),
                help="recipe: my-model",
            )
            problems.raise_if_any(RecipeError)
        recipe = Recipe.model_validate(document.value)
    except ValidationError as error:
        problems = document.problems()

        def report(code: str, message: str, path: Any, *, key: bool = False, help: str | None = None) -> None:
            problems.add(code, message, at=document.span(path, key=key), help=help)

        report_validation(error, document.value, Recipe, (), report)
        if error.error_count() <= MAX_FINDINGS:
            problems.extend(_further(error, document))
        problems.raise_if_any(RecipeError)
        raise
    recipe._document = document
    return recipe


def _further(error: ValidationError, document: Document) -> tuple[Diagnostic, ...]:
    """What planning finds wrong besides what validation found, so that one reading shows all."""
    value, is_guess = with_stand_ins(error, without_unknown_keys(error, document.value))
    try:
        recipe = Recipe.model_validate(value)
        recipe._document = document
        recipe.plan()
    except RecipeError as found:
        return tuple(d for d in found.diagnostics if not is_guess or d.code in LOOKED_UP)
    except ValidationError:  # already reported
        pass
    return ()


def compile_graph(
    recipe: Recipe | str | Path, *, registry: Registry | None = None, **options: Any
) -> BlockGraph:
    """The block graph of a recipe, after all passes: shapes, ties, kernels and costs are known. No torch.

    `options` are those of `blocks_compiler.compile_plan`. Raises RecipeError.
    """
    from blocks_compiler import compile_plan

    recipe = recipe if isinstance(recipe, Recipe) else load(recipe)
    return compile_plan(recipe.plan(registry=registry), registry=registry, **options)


def report(
    recipe: Recipe | str | Path,
    context: int = 4096,
    *,
    batch: int = 1,
    dtype: str = "bfloat16",
    registry: Registry | None = None,
) -> Report:
    """What a recipe costs: parameters, FLOPs a token at `context` tokens, state bytes of `batch` sequences.

    `report(...).total` is the sum, `.rows` has a row a block, `.as_json()` the numbers; a notebook shows a table.
    Raises RecipeError, or UsageError for a context, batch or dtype that cannot be.
    """
    from blocks_compiler.backends.report import report as report_of

    graph = compile_graph(recipe, registry=registry, kernels="reference")
    return report_of(graph, context, batch=batch, dtype=dtype)


def picture(graph: BlockGraph) -> str | None:
    """The diagram of a graph as SVG text; None where nothing is installed that can lay it out."""
    from blocks_compiler.backends.diagram import graph_svg

    try:
        return graph_svg(graph)
    except BlocksError:
        return None


def page(plan: Plan) -> str:
    """A plan as HTML: the kinds of block and the pattern."""
    from blocks_compiler.backends.html import plan_html

    return plan_html(plan)


def build(
    recipe: Recipe | str | Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    dtype: str = "float32",
    kernels: str = "auto",
    registry: Registry | None = None,
) -> nn.Module:
    """The PyTorch module of a recipe, with weights drawn from `seed`; the same ones on every device.

    A language model is called as `logits, state = model(tokens, state=None, mask=None)`: tokens int64 [B, T],
    mask bool [B, T] true at real tokens, logits [B, T, vocab_size]. `device="meta"` builds without memory.
    `model.recipe` is the recipe fully expanded, as text: building that gives the same model.
    Raises RecipeError, or BuildError for a device, dtype or kernel that cannot be had.
    """
    from blocks_compiler.backends.module import build_module

    graph = compile_graph(recipe, registry=registry, device=device, dtype=dtype, kernels=kernels)
    return build_module(graph, seed=seed, device=device, dtype=dtype)


def from_pretrained(
    folder: str | os.PathLike[str],
    *,
    device: str = "cpu",
    dtype: str | None = None,
    ignore: Collection[str] = (),
    registry: Registry | None = None,
) -> nn.Module:
    """The module and weights of a folder: what `blocks build` wrote, or a Hugging Face checkpoint of a known family.

    Of what `blocks train` wrote, the newest checkpoint that is whole; a BlocksWarning names newer ones that are not.
    `dtype` is by default that of the weights; `ignore` names keys of config.json that are known to change nothing.
    Nothing of the folder is run, and no pickle is read. Raises
    BuildError where something is missing, damaged or not understood.
    """
    path = Path(folder)
    run = (path / "checkpoints").is_dir()
    if run or (path / "manifest.json").is_file() or not (path / "config.json").is_file():
        from blocks_compiler.backends.folder import load_folder

        return load_folder(path, device=device, dtype=dtype)
    from blocks.registry import Registry
    from blocks_compiler.backends.checkpoint import load_checkpoint
    from blocks_compiler.foreign import open_checkpoint

    registry = registry or Registry.installed()
    return load_checkpoint(
        open_checkpoint(path, registry, ignore=ignore), registry, device=device, dtype=dtype
    )[0]


def split_heads(model: nn.Module, plan: Plan) -> tuple[nn.Module, dict[str, nn.Module]]:
    """A model of this plan as a body, called as the model is, and its heads by their paths: head, heads.words.

    What the body returns in place of each output is what that head would have read; the same parameters are in both.
    """
    from blocks_compiler.backends.body import split_heads as split

    return split(model, plan)


def join_heads(body: nn.Module, heads: Mapping[str, nn.Module], plan: Plan) -> nn.Module:
    """The model whose body and heads these are. Raises ValueError where one of its heads is missing."""
    from blocks_compiler.backends.body import join_heads as join

    return join(body, heads, plan)


def find_build(folder: str | os.PathLike[str]) -> Found:
    """The build folder at a path, every file held against its sha256: itself, or a run's newest that is whole.

    `.folder` is where it is, `.manifest` what it says of itself, `.passed_over` the newer checkpoints that are damaged,
    and how. No torch. Raises BuildError where there is none.
    """
    from blocks_compiler.backends.manifest import find_build as find

    return find(Path(folder))


def save_build(
    model: nn.Module,
    graph: BlockGraph,
    folder: str | os.PathLike[str],
    *,
    seed: int | None = None,
    beside: Mapping[str, Path | Mapping[str, Tensor] | Callable[[Path], object]] | None = None,
    instead: Mapping[str, Tensor] | Callable[[Path], object] | None = None,
    coder: Coder | None = None,
    keep: int | None = None,
    registry: Registry | None = None,
) -> None:
    """Write the build folder of a model that was built from `graph`; an existing one is replaced in one step.

    `seed` is that of the weights, None where they were trained. `beside` are files to copy, tensors to write, or
    functions that write them, by their name in the folder; `instead` are tensors to write in place of the model's, or
    a function that writes the file of weights; `coder` is the tokenizer. Of a checkpoint of a run,
    RUN/checkpoints/step-N, the newest `keep` are left. A kill at any point leaves the old folder or the new one. Raises
    BuildError where something else is in the way, OSError where it cannot be written; what was there is then left as
    it was.
    """
    from blocks.registry import Registry
    from blocks_compiler.backends.folder import write_folder

    write_folder(
        model, graph, Path(folder), seed=seed, picture=None, registry=registry or Registry.installed(),
        beside=beside, instead=instead, coder=coder, keep=keep,
    )  # fmt: skip


def save_checkpoint(
    model: nn.Module,
    folder: str | os.PathLike[str],
    *,
    prefer: str | None = None,
    keep: Mapping[str, Any] | None = None,
    registry: Registry | None = None,
) -> str | None:
    """Write a built model as a Hugging Face checkpoint of the family that its recipe is one of; its model type.

    None, and nothing is written, where no importer's family holds this architecture. `prefer` names a model type to
    try first, `keep` is the config.json that the weights came with: what it says of other things than the architecture,
    such as token ids, is written again. The folder has to be there. Raises OSError.
    """
    from blocks.foreign_config import HARMLESS, Config
    from blocks.registry import Registry
    from blocks_compiler.backends.checkpoint import save_checkpoint as save
    from blocks_compiler.foreign import family_of

    registry = registry or Registry.installed()
    recipe = load(str(model.recipe))  # which a built model carries
    found = family_of(recipe.plan(registry=registry), registry, prefer=prefer)
    if found is None:
        return None
    importer, values = found
    config = Config(values)
    importer.recipe(config)
    other = (HARMLESS | set(importer.harmless)) - config.asked
    beside = {key: value for key, value in (keep or {}).items() if key in other}
    save(model, importer, values | beside, Path(folder))
    return importer.model_type
