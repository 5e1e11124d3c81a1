"""`blocks tokenizer extend`: further tokens for a tokenizer, and rows for them in the model that uses it."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from blocks import BuildError, Coder, UsageError, find_build
from blocks.command import Command
from blocks.tokenizer import ROLES
from blocks_tokenizers.bytewise import no_text
from blocks_tokenizers.commands.source import coder_from
from blocks_tokenizers.commands.train import check_folder, showing, write_files
from blocks_tokenizers.files import open_files
from blocks_tokenizers.marking import visible
from blocks_tokenizers.texts import Texts


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "source", metavar="BUILD", help="a build folder or a run, or a tokenizer's folder or file alone"
    )
    parser.add_argument(
        "--add", nargs="+", default=[], metavar="TOKEN", help="tokens that stand for themselves"
    )
    parser.add_argument("--file", type=Path, metavar="F", help="a text file with such a token on each line")
    parser.add_argument(
        "--role", action="append", default=[], metavar="ROLE=TOKEN",
        help=f"a special token: {', '.join(ROLES)}; repeatable",
    )  # fmt: skip
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="folder to write")
    parser.add_argument("--force", action="store_true", help="replace the tokenizer that is in the folder")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(args: Namespace) -> int:
    """Write the larger tokenizer, with the larger model where there is one."""
    special = _roles(args.role)
    plain = [*args.add, *(_lines(args.file) if args.file is not None else ())]
    if not plain and not special:
        raise UsageError.of("B0805", "no token is given", help="--add TOKEN, --file F or --role mask=<mask>")
    source = Path(args.source)
    is_model = any((source / name).exists() for name in ("recipe.lock.yaml", "checkpoints"))
    if is_model:
        source = find_build(source).folder
    elif (source / "config.json").is_file() and any(source.glob("*.safetensors")):
        raise UsageError.of(
            "B0805",
            f"{source} is a checkpoint of Hugging Face, not a build folder",
            help=f"blocks import {source} first, or name its tokenizer.json to extend that alone",
        )
    coder = coder_from(str(source), args.registry)
    _check_tokens(coder, plain, special)
    larger = _extended(coder, plain, special)
    new = [*plain, *dict.fromkeys(special.values())]
    said: dict[str, Any] = {
        "vocab_size": larger.vocab_size,
        "added": {token: larger.encode(token) for token in new},
        "digest": larger.digest,
        "folder": str(args.output),
    }
    if is_model:
        from blocks_tokenizers.resize import write_larger

        with showing() as step:
            sizes = write_larger(source, args.output, coder, larger, registry=args.registry, step=step)
        said |= {"rows": sizes.rows, "parameters": sizes.parameters, "resized": list(sizes.resized)}
    else:
        check_folder(args.output, force=args.force)
        write_files(larger, args.output)
    if args.json:
        print(json.dumps(said, indent=2, ensure_ascii=False))
        return 0
    print(f"{args.output}: {larger.vocab_size:,} ids, {larger.vocab_size - coder.vocab_size:,} of them new")
    for token in new:
        print(f"{larger.encode(token)[0]:>7}  {visible(token)}")
    if is_model:
        print(
            f"rows     {said['rows']:,} in {', '.join(said['resized'])}; the new ones are means of old ones"
        )
        print(f"total    {said['parameters']:,} parameters")
    return 0


def _roles(settings: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for setting in settings:
        role, equals, token = setting.partition("=")
        if role not in ROLES or not equals or not token or role in found:
            raise UsageError.of(
                "B0805", f"--role {setting!r} gives no role a token", help="--role mask=<mask>"
            )
        found[role] = token
    return found


def _lines(file: Path) -> list[str]:
    text = "".join(Texts([file]))
    return [line for line in text.replace("\r\n", "\n").split("\n") if line]


def _check_tokens(coder: Coder, plain: list[str], special: dict[str, str]) -> None:
    """Raise BuildError for a token that is there already, or twice."""
    seen: set[str] = set()
    known = {coder.piece(id): role for role, id in coder.roles.items()}
    for role in special:
        if role in coder.roles:
            raise BuildError.of(
                "B1210",
                f"the role {role} has a token: {coder.piece(coder.roles[role])!r}",
                help="leave it out",
            )
    for token in [*plain, *dict.fromkeys(special.values())]:
        try:
            token.encode()
        except UnicodeEncodeError:
            raise no_text(token) from None
        if not token:
            raise BuildError.of("B1210", "a token without a character", help="leave it out")
        if token in known or _is_one(coder, token):
            raise BuildError.of("B1210", f"{token!r} is a token already", help="leave it out")
        if token in seen:
            raise BuildError.of("B1210", f"{token!r} is given twice", help="leave it out once")
        seen.add(token)


def _is_one(coder: Coder, token: str) -> bool:
    """Whether a token is one already: it stands for the whole text."""
    try:
        ids = coder.encode(token)
    except BuildError:  # it has a character without an id
        return False
    return len(ids) == 1 and ids[0] != coder.roles.get("unk") and coder.decode(ids) == token


def _extended(coder: Coder, plain: list[str], special: dict[str, str]) -> Coder:
    """The same with further tokens; one that is no tokenizers library's becomes one."""
    if not hasattr(coder, "extended"):
        with TemporaryDirectory() as folder:
            coder.save(Path(folder))
            coder = open_files(Path(folder))
    larger: Coder = coder.extended(plain, special)  # type: ignore[attr-defined]
    return larger


ACTION = Command(
    "Add tokens to a tokenizer, and rows for them to its model: means of the rows of their old pieces.",
    "blocks tokenizer extend model --add Kyiv Kharkiv --role 'mask=<mask>' -o larger\n"
    "blocks tokenizer extend words --file names.txt -o more-words",
    configure,
    run,
)
