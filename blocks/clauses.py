"""Reading a sentence: from words to what was said, clause by clause. `blocks.sentence` has the grammar."""

from __future__ import annotations

import re

from blocks.fields import family, fold, numeric_field
from blocks.naming import MAX_LENGTH, NEGATIONS, Namer
from blocks.options import PERCENT
from blocks.phrases import Meaning
from blocks.recipe import Recipe
from blocks.resolve import Resolver
from blocks.said import Range, Said
from blocks.usual import elided, head_option, usual

_TURNS = {"interleaved", "interleave", "interleaving", "alternating", "alternate", "alternately"}
_FILLERS = {"a", "an", "the", "with", "using", "decoder", "decoders", "encoder", "only", "in", "of"}
_NOUNS = {"block", "blocks", "layer", "layers"}


class Reading(Namer):
    """One pass over the words. What is found stands in `turns`, `scattered`, `settled`, `counts`, `sizes`, `wide`."""

    def __init__(self, recipe: Recipe, resolver: Resolver) -> None:
        super().__init__(recipe, resolver)
        self.turns: list[Said] = []
        self.turns_range: Range | None = None
        self.closed = False
        self.lost = False
        """Whether the first of those that take turns was not understood."""
        self.scattered: list[Said] = []
        self.settled: dict[str, Said] = {}
        self.groups: list[Range] = []
        self.shares: Range | None = None
        """`shared` right before a block."""

    # Reading

    def read(self) -> None:
        """Read all clauses, then look for what is missing."""
        if len(self.text) > MAX_LENGTH:
            message = f"a sentence has at most {MAX_LENGTH} characters"
            self.report("B0501", message, None, "write the blocks out")
            return
        before = len(self.resolver.problems)
        join, previous, turning = "", "", False
        while self.at < len(self.words) and not self.resolver.problems.full:
            word = fold(self.words[self.at].text)
            phrase = self.book.match(self.words, self.at) is not None
            if self.word(self.at) in (",", "and"):
                join = "and" if "and" in (join, self.word(self.at)) else ","
                self.at += 1
            elif phrase and self._shares_one():
                pass
            elif word in _TURNS:
                turning = True
                place = self.place(self.at, self.at + 1)
                self.at += 1
                self._start_turns(place)
                join, previous = "", "turns"
            elif not phrase and word == "parallel":
                self._group(turning)
                join, previous, turning = "", "turns", False
            elif not phrase and self._residual_of_norm(word):
                join, previous = "", "residual"
            elif not phrase and word in NEGATIONS and not self.negated_option() and self.negation():
                join, previous, turning = "", "", False
            elif not phrase and (self.count() or self.size()):
                join, previous, turning = "", "size", False
            elif (not phrase or self._names_option(join, previous, turning)) and self.wide_option():
                join, previous, turning = "", "option", False
            elif word in _FILLERS and not phrase:
                self.at += 1
            else:
                previous = self._clause(join, previous, turning)
                join, turning = "", False
        self._finish(understood=len(self.resolver.problems) == before)

    def _shares_one(self) -> bool:
        """`attention and shared FFN`: after other blocks, `shared` is about the next one alone."""
        found = self.book.match(self.words, self.at)
        if found is None or found[0].kind != "shared" or not (self.turns or "preset" in self.settled):
            return False
        after = self.book.match(self.words, found[1])
        if after is None or after[0].kind not in ("block", "mixer"):
            return False
        self.shares = self.place(self.at, found[1])
        self.at = found[1]
        return True

    def _names_option(self, join: str, previous: str, turning: bool) -> bool:
        """Whether a phrase such as `sliding window`, which means a mixer too, is an option of the blocks before it."""
        found = self.book.match(self.words, self.at)
        if found is None or found[0].component is None or turning:
            return False
        if previous == "turns" and (join == "and" or not self.closed):
            return False
        return numeric_field(found[0].component, self.slice(self.place(self.at, found[1]))) is not None

    def _finish(self, *, understood: bool) -> None:
        elided(self)
        preset = self.settled.get("preset")
        if preset is not None:
            usual(self, preset)
        head_option(self)
        self.spread([*self.turns, *self.scattered, *self.settled.values()], self.report)
        if understood and not self.turns:
            what = "only scattered blocks are named" if self.scattered else "no clause says which blocks"
            self.report("B0503", what, None, "add the blocks that take turns: interleaved Mamba-2 and FFN")
        if understood and self.resolver.sizes.depth is None and not self.counts:
            self.report(
                "B0503", "a sentence needs a depth", None,
                "add `depth: 24` above `model:`, or say it: 24 blocks, 12 layers",
            )  # fmt: skip

    def _start_turns(self, place: Range) -> None:
        if self.turns_range is not None:
            self.two_turns(place)
        self.turns_range = self.turns_range or place

    def two_turns(self, place: Range) -> None:
        """Report a second clause that says which blocks take turns."""
        assert self.turns_range is not None
        name, first = self.slice(place), self.slice(self.turns_range)
        self.report(
            "B0502", f"{name!r} and {first!r} both say which blocks take turns", place,
            f"give one of them a share, such as 8% {name}, or join them with `and`",
            (self.turns_range, "said here first"),
        )  # fmt: skip

    def _residual_of_norm(self, word: str) -> bool:
        """`pre-RMSNorm` and `post-LayerNorm` settle the residual and leave the norm to be read."""
        found = self.book.match_slot("norm", self.words, self.at + 1)
        if word not in ("pre", "post", "sandwich") or found is None:
            return False
        self._settle(Said(Meaning("residual", word), self.place(self.at, self.at + 1), {}))
        self.at += 1
        return True

    # Clauses

    def _clause(self, join: str, previous: str, turning: bool) -> str:
        """Read one clause; return what it was about."""
        start = self.at
        share = self._share()
        if share is not None and self.ends(self.at):
            place = self.place(start, self.at)
            self.report("B0501", f"{self.slice(place)} of which block?", place, "8% attention")
            return ""
        said = self.component(start, share)
        if said is None:
            self.lost = self.lost or turning
            return "turns" if turning or previous == "turns" else ""
        if said.meaning.kind not in ("block", "mixer"):
            if (
                said.meaning.kind == "preset"
                and isinstance(share, int)
                and fold(self.word(self.at)) in _NOUNS
            ):
                self.at += 1
                self.add_count((share,), self.words[self.at - 1].text, self.place(start, self.at))
                share = None
            elif said.meaning.kind == "preset" and fold(self.word(self.at)) in _NOUNS:
                self.at += 1
            if share is not None:
                message = f"{self.slice(said.range)!r}: only blocks have a share"
                self.report("B0501", message, said.range, "8% attention")
                return ""
            return self._settle(said)
        said.shared, self.shares = self.shares, None
        if share is None and self.value(self.at) is not None and self.word(self.at + 1) in PERCENT:
            share = said.share = self._share()
            said.range = (said.range[0], self.words[self.at - 1].end)
        if fold(self.word(self.at)) in _NOUNS:
            self.at += 1
        self.part(said)
        if not self._joined(said):
            return "turns" if self.at < len(self.words) and not self.ends(self.at) else ""
        if share is not None:
            self._scatter(said)
            return "share"
        self._turn(said, join, previous, turning)
        return "turns"

    def _joined(self, said: Said) -> bool:
        """Whether the clause ends, or goes on with what may follow a block; reports it otherwise."""
        if self.ends(self.at) or self.words[self.at].depth != self.words[self.at - 1].depth:
            return True
        after = self.book.match(self.words, self.at)
        if after is None and not self._begins_clause():
            self.not_understood(self.at, f" after {self.slice(said.range)!r}")
            return False
        if after is not None and after[0].kind in ("block", "mixer"):
            place = self.place(self.at, after[1])
            pair = f"{self.slice(said.range)} and {self.slice(place)}"
            self.report("B0501", "a comma or `and` is missing before this", place, pair)
            self.at = after[1]
            return False
        return True

    def _begins_clause(self) -> bool:
        """Whether a clause without a phrase begins here: `with` and the like, a norm with its residual."""
        word = fold(self.word(self.at))
        return (word in _FILLERS and self.at + 1 < len(self.words)) or (
            word in ("pre", "post") and self.book.match_slot("norm", self.words, self.at + 1) is not None
        )

    def _scatter(self, said: Said) -> None:
        self.scattered.append(said)
        if len(self.scattered) == 2:
            first = self.scattered[0].range
            self.report(
                "B0502", "a sentence scatters one kind of block, here are two", said.range,
                "interleave one of them, or write the layout out", (first, "the first one"),
            )  # fmt: skip

    def _turn(self, said: Said, join: str, previous: str, turning: bool) -> None:
        goes_on = (
            previous == "turns"
            and (join == "and" or not self.closed)
            and bool(self.turns or turning or self.lost)
        )
        if self.turns_range is not None and not goes_on and not self._replaces(said):
            self.two_turns(said.range)
            return
        self.closed = self.closed or (join == "and" and bool(self.turns))
        self.turns.append(said)
        begin = self.turns_range[0] if self.turns_range else said.range[0]
        self.turns_range = (begin, max(said.range[1], self.turns_range[1] if self.turns_range else 0))

    def _replaces(self, said: Said) -> bool:
        """Whether a block takes the place of another one that a preset would have."""
        kinds = {self.family_of(turn) for turn in self.turns}
        return "preset" in self.settled and self.family_of(said) not in kinds

    def family_of(self, said: Said) -> str:
        """attention, recurrence or feed-forward; the name of a block of the recipe."""
        cls = said.meaning.component
        return family(cls) if cls is not None else str(said.meaning.value)

    def _share(self) -> int | str | None:
        """`8%`, `8 percent` or `4`, if that stands here, and no phrase that starts with a number."""
        if self.book.match(self.words, self.at) is not None:
            return None
        number = self.words[self.at].text
        if not re.fullmatch(r"\d+(\.\d+)?", number):
            return None
        self.at += 1
        after = fold(self.word(self.at))
        if self.word(self.at) == "%" or after == "percent":
            self.at += 1
            return f"{number}%"
        if "." in number or len(number) > 12:
            self.at -= 1
            return None
        return int(number)

    def _settle(self, said: Said) -> str:
        first = self.settled.setdefault(said.meaning.kind, said)
        if not first.same(said):
            this, other = self.slice(said.range), self.slice(first.range)
            self.report(
                "B0502", f"{this!r} contradicts {other!r}", said.range, "keep one of them",
                (first.range, "said here first"),
            )  # fmt: skip
        return said.meaning.kind

    # Groups

    def _group(self, turning: bool) -> None:
        """Read `parallel attention and FFN`: branches of one block."""
        start, number = self.at, len(self.groups)
        self.at += 1
        bracket = self.at < len(self.words) and self.words[self.at].depth > self.words[start].depth
        members: list[Said] = []
        while self.at < len(self.words):
            found = self.book.match(self.words, self.at)
            if found is None or found[0].kind not in ("block", "mixer"):
                break
            said = self.component(self.at, None)
            if said is None:
                break
            if fold(self.word(self.at)) in _NOUNS:
                self.at += 1
            said.group = number
            members.append(said)
            inside = self.at < len(self.words) and self.words[self.at].depth > self.words[start].depth
            joins = self.word(self.at) == "and" or (bracket and inside and self.word(self.at) == ",")
            after = self.book.match(self.words, self.at + 1) if joins else None
            if after is None or after[0].kind not in ("block", "mixer"):
                break
            self.at += 1
        place = self.place(start, max(self.at, start + 1))
        self.groups.append(place)
        if len(members) < 2:
            self.report(
                "B0510", f"{self.slice(place)!r} names {len(members)} of the blocks that run in parallel", place,
                "parallel attention and FFN",
            )  # fmt: skip
        for index, said in enumerate(members):
            self._turn(said, "and" if index else ",", "turns", turning or index > 0)
        self.closed = False
