"""From what is asked for to prompts of ids that a model can continue, or everything that is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from blocks import BuildError, Diagnostic
from blocks.tokenizer import Coder
from blocks_generate.facts import Facts
from blocks_generate.options import Options
from blocks_generate.texts import Prompt

EMPTY, TOO_LONG, UNKNOWN_IDS, NO_TOKENIZER, NO_START = "B1703", "B1704", "B1705", "B1706", "B1707"


def read_prompts(
    facts: Facts, coder: Coder | None, prompts: Sequence[str | Sequence[int]], options: Options
) -> list[Prompt]:
    """The prompts as ids. Raises BuildError with everything that is wrong with any of them."""
    roles = {} if coder is None else coder.roles
    start = options.start if options.start is not None else roles.get("bos", roles.get("pad"))
    problems: list[Diagnostic] = []
    found: list[Prompt] = []
    repeats: Counter[tuple[int, ...]] = Counter()
    if facts.translates and start is None:
        problems.append(
            Diagnostic(
                NO_START,
                f"{facts.plan.name} is not told which id its targets begin with: the tokenizer names no bos and no pad",
                help="--start ID, which is start=ID in Python",
            )
        )
    if coder is None and (any(isinstance(prompt, str) for prompt in prompts) or options.stop):
        problems.append(
            Diagnostic(NO_TOKENIZER, "prompts and stop strings are text, and there is no tokenizer to read them",
                       help="prompts of token ids, or a tokenizer")
        )  # fmt: skip
        raise BuildError(problems)
    for number, prompt in enumerate(prompts):
        if isinstance(prompt, str):
            assert coder is not None
            ids = (*options.before, *coder.encode(prompt), *(options.after if facts.translates else ()))
        else:
            ids = tuple(prompt)
        if not ids and "bos" in roles:
            ids = (roles["bos"],)
        name = "the prompt" if len(prompts) == 1 else f"prompt {number + 1}"
        problems += _wrong(name, ids, facts, options)
        target, source = ((start or 0,), ids) if facts.translates else (ids, ())
        found.append(Prompt(number, target, source, repeats[ids]))
        repeats[ids] += 1
    if problems:
        raise BuildError(problems)
    return found


def _wrong(name: str, ids: Sequence[int], facts: Facts, options: Options) -> Iterator[Diagnostic]:
    if not ids:
        yield Diagnostic(
            EMPTY,
            f"{name} is empty, and the tokenizer has no id that a text begins with",
            help="at least one character",
        )
    odd = next((id for id in ids if not 0 <= id < facts.vocab_size), None)
    if odd is not None:
        yield Diagnostic(
            UNKNOWN_IDS,
            f"{name} has the token id {odd}, and {facts.plan.name} knows 0 to {facts.vocab_size - 1}",
            help="the tokenizer that the model was trained with",
        )
    reach = facts.source if facts.translates else facts.target
    if reach is not None and len(ids) > reach and (facts.translates or not options.slide):
        yield Diagnostic(
            TOO_LONG,
            f"{name} has {_tokens(len(ids))}, and {facts.plan.name} learned {reach:,} positions",
            help=f"at most {_tokens(reach)}"
            if facts.translates
            else "a shorter one, or --slide to read its end alone",
        )
        return
    written = 1 if facts.translates else len(ids)
    limit = facts.target
    if limit is not None and not options.slide and written + options.max_new_tokens - 1 > limit:
        yield Diagnostic(
            TOO_LONG,
            f"{name} has {_tokens(written)}, and {options.max_new_tokens:,} new ones are more than the {limit:,} "
            f"positions that {facts.plan.name} learned",
            help=f"--max-new-tokens {limit - written + 1}, or --slide to go on with the last half of them, read anew",
        )


def _tokens(number: int) -> str:
    return f"{number:,} token{'s' * (number != 1)}"
