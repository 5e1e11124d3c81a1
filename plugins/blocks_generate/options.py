"""What may be said about generation, and what cannot be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blocks import Diagnostic, UsageError

IMPOSSIBLE = "B1701"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How texts are continued.

    max_new_tokens      tokens that a text grows by at most
    temperature         0 takes the likeliest token each time; default: 1, or with beams 0
    top_k, top_p, min_p leave out unlikely tokens before one is drawn (`sampling/`); None: no such filter
    repetition_penalty  divides the logits of tokens that are in the text already; 1: none
    beams               hypotheses that beam search keeps; None: no search
    length_penalty      alpha of Wu et al. 2016, equation 14, for beams; default: 0.6, as in Vaswani et al. 2017
    samples             texts a prompt; with beams, the best so many
    stop                strings that end a text, and are no part of it
    eos                 ids that end a text; None: what the tokenizer calls so
    start               id that a target of an encoder-decoder begins with; None: the tokenizer's bos, or its pad
    before, after       ids around what an encoder reads; before that of a prompt that is continued
    seed                of what is drawn
    batch               texts that are computed at once; changes the speed, not the texts
    chunk               tokens of a prompt that are read at once; changes speed and memory, not the texts
    compile             decode in one compiled graph, with a state of fixed size that is changed in place
    slide               when learned positions run out, go on with the last half of the context, read anew
    """

    max_new_tokens: int = 128
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    beams: int | None = None
    length_penalty: float | None = None
    samples: int = 1
    stop: Sequence[str] = ()
    eos: Sequence[int] | None = None
    start: int | None = None
    before: Sequence[int] = ()
    after: Sequence[int] = ()
    seed: int = 0
    batch: int = 16
    chunk: int = 512
    compile: bool = False
    slide: bool = False

    @property
    def heat(self) -> float:
        """The temperature, where nothing is said that of the model's own distribution."""
        if self.temperature is not None:
            return self.temperature
        return 0.0 if self.beams is not None else 1.0

    @property
    def alpha(self) -> float:
        """The length penalty of beam search."""
        return 0.6 if self.length_penalty is None else self.length_penalty

    def check(self) -> None:
        """Raise UsageError with everything that cannot be."""
        found = [Diagnostic(IMPOSSIBLE, message, help=help) for message, help in self._wrong()]
        if found:
            raise UsageError(found)

    def _wrong(self) -> Iterator[tuple[str, str]]:
        for name in ("max_new_tokens", "samples", "batch", "chunk", "top_k", "beams"):
            value = getattr(self, name)
            if value is not None and value < 1:
                yield f"{_spoken(name)} {value}: there is no less than 1", f"{_spoken(name)} 1"
        if self.seed < 0:
            yield f"seed {self.seed} is below 0", "seed 0"
        if not 0 <= self.heat < math.inf:
            yield (
                f"temperature {self.heat:g} is not a number from 0 on",
                "temperature 0 is greedy, 1 as the model says",
            )
        if self.top_p is not None and not 0 < self.top_p <= 1:
            yield (
                f"top-p {self.top_p:g} is no share of the probability that tokens can hold",
                "above 0, up to 1, such as 0.9",
            )
        if self.min_p is not None and not 0 <= self.min_p <= 1:
            yield (
                f"min-p {self.min_p:g} is no share of the likeliest token's probability",
                "0 to 1, such as 0.05",
            )
        if not 0 < self.repetition_penalty < math.inf:
            yield (
                f"repetition penalty {self.repetition_penalty:g} is not a number above 0",
                "1 changes nothing, 1.2 is usual",
            )
        if not math.isfinite(self.alpha):
            yield f"length penalty {self.alpha:g} is not a number", "0 is none, 0.6 is usual"
        if "" in self.stop:
            yield "an empty stop string would end every text before it begins", "leave it out"
        yield from self._at_odds()

    def _at_odds(self) -> Iterator[tuple[str, str]]:
        """Options that are good by themselves, and not together."""
        if self.beams is None:
            if self.length_penalty is not None:
                yield "a length penalty is for beam search, and beams says nothing", "beams 4"
            if self.heat == 0 and self.samples > 1:
                yield (
                    f"{self.samples} samples at temperature 0 are {self.samples} times the same text",
                    "a temperature above 0, or beams",
                )
            return
        if self.beams < 1:
            return
        if self.heat:
            yield (
                f"beams {self.beams} search for the likeliest text, and temperature {self.heat:g} draws one",
                ("leave one of the two out"),
            )
        drawn = [_spoken(name) for name in ("top_k", "top_p", "min_p") if getattr(self, name) is not None]
        if drawn:
            choose = "choose" if len(drawn) > 1 else "chooses"
            yield (
                f"{' and '.join(drawn)} {choose} what is drawn, and beams {self.beams} draw nothing",
                ("leave one of the two out"),
            )
        if self.samples > self.beams:
            yield f"{self.beams} beams cannot give {self.samples} samples", f"beams {self.samples}"


def _spoken(name: str) -> str:
    return name.replace("_", "-")
