"""How near a checkpoint runs here to how transformers runs it: logits, decoding, and the way back, in numbers.

`figures` does for one peer, a tiny model of transformers with random weights, what the tests ask of every family
and what the table in docs shows.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor, nn

import blocks

TOKENS = 64
"""Tokens that are decoded greedily."""


@dataclass(frozen=True)
class Peer:
    """A tiny model of transformers.

    kind       how it is called and what is compared: a key of PARITY
    pads       whether transformers decodes left-padded batches as it decodes each row alone
    cache      whether transformers decodes with its cache as it does without
    decodes    whether transformers can decode it at all
    scale      standard deviation of what is added to each parameter, over its own
    """

    name: str
    make: Callable[[], Any]
    kind: str = "causal"
    pads: bool = True
    cache: bool = True
    decodes: bool = True
    scale: float = 0.3

    def model(self, seed: int = 0) -> Any:
        """The model in evaluation mode, every parameter randomised: norms and biases too."""
        torch.manual_seed(seed)
        made = self.make().eval()
        generator = torch.Generator().manual_seed(seed + 1)
        with torch.no_grad():
            for parameter in made.parameters():
                if not parameter.requires_grad:  # sinusoids
                    continue
                spread = parameter.std() if parameter.numel() > 1 else parameter.abs().mean()
                noise = torch.randn(parameter.shape, generator=generator)
                parameter += self.scale * max(float(spread), 0.2) * noise
        return made


def relative(ours: Tensor, theirs: Tensor, mask: Tensor | None = None) -> float:
    """The largest difference over the largest value, at real tokens."""
    if mask is not None:
        ours, theirs = ours[mask], theirs[mask]
    assert ours.shape == theirs.shape, f"{list(ours.shape)} here, {list(theirs.shape)} there"
    return float((ours - theirs).abs().max() / theirs.abs().max())


def batch(vocab_size: int, rows: int = 3, columns: int = 23, left: bool = False) -> tuple[Tensor, Tensor]:
    """Tokens int64 [B, T] of ragged rows, and bool [B, T], true at real ones."""
    generator = torch.Generator().manual_seed(7)
    tokens = torch.randint(4, vocab_size, (rows, columns), generator=generator)
    lengths = torch.tensor([columns - 5 * row for row in range(rows)])[:, None]
    place = torch.arange(columns)
    return tokens, (place >= columns - lengths) if left else (place < lengths)


def positions(mask: Tensor) -> Tensor:
    """The position of each token of padded rows: the real tokens before it."""
    return (mask.cumsum(dim=1) - 1).clamp(min=0)


def call(theirs: Any, tokens: Tensor, mask: Tensor) -> Tensor:
    """The logits of a causal model of transformers, with positions where it takes them."""
    taken = inspect.signature(theirs.forward).parameters
    given: dict[str, Any] = {"input_ids": tokens, "attention_mask": mask.long(), "use_cache": False}
    if "position_ids" in taken:
        given["position_ids"] = positions(mask)
    logits: Tensor = theirs(**given).logits
    return logits


@torch.no_grad()
def greedy(model: nn.Module, tokens: Tensor, mask: Tensor | None, count: int) -> Tensor:
    """The tokens that a causal model of ours continues with, step by step from its state: int64 [B, count]."""
    found = []
    logits, state = model(tokens, None, mask)
    for _ in range(count):
        tokens = logits[:, -1:].argmax(dim=-1)
        found.append(tokens)
        logits, state = model(tokens, state)
    return torch.cat(found, dim=1)


def generated(theirs: Any, tokens: Tensor, mask: Tensor, count: int, cache: bool = True) -> Tensor:
    """The same of a model of transformers, by its own `generate`."""
    config = transformers.GenerationConfig(
        do_sample=False, max_new_tokens=count, min_new_tokens=count, use_cache=cache, pad_token_id=0
    )
    theirs.generation_config = config
    whole: Tensor = theirs.generate(tokens, attention_mask=mask.long(), generation_config=config)
    return whole[:, -count:]


# Each kind of model: what it is called with here and there, and what is compared


def causal(peer: Peer, ours: nn.Module, theirs: Any) -> dict[str, float]:
    """Whole rows, rows padded on the right, and on the left."""
    vocab = theirs.config.vocab_size
    found = {}
    tokens, _ = batch(vocab)
    found["logits"] = relative(
        ours(tokens)[0], call(theirs, tokens, torch.ones_like(tokens, dtype=torch.bool))
    )
    for left in (False, True):
        tokens, mask = batch(vocab, left=left)
        logits, _ = ours(tokens, None, mask)
        if peer.pads:
            expected = call(theirs, tokens, mask)
        else:  # each row alone
            expected = torch.zeros_like(logits)
            for row, real in enumerate(mask):
                alone = tokens[row, real][None]
                expected[row, real] = call(theirs, alone, torch.ones_like(alone, dtype=torch.bool))[0]
        found["padded left" if left else "padded right"] = relative(logits, expected, mask)
    return found


def masked(peer: Peer, ours: nn.Module, theirs: Any) -> dict[str, float]:
    """Logits of every token, whole and padded, with token types where the model has them."""
    found = {}
    for name, real, expected, outputs in _both(ours, theirs):
        found[name] = relative(_one(outputs), expected.logits, real)
    return found


def heads(peer: Peer, ours: nn.Module, theirs: Any) -> dict[str, float]:
    """The two heads of BERT's pretraining."""
    found = {}
    for name, real, expected, outputs in _both(ours, theirs):
        found[name] = relative(outputs["words"], expected.prediction_logits, real)
        found[f"next, {name}"] = relative(outputs["next"], expected.seq_relationship_logits)
    return found


