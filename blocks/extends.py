"""`extends: base.yaml`: a recipe that says only what is different from another one.

The base is a file beside or below the recipe that names it, or a published architecture. It is merged as RFC 7396
merges a patch: mappings key by key, `null` removes a key that the base has, everything else replaces what was
there. Three things are the recipe's own business and are not merged: `recipe`, `about` and `model`. What is a
choice follows the choice: another `mixer` resets the block's other options, as an override does, and another
`{name: {options}}` in a slot takes the place of the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import TypeAlias

from blocks.builder import Place, Value
from blocks.diagnostics import Diagnostic, Label, RecipeError, Span
from blocks.published import published
from blocks.reader import MAX_BYTES, Document, read_file
from blocks.recipe import Block
from blocks.registry import TRAINING
from blocks.suggest import did_you_mean

Refuse: TypeAlias = Callable[..., RecipeError]
"""`refuse(code, message, help=None)`."""

MAX_CHAIN = 16
KEY = "extends"
OWN = frozenset({"recipe", "about"})
_STRUCTURE = frozenset(Block.model_fields) - {"mixer", "parallel", "join"}
_FILE = (".yaml", ".yml")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]|^[/~]|^[A-Za-z]:")


def extended(document: Document) -> Document:
    """The document with everything that it extends merged in; itself where it extends nothing.

    The place of what comes from a base is in the base's file. Raises RecipeError.
    """
    chain = [document]
    known = [_identity(document)]
    while isinstance(chain[-1].value, Mapping) and KEY in chain[-1].value:
        base = _base(chain[-1], chain, known)
        chain.append(base)
        known.append(_identity(base))
    if len(chain) == 1:
        return document
    texts = {name: text for link in reversed(chain) for name, text in link.sources.items()}
    removed: dict[tuple[str | int, ...], Span] = {}
    value, place = chain[-1].value, located(chain[-1].root, chain[-1].file)
    for link in reversed(chain[:-1]):
        assert isinstance(value, dict)
        assert isinstance(link.value, dict)
        for own in OWN & value.keys():
            del value[own], place.items[own], place.keys[own]
        patch = {key: inner for key, inner in link.value.items() if key != KEY}
        root = link.root if link is document else located(link.root, link.file)
        removed |= dict(_removals(value, patch, root, ()))
        value, place = merged(value, place, patch, root, ())
    gone = {path: span for path, span in removed.items() if not _has(value, path)}
    folders = {link.file: link.path.parent for link in chain[1:] if link.path is not None}
    return Document(
        value, document.file, document.text, place,
        path=document.path, others=texts, removed=gone, folders=folders,
    )  # fmt: skip


def _removals(
    base: Value, patch: Value, place: Place, path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], Span]]:
    """Paths of what a patch takes out of the base, and where it says so."""
    if not isinstance(base, dict) or not isinstance(patch, dict):
        return
    for key in patch.keys() & base.keys():
        if patch[key] is not None:
            yield from _removals(base[key], patch[key], place.items[key], (*path, key))
        elif not _is_slot(path):
            yield (*path, key), place.keys[key]


def _has(value: Value, path: tuple[str | int, ...]) -> bool:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def _identity(document: Document) -> Path | None:
    return document.path.resolve() if document.path is not None else None


def _base(child: Document, chain: list[Document], known: list[Path | None]) -> Document:
    """Read what `child` extends. Raises RecipeError, always with the place that says so."""
    at = child.span((KEY,))
    at = at if len(chain) == 1 else replace(at, file=child.file)

    def refuse(code: str, message: str, help: str | None = None) -> RecipeError:
        problems = chain[0].problems()
        problems.others |= {link.file: link.text for link in chain[1:]}
        problems.add(code, message, at=at, help=help)
        return RecipeError(problems.diagnostics, problems.sources)

    assert isinstance(child.value, dict)
    wanted = child.value[KEY]
    if not isinstance(wanted, str) or not wanted:
        raise refuse(
            "B0203",
            "extends names one file or one published architecture",
            "extends: base.yaml, or extends: gpt2",
        )
    if wanted.endswith(_FILE):
        path, name = _file(wanted, child, refuse)
    else:
        path, name = _published(wanted, refuse)
    if path in known:
        ring = [*(link.file for link in chain[known.index(path) :]), name]
        raise refuse("B0115", f"this recipe extends itself: {' -> '.join(ring)}", "end the circle here")
    if len(chain) > MAX_CHAIN:
        raise refuse(
            "B0116", f"more than {MAX_CHAIN} recipes extend one another", "merge some of them into one"
        )
    try:
        base = read_file(path, name=name)
        if not isinstance(base.value, Mapping):
            problems = base.problems()
            problems.add("B0208", "a recipe is a mapping of keys to values", at=base.span(()))
            problems.raise_if_any(RecipeError)
    except RecipeError as error:
        raise _noted(error, replace(at, file=child.file), chain) from None
    if sum(len(link.text) for link in (*chain, base)) > MAX_BYTES:
        raise refuse(
            "B0109",
            f"with this base, the recipe and its bases are larger than {MAX_BYTES // 1024} KiB together",
            "name what repeats under `blocks:`, and repeat it in a layout",
        )
    return base


def _file(wanted: str, child: Document, refuse: Refuse) -> tuple[Path, str]:
    """The file of a base and what to call it; it is below the folder of the recipe that names it."""
    if child.path is None:
        raise refuse(
            "B0113",
            "a recipe that is not in a file has no folder to look for another in",
            "extend a published architecture by its name, or write the recipe to a file",
        )
    if _UNSAFE.search(wanted):
        raise refuse("B0114", f"{wanted!r} is not a relative path", "extends: folder/base.yaml")
    try:
        folder = child.path.parent.resolve()
        path = (folder / wanted).resolve()
        if not path.is_relative_to(folder):
            how = "`..`" if ".." in Path(wanted).parts else "a symbolic link"
            raise refuse(
                "B0114",
                f"{wanted!r} leads out of the folder of this recipe by {how}",
                "put the base beside this recipe or below it",
            )
        mode = path.stat().st_mode
    except FileNotFoundError:
        near = did_you_mean(Path(wanted).name, _files(path.parent))
        help = f"did you mean {Path(wanted).with_name(near)}?" if near else None
        raise refuse("B0113", f"there is no file {wanted!r} to extend", help) from None
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links in a circle
        reason = getattr(error, "strerror", None) or "its links lead in a circle"
        help = "extends: base.yaml, beside this recipe"
        raise refuse("B0113", f"{wanted!r} cannot be read: {reason}", help) from None
    if not S_ISREG(mode):
        raise refuse("B0113", f"{wanted!r} is not a file", "name a recipe in that folder")
    return path, str(Path(child.file).parent / wanted)


def _files(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in islice(folder.iterdir(), 1000) if path.name.endswith(_FILE))
    except OSError:
        return []


def _published(wanted: str, refuse: Refuse) -> tuple[Path, str]:
    known = published()
    if wanted not in known:
        near = did_you_mean(wanted, known)
        raise refuse(
            "B0113",
            f"no published architecture is called {wanted[:80]!r}",
            f"did you mean {near}?"
            if near
            else "a file is named with its .yaml; `blocks recipes` lists the names",
        )
    return known[wanted].resolve(), str(known[wanted])


def _noted(error: RecipeError, at: Span, chain: list[Document]) -> RecipeError:
    """The same findings, each with a note that says who extends the file."""
    note = Label(at, "extended here")
    found: list[Diagnostic] = [replace(d, notes=(*d.notes, note)) for d in error.diagnostics]
    return RecipeError(found, {**{link.file: link.text for link in chain}, **error.sources})


# Merging ----------------------------------------------------------------------------------------------------------


def located(place: Place, file: str) -> Place:
    """The same places, each of which names its file."""

    def there(span: Span) -> Span:
        return span if span.file else replace(span, file=file)

    return Place(
        there(place.span),
        {key: there(span) for key, span in place.keys.items()},
        {key: located(inner, file) for key, inner in place.items.items()},
    )


def merged(
    base: Value, base_place: Place, patch: Value, place: Place, path: tuple[str | int, ...]
) -> tuple[Value, Place]:
    """The base at `path` with the patch merged in, and the places of the parts of both."""
    if not isinstance(base, dict) or not isinstance(patch, dict) or _another_choice(base, patch, path):
        return patch, place
    kept = _kept(base, patch, path)
    value = {key: base[key] for key in kept}
    spans = {key: base_place.keys[key] for key in kept}
    items: dict[str | int, Place] = {key: base_place.items[key] for key in kept}
    for key, inner in patch.items():
        if inner is None and key in base and not _is_slot(path):
            for part in (value, spans, items):
                part.pop(key, None)
            continue
        known = key in kept and (*path, key) != ("model",)
        value[key], items[key] = (
            merged(value[key], items[key], inner, place.items[key], (*path, key))
            if known
            else (inner, place.items[key])
        )
        spans[key] = place.keys[key]
    for key in place.keys.keys() - patch.keys():
        spans[key], items[key] = place.keys[key], place.items[key]
    return value, Place(place.span, spans, items)


def _is_slot(path: tuple[str | int, ...]) -> bool:
    """Whether a mapping here is a choice with its options, `{name: {options}}`; the options may hold further ones."""
    if path[:1] == ("train",):
        return len(path) >= 2 and path[1] in TRAINING and len(path) % 2 == 0
    if path[:1] != ("model",):
        first = {"tokenizer": 1, "blocks": 3}.get(str(path[0]) if path else "", 0)
        return bool(first) and len(path) >= first and (len(path) - first) % 2 == 0
    inner = path[max((i + 1 for i, part in enumerate(path) if isinstance(part, int)), default=len(path)) :]
    match inner:
        case ("stack", "norm" | "out_norm", *more) | ("heads", _, *more) | ("stack", "override", _, _, *more):
            return len(more) % 2 == 0
        case ("embed" | "position" | "norm" | "head", *more):
            return len(more) % 2 == 0
    return False


def _another_choice(
    base: Mapping[str, Value], patch: Mapping[str, Value], path: tuple[str | int, ...]
) -> bool:
    return _is_slot(path) and base.keys() != patch.keys()


def _kept(base: Mapping[str, Value], patch: Mapping[str, Value], path: tuple[str | int, ...]) -> list[str]:
    """The keys of the base that a patch leaves in force; another mixer resets those that are the mixer's own."""
    is_block = len(path) == 2 and path[0] == "blocks"
    said, before = _choice(patch), _choice(base)
    if is_block and said is not None and said != before:
        return [key for key in base if key in _STRUCTURE]
    return list(base)


def _choice(block: Mapping[str, Value]) -> Value:
    """What a block is: its mixer, or that it has several."""
    return block.get("mixer", "parallel" in block or None)
