"""`blocks tokenizer`: train, encode, inspect, extend."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from blocks.command import Command
from blocks_tokenizers.commands import encode, extend, inspect, train

ACTIONS = {"train": train.ACTION, "encode": encode.ACTION, "inspect": inspect.ACTION, "extend": extend.ACTION}


def configure(parser: ArgumentParser) -> None:
    """Add a parser for each action."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", title="actions")
    for name, action in ACTIONS.items():
        inner = actions.add_parser(
            name,
            help=action.summary,
            description=action.summary,
            epilog="examples:\n" + "".join(f"  {line}\n" for line in action.example.splitlines()),
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        action.configure(inner)


def run(args: Namespace) -> int:
    """Run the action."""
    return ACTIONS[args.action].run(args)


COMMAND = Command(
    "Train a tokenizer, encode a text, judge a vocabulary, add tokens to a model.",
    "blocks tokenizer train bpe --data text.txt --vocab-size 4k -o words\n"
    "blocks tokenizer encode words 'All human beings are born free.' --pieces\n"
    "blocks tokenizer inspect words --file text.txt\n"
    "blocks tokenizer extend model --add Kyiv --role 'mask=<mask>' -o larger",
    configure,
    run,
)
