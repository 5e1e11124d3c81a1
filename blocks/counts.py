"""Reading numbers of a sentence that belong to the whole model: its depth, its sizes, options of several blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from blocks.component import Component
from blocks.fields import adjectives, fold, meant
from blocks.options import Option, OptionReader
from blocks.phrases import Phrasebook, Word, words_of
from blocks.said import Count, Range, Said, Size

SIZES = {
    "d_model": ("d_model", "model width", "width", "hidden size"),
    "vocab_size": ("vocab_size", "vocabulary", "vocab", "vocabulary size"),
}
"""Size of a recipe -> what a person may call it."""
_SIZES = {fold(name): size for size, names in SIZES.items() for name in names}
_LAYERS = {"layer": "layers", "layers": "layers", "block": "blocks", "blocks": "blocks"}
_ORDINALS = {"other": 2, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8}
_REST = {"others", "rest", "remaining"}

Report = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Wide:
    """An option for every block that takes it, `8 heads`: where its words are."""

    start: int
    end: int
    range: Range


class CountReader(OptionReader):
    """Reads depths, sizes and options that stand as clauses of their own."""

    def __init__(self, text: str, words: list[Word], book: Phrasebook) -> None:
        super().__init__(text, words, book)
        self.counts: list[Count] = []
        self.sizes: list[Size] = []
        self.wide: list[Wide] = []

    # Depth

    def count(self) -> bool:
        """Read `24 layers`, `48 blocks`, `6 + 6 layers`, `6 encoder and 6 decoder layers`, `depth 48`."""
        start = self.at
        if self.word(start) == "depth":
            after = start + 1 + (self.word(start + 1) in ("of", "="))
            number = self._whole(after)
            if number is None:
                return False
            self.at = after + 1
            self.add_count((number,), "blocks", self.place(start, self.at))
            return True
        first = self._counted(start, "encoder")
        if first is None:
            return False
        number, unit, end = first
        numbers: tuple[int, ...] = (number,)
        if self.word(end) in ("and", ","):
            second = self._counted(end + 1, "decoder")
            if (
                second is not None
                and second[1]
                and (self.word(end) == "and" or "decoder" in self._texts(end, second[2]))
            ):
                numbers, unit, end = (number, second[0]), second[1], second[2]
        if not unit:
            return False
        self.at = end + (self.word(end) == "each")
        self.add_count(numbers, unit, self.place(start, self.at))
        return True

    def _counted(self, start: int, stream: str) -> tuple[int, str, int] | None:
        """A number, the name of a stream and the unit at a word; the last two may be missing."""
        number = self._whole(start)
        if number is None:
            return None
        end = start + 1 + (self.word(start + 1) == stream)
        unit = _LAYERS.get(self.word(end), "")
        return number, unit, end + bool(unit)

    def _texts(self, start: int, end: int) -> list[str]:
        return [self.word(index) for index in range(start, end)]

    def _whole(self, index: int) -> int | None:
        value = self.value(index)
        return value if isinstance(value, int) else None

    def add_count(self, numbers: tuple[int, ...], unit: str, place: Range) -> None:
        """Note a depth."""
        self.counts.append(Count(numbers, _LAYERS.get(unit.casefold(), unit), place))

    def part(self, said: Said) -> None:
        """Read `in 3 of 4 layers`, `in every 4th layer` or `in the other layers` after a block."""
        start = self.at
        at = start + (self.word(start) == "in")
        the = at + (self.word(at) == "the")
        if self.word(start) in ("elsewhere", "otherwise"):
            said.rest, end = True, start + 1
        elif at > start and self.word(the) in (*_REST, "other") and (the > at or self.word(the) != "other"):
            said.rest, end = True, the + 1
        elif self.word(at) == "every":
            number = self._ordinal(at + 1)
            if number is None:
                return
            said.part, end = (-1, number), at + 2
        else:
            some = self._whole(at) if at > start else None
            of = at + 1 + (self.word(at + 1) == "out")
            whole = self._whole(of + 1) if self.word(of) == "of" else None
            if some is None or whole is None:
                return
            said.part, end = (some, whole), of + 2
        if self.word(end) in _LAYERS:
            end += 1
        self.at = end
        said.part_range = self.place(start, end)
        said.range = (said.range[0], self.words[end - 1].end)

    def _ordinal(self, index: int) -> int | None:
        word = self.word(index)
        digits = word.rstrip("stndrh")
        return _ORDINALS.get(word) or (
            int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else None
        )

    # Sizes

    def size(self) -> bool:
        """Read `d_model 512`, `a vocabulary of 32k`, `32k vocabulary`."""
        value = self._whole(self.at)
        for length in (2, 1):
            begin = self.at + (value is not None)
            named = self.words[begin : begin + length]
            name = _SIZES.get(fold("".join(word.text for word in named))) if len(named) == length else None
            if name is None:
                continue
            end = begin + length
            if value is None:
                end += self.word(end) in ("of", "=")
                value, end = self._whole(end), end + 1
            if value is not None and value > 0:
                self.sizes.append(Size(name, value, self.place(self.at, end)))
                self.at = end
                return True
        return False

    # Options of several blocks

    def wide_option(self) -> bool:
        """Read `8 heads`, `window of 128`, `QK-norm`, `no bias`: an option of every block that has it."""
        ends = [
            found[3] for cls in self.book.components for found in [self.wide_in(cls)] if found is not None
        ]
        mixer = self.book.match(self.words, self.at + (self.value(self.at) is not None))
        if not ends or (
            mixer is not None and (mixer[1] > max(ends) or self.word(max(ends)) in ("in", "every"))
        ):
            return False  # 2 sliding-window attention, sliding window 128 in 3 of 4 layers
        self.wide.append(Wide(self.at, max(ends), self.place(self.at, max(ends))))
        self.at = max(ends)
        return True

    def negated_option(self) -> bool:
        """Whether an option is denied here, `no sliding window`, and no clause that has a longer name."""
        found = self.book.match(self.words, self.at + 1)
        if found is not None and found[0].component is None:
            return False
        ends = [one[3] for cls in self.book.components for one in [self.option(cls)] if one is not None]
        return bool(ends) and (found is None or max(ends) >= found[1])

    def wide_in(self, cls: type[Component]) -> Option | None:
        """The option at `at` of a component; `GELU` alone says the choice of one that a mixer has."""
        found = self.option(cls)
        if found is not None or cls.kind != "mixer":
            return found
        for end, text in self._names(self.at):
            for adjective, options in adjectives(cls) if self.ends(end) else ():
                name = next(iter(options), "")
                if len(options) == 1 and name == "activation" and fold(adjective) == fold(text):
                    return name, options[name], self.place(self.at, end), end
        return None

    def takers(self, option: Wide, found: Iterable[Said]) -> list[tuple[Said, str, object, Range]]:
        """Which of what was said takes an option, with its name, value and place there."""
        self.at, before = option.start, self.at
        taken = []
        for said in found:
            cls: type[Component] | None = said.meaning.component
            one = self.wide_in(cls) if cls is not None else None
            if cls is not None and one is not None and one[3] == option.end:
                taken += [(said, name, *one[1:3]) for name in meant(cls, one[0])]
        self.at = before
        return taken

    def spread(self, found: list[Said], report: Report) -> None:
        """Give the options that stand alone to all that take them and say nothing else; report those for none."""
        for option in self.wide:
            taken = self.takers(option, found)
            free = [one for one in taken if one[1] not in one[0].options]
            for said, name, value, place in free:
                said.options[name], said.places[name] = value, place
            for said, name, value, _ in taken if not free else ():
                if said.options[name] != value:
                    where = said.places.get(name, said.range)
                    report(
                        "B0502",
                        f"{self.slice(option.range)!r} contradicts {self.slice(where)!r}",
                        option.range,
                        "keep one of them",
                        (where, "said here"),
                    )
                    break
            if not taken:
                text = self.slice(option.range)
                report(
                    "B0508",
                    f"nothing here takes {text!r}",
                    option.range,
                    f"leave {text!r} out, or name what it is for",
                )

    def elided(self, option: Wide) -> Said | None:
        """The mixer that is named but for its last word: `sliding window 128` is sliding-window attention."""
        end = option.start
        while end < len(self.words) and self.value(end) is None and not self.ends(end):
            end += 1
        wanted = "".join(fold(word.text) for word in self.words[option.start : end])
        for cls in self.book.components:
            for phrase in cls.__dict__.get("phrases", ()):
                if (
                    wanted
                    and wanted in (fold(phrase), fold(phrase.rpartition(" ")[0]))
                    and cls.kind == "mixer"
                ):
                    meaning = self.book.meaning(phrase)
                    if meaning is not None and meaning.component is cls:
                        self.at, before = option.start, self.at
                        found = self.option(cls)
                        self.at = before
                        if found is not None:
                            return Said(meaning, option.range, {found[0]: found[1]}, {found[0]: found[2]})
        return None


def said_sizes(text: str, book: Phrasebook) -> dict[str, int]:
    """The sizes that a sentence gives itself: d_model, vocab_size."""
    reader = CountReader(text, words_of(text), book)
    for index in range(len(reader.words)):
        reader.at = index
        reader.size()
    return {size.name: size.value for size in reversed(reader.sizes)}
