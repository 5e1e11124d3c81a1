"""Pydantic's findings in our words: unknown keys with the nearest known one, missing keys, wrong values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError

from blocks.suggest import did_you_mean

MAX_FINDINGS = 1000
"""Findings of one text that are looked at; a hundred of them are shown."""

Path: TypeAlias = tuple[str | int, ...]
Report: TypeAlias = Callable[..., None]
"""`report(code, message, path, key=False, label="", help=None)`."""

_WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
    "none_required": "nothing",
}
_RANGE = {
    "greater_than": "greater than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "string_too_short": "at least {min_length} characters long",
    "string_too_long": "at most {max_length} characters long",
    "too_short": "at least {min_length} long",
    "too_long": "at most {max_length} long",
    "finite_number": "finite",
}


def report_validation(
    error: ValidationError, value: Any, model: type[BaseModel], prefix: Path, report: Report
) -> None:
    """Report each finding of `error` once, about `value` at `prefix` of the document."""
    groups: dict[tuple[Path, bool], list[Mapping[str, Any]]] = {}
    keys: dict[Path, Mapping[str, Any]] = {}
    for detail in islice(error.errors(include_url=False), MAX_FINDINGS):
        path, model_here = _real_path(detail["loc"], value, model, missing=detail["type"] == "missing")
        if detail["loc"][-1:] == ("[key]",):
            keys.setdefault(path, detail)
            continue
        groups.setdefault((path, detail["type"] == "missing"), []).append({**detail, "model": model_here})
    for path, wrong in keys.items():
        _report_key(wrong, (*prefix, *path), report)
    deeper = {path[:length] for path in (*(path for path, _ in groups), *keys) for length in range(len(path))}
    for (path, missing), details in groups.items():
        if missing or path not in deeper or any(d["type"] == "extra_forbidden" for d in details):
            _report_one(details, path, prefix, value, report)


def _report_key(detail: Mapping[str, Any], where: Path, report: Report) -> None:
    found = str(where[-1])
    shown = found if len(found) <= 60 else found[:57] + "..."
    report("B0206", f"{shown!r} is not a name", where, key=True, help=_name_help(detail))


def _name_help(detail: Mapping[str, Any]) -> str:
    pattern = str(detail.get("ctx", {}).get("pattern"))
    if pattern.startswith("^[a-z][a-z0-9_]"):
        return "a small letter, then small letters, digits and _"
    return "letters, digits and _ . + - make a name"


def without_unknown_keys(error: ValidationError, value: Any) -> Any:
    """A copy of `value` without the keys that `error` calls unknown, to look for further mistakes."""
    unknown = {d["loc"] for d in error.errors(include_url=False) if d["type"] == "extra_forbidden"}
    paths = {tuple(_real_path(loc, value, BaseModel, missing=False)[0]) for loc in unknown}

    def copy(here: Any, path: Path) -> Any:
        if isinstance(here, Mapping):
            return {key: copy(v, (*path, key)) for key, v in here.items() if (*path, key) not in paths}
        if isinstance(here, list):
            return [copy(v, (*path, index)) for index, v in enumerate(here)]
        return here

    return copy(value, ())


LOOKED_UP = ("B0201", "B0205", "B0410", "B0601")
"""Codes of names that are looked up: findings that hold whatever the sizes are."""
_SIZES = ("d_model", "vocab_size", "depth")


def with_stand_ins(error: ValidationError, value: Any) -> tuple[Any, bool]:
    """`value` with something valid where `error` found a wrong choice, name or size; whether sizes are guessed.

    What else is wrong stays, and so does whatever has no neutral stand-in.
    """
    guessed = False
    found: list[tuple[Path, str]] = []  # before anything is changed: one key may have several
    for detail in error.errors(include_url=False):
        if detail["type"] != "extra_forbidden":  # which is gone
            path, _ = _real_path(detail["loc"], value, BaseModel, missing=detail["type"] == "missing")
            found.append((path[:2] if path[:1] == ("train",) else path, detail["type"]))
    for path, kind in found:
        owner = _at(value, path[:-1]) if path else None
        if not isinstance(owner, dict):
            continue
        key = str(path[-1])
        if kind == "literal_error" or path[0] == "train":  # where every key has a default
            owner.pop(key, None)
        elif kind == "string_pattern_mismatch" or path == ("recipe",):
            owner[key] = "unnamed"
        elif key in _SIZES and (len(path) == 1 or path[-2] == "stack"):
            owner[key], guessed = 512, True
    return value, guessed


def _real_path(
    loc: Sequence[str | int], value: Any, model: type[BaseModel], *, missing: bool
) -> tuple[Path, type[BaseModel] | None]:
    """The part of pydantic's location that the value has (unions' tags it has not), and the model of its last key."""
    path: list[str | int] = []
    here: Any = value
    owner: type[BaseModel] | None = model
    below: type[BaseModel] | None = None
    for index, part in enumerate(loc):
        inside = (isinstance(here, Mapping) and part in here) or (
            isinstance(here, list | tuple) and isinstance(part, int) and part < len(here)
        )
        if inside:
            before, here = here, here[part]
            path.append(part)
            owner = below or owner
            if isinstance(before, Mapping) and owner is not None and part in owner.model_fields:
                below = _model_of(owner.model_fields[str(part)].annotation)
        elif missing and index == len(loc) - 1:
            path.append(part)
            owner = below or owner
    return tuple(path), owner


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_of(argument)
        if found is not None:
            return found
    return None


def _report_one(
    details: list[Mapping[str, Any]], path: Path, prefix: Path, value: Any, report: Report
) -> None:
    first = details[0]
    kind, context, model = first["type"], first.get("ctx", {}), first["model"]
    where = (*prefix, *path)
    if kind == "extra_forbidden":
        known = list(model.model_fields) if model is not None else []
        report("B0201", f"unknown key {path[-1]!r}", where, key=True, help=_nearest(str(path[-1]), known))
    elif kind == "missing":
        field = model.model_fields.get(str(path[-1])) if model is not None else None
        meaning = f": {field.description}" if field is not None and field.description else ""
        report(
            "B0202", f"the key {path[-1]!r} is missing", where[:-1], key=True, help=f"add {path[-1]}{meaning}"
        )
    elif kind == "value_error":
        message, _, help = str(context["error"]).partition("; ")
        report("B0204", message, where, help=help or None)
    else:
        known = model.model_fields if model is not None else {}
        key = next((str(part) for part in path[:-3:-1] if part in known), "")  # or that of the mapping it stands in
        purpose = f"{key}: {known[key].description}" if key and known[key].description else None
        _report_value(details, where, _at(value, path), report, purpose)


def _report_value(
    details: list[Mapping[str, Any]], where: Path, found: Any, report: Report, meaning: str | None
) -> None:
    """Report a value; `meaning` says what its key is for."""
    wanted: list[str] = []
    for detail in details:
        context = detail.get("ctx", {})
        if detail["type"] == "literal_error":
            choices = [
                choice.strip("' ") for choice in str(context["expected"]).replace(" or ", ", ").split(",")
            ]
            near = did_you_mean(str(found), choices)
            report(
                "B0205",
                f"{found!r} is not one of {', '.join(c for c in choices if c)}",
                where,
                help=f"did you mean {near!r}?" if near else meaning,
            )
            return
        if detail["type"] == "string_pattern_mismatch":
            report("B0206", f"{found!r} is not a name", where, help=_name_help(detail))
            return
        if detail["type"] in _RANGE:
            name = (
                f"{where[-1]} is {_short(found)}, and has"
                if where and isinstance(where[-1], str)
                else "it has"
            )
            bound = _RANGE[detail["type"]].format(**{k: _bare(v) for k, v in context.items()})
            report("B0302", f"{name} to be {bound}", where, help=meaning)
            return
        wanted.append(_WANTED.get(detail["type"], str(detail["msg"]).lower()))
    kinds = dict.fromkeys(wanted)
    if "a number" in kinds:
        kinds.pop("a whole number", None)
    expected = " or ".join(kinds)
    if "number" in expected:
        expected = expected.replace("text", "an expression")
    truth = str(found).lower() in ("yes", "no", "on", "off") and "true or false" in wanted
    report(
        "B0203",
        f"expected {expected}, found {_short(found)}",
        where,
        help="YAML 1.2 writes true and false" if truth else meaning or _shape(where, found, expected),
    )


def _shape(where: Path, found: Any, expected: str) -> str | None:
    """How a value of the expected type is written."""
    if expected == "a mapping" and len(where) == 2 and where[0] == "blocks":
        name = where[1]
        return f"{name}: {{mixer: {found if isinstance(found, str) else 'mlp'}}}"
    if expected == "a mapping":
        return "a mapping is written {key: value}, or as lines of `key: value`"
    if expected == "a list":
        return "a list is written [a, b], or as lines of `- a`"
    return f"write {expected} here" if found is None else "leave it out, or replace it"


def _bare(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, float) else value


ELSEWHERE = {
    "hidden_size": "d_model", "n_embd": "d_model", "dim": "d_model", "embed_dim": "d_model", "width": "d_model",
    "num_hidden_layers": "depth", "num_layers": "depth", "n_layers": "depth", "n_layer": "depth",
    "num_attention_heads": "n_heads", "num_heads": "n_heads", "n_head": "n_heads",
    "num_key_value_heads": "n_kv_heads", "num_kv_heads": "n_kv_heads",
    "intermediate_size": "d_ff", "ffn_dim": "d_ff", "ffn_hidden_size": "d_ff", "d_inner": "d_ff",
    "hidden_act": "activation", "rms_norm_eps": "eps", "layer_norm_eps": "eps", "n_vocab": "vocab_size",
    "max_position_embeddings": "max_len", "state_size": "d_state", "conv_kernel": "d_conv",
    "sliding_window": "window", "rope_theta": "theta", "tie_word_embeddings": "tied",
}  # fmt: skip
"""What other libraries call an option -> what it is called here."""


def _nearest(word: str, known: Iterable[str]) -> str:
    known = list(known)
    near = ELSEWHERE[word] if ELSEWHERE.get(word) in known else did_you_mean(word, known)
    return f"did you mean {near!r}?" if near else f"known keys: {', '.join(known)}" if known else "remove it"


def _at(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
