"""`--set blocks.attention.n_heads=8`: parts of a recipe changed from outside.

    setting = path "=" value
    path    = part {"." part}       keys, and numbers that count the items of a list from 0, or from its end from -1
    value   = YAML on one line, read as strictly as a recipe; null removes a key

A setting is merged as the one key of a recipe that extends this one, by the rules of `blocks.extends`. A path may
begin with a stage (`stack.depth=24`, `head.lm.tied=true`) where the model has exactly one of that kind, or with a
stream and its stage (`encoder.stack.depth=24`); `model.` may stand before both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from blocks.builder import MAX_DEPTH, Place, Value
from blocks.diagnostics import Diagnostic, RecipeError, Span
from blocks.extends import KEY, located, merged
from blocks.reader import Document, read
from blocks.recipe import STAGES, Recipe
from blocks.suggest import did_you_mean

Step: TypeAlias = tuple[str | int, Span]
_STAGE_KEYS = (*STAGES, "heads")
_INDEX = re.compile(r"-?[0-9]{1,9}")


def changed(
    document: Document, settings: Mapping[str, object] | Sequence[str], origin: str = "set"
) -> Document:
    """The document with each setting made in turn; the places of what was set are in the settings.

    Errors call them `origin` and their number from 1. Raises RecipeError with everything that is wrong.
    """
    found: list[Diagnostic] = []
    texts: dict[str, str] = {}
    written = document.value
    for number, (path, value) in enumerate(_pairs(settings), start=1):
        setting = _Setting(f"{origin} {number}", path if value is None else f"{path}={value}", len(path))
        texts[setting.file] = setting.text
        try:
            document = setting.made(document, written)
        except RecipeError as error:
            found += error.diagnostics
    if found:
        raise RecipeError(found, {**document.sources, **texts})
    return document


def _pairs(settings: Mapping[str, object] | Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Path and value as text; no value where there is no `=`."""
    if isinstance(settings, Mapping):
        for path, value in settings.items():
            try:
                yield str(path), json.dumps(value, allow_nan=False, ensure_ascii=False)
            except (TypeError, ValueError, RecursionError):
                kind = type(value).__name__
                raise RecipeError.of(
                    "B0117", f"{str(path)[:80]!r} is set to a {kind}, which no recipe can hold"
                ) from None
    else:
        for text in settings:
            path, equals, value = text.partition("=")
            yield path, value if equals else None