def classes(peer: Peer, ours: nn.Module, theirs: Any) -> dict[str, float]:
    """Logits of classes, one vector a row."""
    return {
        name: relative(_one(outputs), expected.logits) for name, _, expected, outputs in _both(ours, theirs)
    }


def encoder(peer: Peer, ours: nn.Module, theirs: Any) -> dict[str, float]:
    """Last hidden states, and what is pooled of them."""
    found = {}
    for name, real, expected, outputs in _both(ours, theirs):
        states = outputs["states"] if isinstance(outputs, dict) else outputs
        found[name] = relative(states, expected.last_hidden_state, real)
        if getattr(expected, "pooler_output", None) is not None:
            found[f"pooled, {name}"] = relative(outputs["pooled"], expected.pooler_output)
    return found


def _both(ours: nn.Module, theirs: Any) -> Iterator[tuple[str, Tensor, Any, Any]]:
    """What is compared, real tokens, outputs there and here: whole rows and padded ones."""
    tokens, mask = batch(theirs.config.vocab_size)
    for name, real in (("whole", torch.ones_like(mask)), ("padded", mask)):
        given = tokens.masked_fill(~real, theirs.config.pad_token_id or 0)
        there, here = _types(theirs, given)
        yield (
            name,
            real,
            theirs(given, attention_mask=real.long(), **there),
            ours(given, None, real, **here)[0],
        )


def seq2seq(peer: Peer, ours: nn.Module, theirs: Any) -> dict[str, float]:
    """Logits of a target after a padded source, whole and padded."""
    found = {}
    source, mask = batch(theirs.config.vocab_size)
    target, real = batch(theirs.config.vocab_size, columns=17)
    for name, seen, given in (("logits", torch.ones_like(mask), None), ("padded", mask, real)):
        there = {} if given is None else {"decoder_attention_mask": given.long()}
        expected = theirs(
            input_ids=source, attention_mask=seen.long(), decoder_input_ids=target, use_cache=False, **there
        )
        logits, _ = ours(source, target, None, seen, given)
        found[name] = relative(_one(logits), expected.logits, real if given is not None else None)
    return found


def image(peer: Peer, ours: nn.Module, theirs: Any) -> dict[str, float]:
    """Logits of images; last hidden states where there is no head."""
    config = theirs.config
    generator = torch.Generator().manual_seed(7)
    pixels = torch.randn(3, config.num_channels, config.image_size, config.image_size, generator=generator)
    expected = theirs(pixels)
    outputs, _ = ours(pixels)
    if hasattr(expected, "logits"):
        return {"logits": relative(_one(outputs), expected.logits)}
    states = outputs["states"] if isinstance(outputs, dict) else outputs
    found = {"states": relative(states, expected.last_hidden_state)}
    if getattr(expected, "pooler_output", None) is not None:
        found["pooled"] = relative(outputs["pooled"], expected.pooler_output)
    return found


def _one(outputs: Any) -> Tensor:
    """The logits: the only output, or the first of several heads."""
    found: Tensor = next(iter(outputs.values())) if isinstance(outputs, dict) else outputs
    return found


