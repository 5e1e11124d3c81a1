"""What happens to a text before a vocabulary is asked: normalisation, then splits that no token goes across."""

from __future__ import annotations

from typing import Any

from blocks_tokenizers.library import library
from blocks_tokenizers.specs import Trained

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""Radford et al. 2019, encoder.py."""
GPT4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""cl100k_base of OpenAI's tiktoken."""
BREAKS = r"[^\S ]+"
"""Runs of whitespace other than spaces."""
BYTE = r"<(?=0x[0-9A-F]{2}>)"
"""Where a text spells what the vocabulary calls a byte."""
SPACE = "▁"


def normalizer(spec: Trained) -> Any:
    """The normaliser of a tokenizer's options; None where nothing is changed.

    Accents go first, then case, and the form comes last, so that what is left has it.
    """
    known = library().normalizers
    steps: list[Any] = []
    if spec.strip_accents:
        steps += [known.NFD(), known.StripAccents()]
    if spec.lowercase:
        steps.append(known.Lowercase())
    if spec.normalize != "none":
        steps.append(getattr(known, spec.normalize.upper())())
    if spec.strip:
        steps.append(known.Strip())
    return known.Sequence(steps) if steps else None


def splitter(spec: Any, *, split: str) -> Any:
    """The pre-tokenizer of a tokenizer's options, beginning with `split`; None where nothing is split."""
    known, regex = library().pre_tokenizers, library().Regex
    steps: list[Any] = []
    match split:
        case "whitespace":
            steps.append(known.WhitespaceSplit())
        case "words":
            steps.append(known.Whitespace())
        case "bert":
            steps.append(known.BertPreTokenizer())
        case "gpt2" | "gpt4":
            steps.append(known.Split(regex(GPT2 if split == "gpt2" else GPT4), "isolated"))
        case "metaspace":
            scheme = "first" if getattr(spec, "prefix_space", False) else "never"
            steps.append(known.Split(regex(BREAKS), "isolated"))
            steps.append(known.Metaspace(replacement=SPACE, prepend_scheme=scheme, split=True))
    if getattr(spec, "byte_fallback", False):
        steps.append(known.Split(regex(BYTE), "isolated"))
    if spec.digits != "together":
        steps.append(known.Digits(individual_digits=spec.digits == "single"))
    if spec.punctuation:
        steps.append(known.Punctuation("isolated"))
    return known.Sequence(steps) if steps else None


def joiner(spec: Any, *, split: str) -> Any:
    """The decoder that goes with a split: None puts a space between tokens."""
    known = library().decoders
    if split == "metaspace":
        steps = [known.Replace(SPACE, " ")]
        if getattr(spec, "byte_fallback", False):
            steps.append(known.ByteFallback())
        steps.append(known.Fuse())
        if getattr(spec, "prefix_space", False):
            steps.append(known.Strip(" ", 1, 0))
        return known.Sequence(steps)
    return known.Fuse() if split == "gpt2" else None
