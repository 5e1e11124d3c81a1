"""Reading what a sentence names: a phrase with its options; and telling where words are not understood."""

from __future__ import annotations

from blocks.component import Component
from blocks.counts import CountReader
from blocks.fields import fold, is_number, option_names, spoken
from blocks.phrases import Meaning, Phrasebook, words_of
from blocks.published import published
from blocks.recipe import Recipe
from blocks.resolve import Resolver
from blocks.said import Range, Said
from blocks.suggest import did_you_mean

MAX_LENGTH = 2000
WHOLE = ("full", "global")
"""Words before an attention that has no window."""
NEGATIONS = ("no", "not", "without", "non")
STYLES = ("style", "styled", "like", "based", "architecture", "model")
"""Words after the name of an architecture."""
COUNTED = ("layers", "blocks")
_KNOWN = "8% attention; interleaved Mamba-2 and FFN; 24 layers; pre-norm; RMSNorm; RoPE; tied embeddings"


class Namer(CountReader):
    """Reads phrases of the book, and reports to the resolver."""

    def __init__(self, recipe: Recipe, resolver: Resolver) -> None:
        assert isinstance(recipe.model, str)
        book = Phrasebook(resolver.registry, recipe.blocks)
        super().__init__(recipe.model, words_of(recipe.model[:MAX_LENGTH]), book)
        self.resolver = resolver

    def report(
        self,
        code: str,
        message: str,
        place: Range | None,
        help: str | None,
        first: tuple[Range, str] | None = None,
    ) -> None:
        """Note a problem at characters of the sentence; `first` is a second place that explains it."""
        related: tuple[tuple[tuple[str | int, ...], str], ...] = ()
        if first is not None:
            path = ("model", "clause", first[0][0])
            self.resolver.aliases[path] = first[0]
            related = ((path, first[1]),)
        self.resolver.report(code, message, ("model",), within=place, help=help, related=related)

    def not_understood(self, start: int, what: str = "") -> None:
        """Report the words from `start` to the end of the clause, and go on behind them."""
        end = start
        while end < len(self.words) and (end == start or self.word(end) not in (",", "and", "with")):
            end += 1
        place = self.place(start, end)
        shown = self.slice(place)
        self.report("B0501", f"{shown[:60]!r} is not understood{what}", place, self._instead(start, end))
        while not self.ends(end):
            end += 1
        self.at = end

    def _instead(self, start: int, end: int) -> str:
        """What to write instead of the words from `start` up to `end`."""
        shown = self.slice(self.place(start, end))
        if self.word(start) == "every":
            return f"say it right behind a block: attention in {shown}"
        plain = [word.text for word in self.words[start:end] if word.text.casefold() not in STYLES]
        spelled = did_you_mean(shown, self.book.clauses)
        option = self._option_meant(start, end)
        if option is not None and spelled is None:
            return f"did you mean {option!r}?"
        recipes = _recipes_called("".join(plain))
        if recipes and spelled is None:
            return f"a recipe can start from it: extends: {' or '.join(recipes)}"
        near = self.book.nearest(shown, 3)
        if len(near) == 1:
            return f"did you mean {near[0]!r}?"
        return f"clauses such as: {'; '.join(near) if near else _KNOWN}"

    def _option_meant(self, start: int, end: int) -> str | None:
        """The name of an option, or of the depth, that was misspelled between the numbers of a clause."""
        words = [
            word.text for index, word in enumerate(self.words[start:end], start) if self.value(index) is None
        ]
        if not words or (len(words) == end - start and self.value(start - 1) is None):
            return None
        names = dict.fromkeys(name for cls in self.book.components for name in option_names(cls))
        return did_you_mean(" ".join(words), [*COUNTED, *names])

    def negation(self) -> bool:
        """Report `no RoPE`, `not tied` and the like, which say what is not; whether that stands here."""
        if fold(self.word(self.at)) not in NEGATIONS:
            return False
        found = self.book.match(self.words, self.at + 1)
        if found is None:
            return False
        place = self.place(self.at, found[1])
        self.report(
            "B0501",
            f"{self.slice(place)!r} is not understood",
            place,
            _positively(found[0], self.slice(place)),
        )
        self.at = found[1]
        return True

    def component(self, start: int, share: int | str | None) -> Said | None:
        """Read a phrase and its options."""
        first = self.at
        cross = fold(self.word(self.at)) == "cross" and self.book.match(self.words, self.at) is None
        found = self.book.match(self.words, self.at + cross) or self._whole_attention() or self._elliptic()
        if found is None or (cross and found[0].kind not in ("block", "mixer")):
            self.not_understood(self.at, " as the name of a block" if share is not None else "")
            return None
        meaning, self.at = found
        place = self.place(start, self.at)
        if meaning.rivals:
            rivals = " or ".join(meaning.rivals)
            self.report("B0512", f"{self.slice(place)!r} has several meanings", place, f"write {rivals}")
            return None
        said = Said(
            meaning, place, dict(meaning.options), dict.fromkeys(meaning.options, place), share, cross=cross
        )
        if fold(self.word(first)) in WHOLE and self._has_window(meaning):
            said.options["window"], said.places["window"] = None, place
        if meaning.component is not None:
            self._options_of(said, meaning.component)
            self._bare_number(said, meaning.component)
        return said

    def _bare_number(self, said: Said, cls: type[Component]) -> None:
        """Report the 10000 of `RoPE 10000`, which does not say what it is."""
        if cls.kind not in ("position", "norm") or self.value(self.at) is None or not self.ends(self.at + 1):
            return
        place, shown = self.place(self.at, self.at + 1), self.slice(said.range)
        name = next((spoken(name) for name in cls.model_fields if is_number(cls, name)), None)
        number = self.slice(place)
        help = f"{shown} {name} {number}" if name else f"leave {number} out"
        self.report("B0501", f"{number!r} does not say which option of {shown!r} it is", place, help)
        self.at += 1

    @staticmethod
    def _has_window(meaning: Meaning) -> bool:
        """Whether a component may or may not have a window."""
        fields = meaning.component.model_fields if meaning.component is not None else {}
        return "window" in fields and fields["window"].default is None

    def _whole_attention(self) -> tuple[Meaning, int] | None:
        """`global attention`, `full grouped-query attention`: one that could have a window, and has none."""
        found = self.book.match(self.words, self.at + 1) if fold(self.word(self.at)) in WHOLE else None
        return found if found is not None and self._has_window(found[0]) else None

    def _elliptic(self) -> tuple[Meaning, int] | None:
        """The first of `local and global attention`, which lacks the noun that the second one has."""
        if self.word(self.at + 1) != "and":
            return None
        before, self.at = self.at, self.at + 2
        second = self.book.match(self.words, self.at) or self._whole_attention()
        self.at = before
        if second is None:
            return None
        noun = self.words[second[1] - 1]
        if fold(self.word(self.at)) in WHOLE and self._has_window(second[0]):
            return second[0], self.at + 1
        found = self.book.match([self.words[self.at], noun], 0)
        return (found[0], self.at + 1) if found is not None and found[1] == 2 else None

    def _options_of(self, said: Said, cls: type[Component]) -> None:
        shown = self.slice(said.range)
        wrong = self.options(said, cls)
        if wrong is not None:
            place = self.place(*wrong)
            self.report(
                "B0501", f"{self.slice(place)[:60]!r} is not an option of {shown!r}", place,
                f"one of: {self.known_options(cls)}",
            )  # fmt: skip


