"""`blocks new`: from a sentence to a recipe file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from blocks import BuildError, RecipeError
from blocks.api import from_document
from blocks.command import Command
from blocks.counts import said_sizes
from blocks.phrases import Phrasebook
from blocks.plan import MAX_PARAMS
from blocks.reader import read
from blocks.yaml_text import scalar
from blocks_compiler.annotate import annotated
from blocks_compiler.commands.options import count


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("sentence", metavar="SENTENCE", help="what the model is, such as `Transformer, RoPE`")
    parser.add_argument(
        "--d-model", metavar="N", help="width of the residual stream, unless the sentence says it"
    )
    parser.add_argument("--depth", metavar="N", help="number of blocks, unless the sentence says it")
    parser.add_argument("--vocab-size", metavar="N", help="number of token ids; default: bytes")
    parser.add_argument("--name", default="my-model", metavar="X", help="name of the recipe (my-model)")
    parser.add_argument(
        "--max-params", default=str(MAX_PARAMS), metavar="N", help="refuse more parameters (2T)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="file to write; default: standard output"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing file")


def run(args: Namespace) -> int:
    """Write the canonical recipe of a sentence, with comments. Raises RecipeError where it does not compile."""
    from blocks_compiler import compile_plan

    recipe = from_document(read(_text(args), "<sentence>"))
    plan = recipe.plan(registry=args.registry, max_params=count(args.max_params, "--max-params"))
    compile_plan(plan, registry=args.registry)
    text = annotated(plan)
    if args.output is None:
        print(text, end="")
        return 0
    from blocks_compiler.backends.write import check_output, write_bytes

    check_output(args.output)
    if args.output.exists() and not args.force:
        raise BuildError.of("B0803", f"{args.output} exists", help="choose another file, or add --force")
    write_bytes(args.output, text.encode())
    print(f"{args.output}: {len(plan.layers):,} blocks, {plan.parameters:,} parameters")
    return 0


def _text(args: Namespace) -> str:
    """The sentence as a recipe. Raises RecipeError where it lacks a size."""
    said = said_sizes(args.sentence[:2000], Phrasebook(args.registry, {}))
    given = {"d_model": args.d_model, "depth": args.depth, "vocab_size": args.vocab_size}
    sizes = {
        name: count(value, f"--{name.replace('_', '-')}")
        for name, value in given.items()
        if value is not None
    }
    if "d_model" not in sizes:
        if "d_model" not in said:
            raise RecipeError.of(
                "B0503", "a sentence needs a width", help="add --d-model 512, or say it: d_model 512"
            )
        sizes["d_model"] = said["d_model"]
    lines = [f"recipe: {scalar(args.name)}", *(f"{name}: {value}" for name, value in sizes.items())]
    if "vocab_size" not in sizes and "vocab_size" not in said:
        lines.append("tokenizer: byte")
    return "\n".join([*lines, f"model: {scalar(args.sentence)}", ""])


COMMAND = Command(
    "Write the recipe that a sentence stands for, commented with the words that each part comes from.",
    'blocks new "8% attention, interleaved Mamba-2 and FFN, RoPE" --d-model 512 --depth 52 -o my.yaml\n'
    'blocks new "encoder-decoder, 6 + 6 layers, Transformer, post-norm" --d-model 512 --vocab-size 32k',
    configure,
    run,
)
