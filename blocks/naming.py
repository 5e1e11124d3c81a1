"""Reading what a sentence names: a phrase with its options; and telling where words are not understood."""

from __future__ import annotations

from blocks.component import Component
from blocks.counts import CountReader
from blocks.fields import fold
from blocks.phrases import Phrasebook, words_of
from blocks.recipe import Recipe
from blocks.resolve import Resolver
from blocks.said import Range, Said

MAX_LENGTH = 2000
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
        near = self.book.nearest(shown, 3)
        known = f"clauses such as: {'; '.join(near)}" if near else f"clauses such as: {_KNOWN}"
        help = f"did you mean {near[0]!r}?" if len(near) == 1 else known
        self.report("B0501", f"{shown[:60]!r} is not understood{what}", place, help)
        while not self.ends(end):
            end += 1
        self.at = end

    def component(self, start: int, share: int | str | None) -> Said | None:
        """Read a phrase and its options."""
        cross = fold(self.word(self.at)) == "cross" and self.book.match(self.words, self.at) is None
        found = self.book.match(self.words, self.at + cross)
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
        if meaning.component is not None:
            self._options_of(said, meaning.component)
        return said

    def _options_of(self, said: Said, cls: type[Component]) -> None:
        shown = self.slice(said.range)
        wrong = self.options(said, cls)
        if wrong is not None:
            place = self.place(*wrong)
            self.report(
                "B0501", f"{self.slice(place)[:60]!r} is not an option of {shown!r}", place,
                f"one of: {self.known_options(cls)}",
            )  # fmt: skip