def _types(theirs: Any, tokens: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Token types for there and for here, where the model has more than one."""
    if getattr(theirs.config, "type_vocab_size", 1) < 2:
        return {}, {}
    types = (torch.arange(tokens.shape[1]) > tokens.shape[1] // 2).long().expand_as(tokens)
    return {"token_type_ids": types}, {"types": types}


PARITY: dict[str, Callable[[Peer, nn.Module, Any], dict[str, float]]] = {
    "causal": causal, "masked": masked, "heads": heads, "classes": classes, "encoder": encoder, "seq2seq": seq2seq,
    "image": image,
}  # fmt: skip


@torch.no_grad()
def parity(peer: Peer, ours: nn.Module, theirs: Any) -> dict[str, float]:
    """Largest difference over largest value, by what was compared."""
    return PARITY[peer.kind](peer, ours, theirs)


@torch.no_grad()
def decoding(peer: Peer, ours: nn.Module, theirs: Any, count: int = TOKENS) -> dict[str, int] | None:
    """How many of `count` tokens decoded greedily agree from the start on, the least of all rows; None: it does not.

    Whole rows, and rows padded on the left: those one by one where transformers' own decoding reads the padding.
    """
    if not peer.decodes or peer.kind not in ("causal", "seq2seq"):
        return None
    vocab = theirs.config.vocab_size
    if peer.kind == "seq2seq":
        return {"decoded": _seq2seq_decoding(ours, theirs, vocab, count)}
    tokens, _ = batch(vocab, columns=19)
    whole = torch.ones_like(tokens, dtype=torch.bool)
    found = {
        "decoded": _agree(
            greedy(ours, tokens, None, count), generated(theirs, tokens, whole, count, peer.cache)
        )
    }
    tokens, mask = batch(vocab, columns=19, left=True)
    if peer.pads:
        expected = generated(theirs, tokens, mask, count, peer.cache)
    else:
        rows = [tokens[row, real][None] for row, real in enumerate(mask)]
        expected = torch.cat(
            [generated(theirs, row, torch.ones_like(row), count, peer.cache) for row in rows]
        )
    return found | {"decoded, padded left": _agree(greedy(ours, tokens, mask, count), expected)}


def _agree(ours: Tensor, theirs: Tensor) -> int:
    """Tokens from the first on in which all rows agree."""
    same = (ours == theirs).all(dim=0)
    return len(same) if bool(same.all()) else int((~same).nonzero()[0])


def _seq2seq_decoding(ours: nn.Module, theirs: Any, vocab: int, count: int) -> int:
    source, mask = batch(vocab)
    start = theirs.config.decoder_start_token_id
    config = transformers.GenerationConfig(
        do_sample=False, max_new_tokens=count, min_new_tokens=count, pad_token_id=0, decoder_start_token_id=start,
        num_beams=1,
    )  # fmt: skip
    theirs.generation_config = config
    expected = theirs.generate(source, attention_mask=mask.long(), generation_config=config)[:, -count:]
    token = torch.full((source.shape[0], 1), start)
    state, found = None, []
    for _ in range(count):
        logits, state = ours(source if state is None else None, token, state, mask)
        token = _one(logits)[:, -1:].argmax(dim=-1)
        found.append(token)
    return _agree(torch.cat(found, dim=1), expected)


def round_trip(ours: nn.Module, theirs: Any, there: Path, back: Path) -> dict[str, bool]:
    """Whether what is written is what was read: the tensors bit by bit, and the model that transformers loads."""
    back.mkdir()
    keep = json.loads((there / "config.json").read_text())
    family = blocks.save_checkpoint(ours, back, prefer=theirs.config.model_type, keep=keep)
    if family is None:
        return {"written": False}
    old, new = _tensors(there), _tensors(back)
    same = all(name in old and torch.equal(tensor, old[name]) for name, tensor in new.items())
    again, info = type(theirs).from_pretrained(back, output_loading_info=True)
    states, before = again.state_dict(), theirs.state_dict()
    whole = all(torch.equal(states[name], before[name]) for name in before)
    clean = not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    return {
        "written": True,
        "tensors": same,
        "loads": clean,
        "model": whole,
        "family": family == theirs.config.model_type,
    }


def _tensors(folder: Path) -> dict[str, Tensor]:
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}