def _recipes_called(text: str) -> list[str]:
    """The published recipes whose names begin so, at most three, those for tests left out."""
    wanted = fold(text)
    if len(wanted) < 2 or wanted.isdigit():
        return []
    found = [name for name in published() if fold(name.rpartition("/")[2]).startswith(wanted)]
    return sorted((name for name in found if not name.endswith("-tiny")), key=len)[:3]


def _positively(meaning: Meaning, shown: str) -> str:
    """What to say where someone says that something is not so."""
    instead = {
        "position": "no positions",
        "tied": "untied embeddings" if meaning.value else "tied embeddings",
        "norm": "no norm, or the name of another norm",
        "head": "no head",
        "residual": "name another one: " + "; ".join(
            name for value, name in _RESIDUALS.items() if value != meaning.value
        ),
        "form": "name another one: decoder-only; encoder-only; encoder-decoder",
    }  # fmt: skip
    if meaning.kind in instead and (meaning.kind != "residual" or meaning.value != "none"):
        return (
            f"write {instead[meaning.kind]}"
            if meaning.kind not in ("residual", "form")
            else instead[meaning.kind]
        )
    if meaning.kind in ("mixer", "block", "preset"):
        return "a model has the blocks that are named and no other: Mamba-2 and FFN"
    return f"leave {shown!r} out: it is only so where a sentence says so"


_RESIDUALS = {
    "pre": "pre-norm",
    "post": "post-norm",
    "sandwich": "sandwich norm",
    "deepnorm": "DeepNorm",
    "none": "no residual",
}