@dataclass(frozen=True, slots=True)
class _Setting:
    file: str
    text: str
    equals: int

    def made(self, document: Document, written: Value) -> Document:
        """The document with this setting; `written` is it without any, as the reader knows it. Raises RecipeError."""
        if "\n" in self.text or "\r" in self.text:
            self._refuse(
                "B0117", "a setting is one line", 0, 1, "write lists as [a, b] and mappings as {a: 1}"
            )
        value = self.text[self.equals + 1 :]
        if not value.strip():
            help = "null removes a key" if self.equals < len(self.text) else "--set d_model=512"
            self._refuse("B0117", "a value is missing: write path=value", 0, self.equals, help)
        leaf = read(self.text, self.file, start=self.equals + 1)
        steps = self._steps(document.value, written)
        root, place = _put(
            document.value, document.root, steps, leaf.value, located(leaf.root, self.file), ()
        )
        others = {**document.others, self.file: self.text}
        removed = dict(document.removed)
        there = document.value
        for step, _ in steps:
            there = _inner(there, step)
        if leaf.value is None and there is not None:
            removed[tuple(step for step, _ in steps)] = steps[-1][1]
        return Document(
            root, document.file, document.text, place,
            path=document.path, others=others, removed=removed, folders=document.folders,
        )  # fmt: skip

    def _refuse(self, code: str, message: str, start: int, end: int, help: str | None = None) -> NoReturn:
        span = Span(1, start + 1, max(end, start + 1) + 1)
        raise RecipeError.of(code, message, file=self.file, span=span, help=help)

    def _steps(self, value: Value, written: Value) -> list[Step]:
        """The keys and indices of the path, each with its place; short forms are spelled out."""
        parts: list[Step] = []
        for match in re.finditer(r"[^.]*", self.text[: self.equals]):
            if match.end() == match.start() > 0 and self.text[match.start() - 1] != ".":
                continue  # the empty match behind a part
            word = match[0].strip()
            if not word:
                self._refuse("B0117", "a part of the path is missing", match.start(), match.start() + 1)
            start = match.start() + len(match[0]) - len(match[0].lstrip())
            parts.append((word, Span(1, start + 1, start + 1 + len(word), self.file)))
            if len(parts) > MAX_DEPTH:
                self._refuse("B0117", f"a path has at most {MAX_DEPTH} parts", start, start + len(word))
        first, span = parts[0]
        if first == KEY:
            help = "write it into a recipe of its own"
            self._unknown("extends is followed before settings are made", span, help)
        if isinstance(value, Mapping):
            parts = self._spelled_out(value, parts)
        return list(self._walk(value, parts, written))

    def _spelled_out(self, recipe: Mapping[str, Value], parts: list[Step]) -> list[Step]:
        """A path that begins with a stream or a stage, behind `model.` or not, with all that it leaves out."""
        rest = parts[1:] if parts[0][0] == "model" else parts
        if not rest or (rest is parts and parts[0][0] in recipe):
            return parts
        (first, span), model = rest[0], recipe.get("model")
        if isinstance(model, dict) and first in model:
            stages = {first: model[first]}
            inner = rest[1:]
            if not inner or inner[0][0] not in _STAGE_KEYS or not isinstance(model[first], list):
                return [("model", span), *rest]
            found, parts = self._only_stage(stages, *inner[0]), inner
        elif first in _STAGE_KEYS:
            found, parts = self._only_stage(model, str(first), span), rest
        else:
            return parts
        return [*((step, span) for step in found), *parts]

    def _unknown(self, message: str, span: Span, help: str | None) -> NoReturn:
        self._refuse("B0118", message, span.column - 1, span.end_column - 1, help)

    def _walk(self, here: Value, parts: list[Step], written: Value) -> Iterator[Step]:
        at = 0
        while at < len(parts):
            part, span = parts[at]
            taken = 1
            if isinstance(here, list):
                part = self._index(str(part), span, here)
                here = here[part]
            elif isinstance(here, dict):
                taken = next((n for n in range(len(parts) - at, 0, -1) if _joined(parts, at, n) in here), 1)
                part = _joined(parts, at, taken)
                if taken > 1:
                    span = Span(1, span.column, parts[at + taken - 1][1].end_column, self.file)
                if part not in here and at + taken < len(parts):
                    self._check_new(part, span, written, is_top=at == 0)
                here = here.get(part)
            else:
                here = None
            yield part, span
            at += taken
            written = _inner(written, part)

    def _check_new(self, part: str, span: Span, written: Value, *, is_top: bool) -> None:
        """Refuse a mapping that no recipe has, or whose name is nearly one that was `written` here."""
        known = list(written) if isinstance(written, dict) else []
        if is_top:
            model = written.get("model") if isinstance(written, dict) else None
            known += [*Recipe.model_fields, *(model if isinstance(model, dict) else ())]
            known += _STAGE_KEYS if isinstance(model, list | dict) else ()
        if part in known:
            return
        near = did_you_mean(part, known)
        if near or is_top:
            help = f"did you mean {near}?" if near else "begin with blocks, model, a stage or a stream"
            self._unknown(f"there is no {part!r} in this recipe", span, help)

    def _index(self, part: str, span: Span, items: list[Value]) -> int:
        last = len(items) - 1
        if not _INDEX.fullmatch(part):
            short = f"begin the path with {part}, or write " if part in STAGES else ""
            self._unknown(f"{part!r} is not the number of an item", span, f"{short}a number from 0 to {last}")
        if not -len(items) <= int(part) < len(items):
            self._unknown(f"there is no item {part}", span, f"the items count from 0 to {last}")
        return int(part) % len(items)

    def _only_stage(self, model: Value, key: str | int, span: Span) -> list[str | int]:
        """The path of the one stage with a key in a model, or in some of its streams, without the key."""
        if isinstance(model, str):
            self._unknown(f"the model is a sentence, which has no {key!r}", span, "set depth, or blocks.…")
        streams = model.items() if isinstance(model, dict) else [("", model)]
        found: list[list[str | int]] = [
            [*(("model", name) if name else ("model",)), str(index)]
            for name, stages in streams
            for index, stage in enumerate(stages if isinstance(stages, list) else ())
            if isinstance(stage, dict) and key in stage
        ]
        if not found:
            self._unknown(f"the model has no {key!r}", span, None)
        if len(found) > 1:
            shown = ", ".join(".".join(map(str, [*path, key])) for path in found[:8])
            self._unknown(f"the model has {len(found)} of {key!r}", span, f"say which: {shown}")
        return found[0]


def _inner(value: Value, part: str | int) -> Value:
    if isinstance(value, dict) and isinstance(part, str):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None


def _joined(parts: Sequence[Step], at: int, count: int) -> str:
    return ".".join(str(part) for part, _ in parts[at : at + count])


def _put(
    value: Any, place: Place, steps: list[Step], leaf: Value, leaf_place: Place, path: tuple[str | int, ...]
) -> tuple[Value, Place]:
    """The value and its places with a leaf put in at the end of the steps."""
    if any(isinstance(step, int) for step, _ in steps):
        step, *rest = steps
        key = step[0]
        inner, inner_place = _put(value[key], place.items[key], rest, leaf, leaf_place, (*path, key))
        copy = value.copy()
        copy[key] = inner
        return copy, Place(place.span, place.keys, {**place.items, key: inner_place})
    for key, span in reversed(steps):
        assert isinstance(key, str)
        leaf, leaf_place = {key: leaf}, Place(span, {key: span}, {key: leaf_place})
    made, there = merged(value, place, leaf, leaf_place, path)
    if isinstance(value, dict):  # the mapping stays where it is, though a part of it was set
        there = Place(place.span, there.keys, there.items)
    return made, there
