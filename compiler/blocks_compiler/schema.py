"""The recipe language as a JSON Schema (draft-07), with the options of every component that is installed.

Keys, types, bounds, defaults and descriptions are those of `blocks.recipe` and of the declarations that plugins
register. What validation cannot say in a type stands in `RecipeSchema`: which keys hold a component, that a
block's options are its mixer's, that a stage has one key. Editors complete and check recipes with it; what needs
arithmetic (divisibility, layouts, shapes) is left to `blocks check`.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.fields import FieldInfo

from blocks import Component, PluginError, Registry
from blocks.extends import KEY
from blocks.recipe import Block, Recipe, Stack, Stage
from blocks.registry import KINDS, Entry
from blocks.resolve import component_kind, takes_number
from blocks.training import Training
from blocks.values import Number, Slot

Schema: TypeAlias = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
EXPRESSION = {
    "pattern": r"^[A-Za-z0-9_ .+*/%(),-]+$",
    "patternErrorMessage": "a number, or an expression such as 4 * d_model or 32k, is expected here",
}
"""What editors can check of an expression; the message is an extension that yaml-language-server reads."""
QUALIFIED = r"^[A-Za-z0-9_.-]+:[A-Za-z0-9_.+-]+$"
ANY_NAME = {"type": "string", "pattern": QUALIFIED, "description": "distribution:name"}
HELD = {"embed": "embedding", "out_norm": "norm", "heads": "head", "adapter": "mixer"}
"""Key -> kind of component that it holds, where the key is not the kind itself."""


def recipe_schema(registry: Registry) -> Schema:
    """The schema of recipes that name what is in `registry`."""
    return RecipeSchema(registry).schema()


def schema_text(registry: Registry) -> str:
    """The schema as JSON, the same text for the same registry."""
    return json.dumps(recipe_schema(registry), indent=2, ensure_ascii=False) + "\n"


class RecipeSchema:
    """Writes the schema; `definitions` fills as parts refer to one another."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.definitions: dict[str, Schema] = {}

    def schema(self) -> Schema:
        """The whole schema."""
        self._define_blocks()
        self._define_stack()
        self.definitions["Stage"] = {**self._model(Stage), "minProperties": 1, "maxProperties": 1}
        self._define_training()
        recipe = _extending(self._model(Recipe))
        return {"$schema": DRAFT, **recipe, "definitions": dict(sorted(self.definitions.items()))}

    # Models of the language

    def _model(self, model: type[BaseModel]) -> Schema:
        """The object schema of a model of `blocks.recipe`."""
        found = model.model_json_schema(ref_template="#/definitions/{model}")
        properties = {
            name: self._tidy(value, HELD.get(name, name)) for name, value in found["properties"].items()
        }
        closed = {"additionalProperties": False} if model.model_config.get("extra") != "allow" else {}
        required = {"required": found["required"]} if found.get("required") else {}
        return {
            "type": "object",
            "description": _summary(model),
            "properties": properties,
            **required,
            **closed,
        }

    def _tidy(self, schema: Schema, kind: str) -> Schema:
        """Pydantic's schema of a key without its titles: unions flat, sizes as expressions, slots by name."""
        schema = {key: value for key, value in schema.items() if key != "title"}
        if schema.get("default", 0) is None:
            del schema["default"]
        for inner in ("items", "additionalProperties"):
            if isinstance(schema.get(inner), dict):
                schema[inner] = self._tidy(schema[inner], kind)
        if "patternProperties" in schema:
            named = {key: self._tidy(value, kind) for key, value in schema["patternProperties"].items()}
            schema |= {"patternProperties": named, "additionalProperties": False}
        members = schema.pop("anyOf", None)
        if members is None:
            return schema
        if all(member in members for member in _SLOT) and kind in KINDS:
            members = [self._slot(kind), *(member for member in members if member not in _SLOT)]
        elif all(member in members for member in _NUMBER):
            members = [{**m, **EXPRESSION} if m.get("type") == "string" else m for m in members]
        return {**schema, **_union([self._tidy(member, kind) for member in members])}

    def _define_blocks(self) -> None:
        """`Block`, an entry of the vocabulary, and `Change`, what an override says of some of its uses."""
        block = self._model(Block)
        own = block["properties"]
        cases = list(self._mixer_cases(own))
        own["mixer"] = {"description": own["mixer"]["description"], "anyOf": self._names("mixer")}
        beside = {"if": {"required": ["parallel"]}, "then": _closed(_keep(own))}
        either = {"anyOf": [{"required": ["mixer"]}, {"required": ["parallel"]}]}
        self.definitions["Block"] = {**block, "allOf": [*cases, beside, either]}
        options = _merged(case["then"]["properties"] for case in cases)
        same_mixer = {"if": {"not": {"required": ["mixer"]}}, "then": _closed({**options, **_keep(own)})}
        self.definitions["Change"] = {
            **block,
            "type": ["object", "null"],
            "description": "keys of a block that change",
            "allOf": [same_mixer, *cases],
        }

    def _mixer_cases(self, own: Mapping[str, Schema]) -> Iterable[Schema]:
        """For each mixer: where a block names it, the keys are the block's own and that mixer's options."""
        for name, entry in self._entries("mixer"):
            options = self._options(entry)
            if options is not None:
                chosen = {"properties": {"mixer": {"const": name}}, "required": ["mixer"]}
                yield {"if": chosen, "then": _closed({**options, **_keep(own)})}

    def _define_stack(self) -> None:
        stack = self._model(Stack)
        properties = stack["properties"]
        layout = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/definitions/Layout"}}]}
        self.definitions["Layout"] = {"description": "a block, a repeat `3 x [a, b]`, or a list", **layout}
        properties["layers"] = {
            "description": properties["layers"]["description"],
            "$ref": "#/definitions/Layout",
        }
        properties["override"] |= {"additionalProperties": {"$ref": "#/definitions/Change"}}
        self.definitions["Stack"] = stack

    def _define_training(self) -> None:
        training = self._model(Training)
        terms = training["properties"]["auxiliary"].pop("patternProperties")
        weight = next(iter(terms.values()))
        named = {name: {**weight, "description": _about(entry)} for name, entry in self._entries("auxiliary")}
        training["properties"]["auxiliary"] |= {"properties": named, "patternProperties": {QUALIFIED: weight}}
        self.definitions["Training"] = training

    # Components

    def _entries(self, kind: str) -> list[tuple[str, Entry]]:
        """What a recipe can write -> its entry; a name that several distributions claim is written with its own."""
        found = self.registry.of_kind(kind)
        claims: dict[str, set[str]] = {}
        for entry in found:
            claims.setdefault(entry.name, set()).add(entry.plugin.distribution)
        return sorted(
            {
                entry.name
                if len(claims[entry.name]) == 1
                else f"{entry.plugin.distribution}:{entry.name}": entry
                for entry in found
            }.items()
        )

    def _names(self, kind: str) -> list[Schema]:
        named = [{"const": name, "description": _about(entry)} for name, entry in self._entries(kind)]
        return [*named, ANY_NAME]

    def _slot(self, kind: str) -> Schema:
        """A reference to the schema of a slot: a name, or `{name: {options}}`."""
        name = f"slot.{kind}"
        if name not in self.definitions:
            self.definitions[name] = {}  # a component may hold another one of its own kind
            nothing = {"const": "none", "description": f"no {kind}"}
            *names, qualified = self._names(kind)
            full: Schema = {
                "type": "object",
                "properties": {name: self._full(entry) for name, entry in self._entries(kind)},
                "patternProperties": {QUALIFIED: {"type": ["object", "null"]}},
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            }
            self.definitions[name] = {"anyOf": [*names, nothing, qualified, full]}
        return {"$ref": f"#/definitions/{name}"}

    def _full(self, entry: Entry) -> Schema:
        options = self._options(entry)
        closed = {} if options is None else _closed(options)
        return {"type": ["object", "null"], "description": _about(entry), **closed}

    def _options(self, entry: Entry) -> dict[str, Schema] | None:
        """Option -> schema of a component; None where it cannot be imported."""
        try:
            component = entry.load()
        except PluginError:
            return None
        if not (isinstance(component, type) and issubclass(component, Component)):
            return None
        try:
            found = component.model_json_schema(ref_template="#/definitions/{model}").get("properties", {})
        except PydanticInvalidForJsonSchema:  # a type of the plugin's own: its options are known by name
            found = {}
        return {
            name: self._option(info, found.get(name, {})) for name, info in component.model_fields.items()
        }

    def _option(self, info: FieldInfo, found: Schema) -> Schema:
        """The schema of one option, of which pydantic says `found`."""
        kind = component_kind(info.annotation)
        if kind:
            return {"description": info.description or kind, **self._slot(kind)}
        schema = self._tidy(found, "")
        if takes_number(info.annotation) and "type" in schema:
            types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            schema |= {"type": [*types, "string"], **EXPRESSION}
        return schema


_NUMBER: list[Schema] = TypeAdapter(Number).json_schema()["anyOf"]
_SLOT: list[Schema] = TypeAdapter(Slot).json_schema()["anyOf"]


def _union(members: list[Schema]) -> Schema:
    """One schema of several: keywords bear on one type each, so those of different types stand side by side."""
    types = [member.get("type") for member in members]
    plain = all(isinstance(kind, str) for kind in types) and len(set(types)) == len(types)
    keywords = [key for member in members for key in member if key != "type"]
    if not plain or len(set(keywords)) < len(keywords) or {"enum", "const"} & set(keywords):
        return members[0] if len(members) == 1 else {"anyOf": members}
    return {"type": types, **{k: v for member in members for k, v in member.items() if k != "type"}}


def _merged(cases: Iterable[Mapping[str, Schema]]) -> dict[str, Schema]:
    """Every option of any mixer: its one schema, or the different ones that mixers have for it."""
    found: dict[str, list[Schema]] = {}
    for options in cases:
        for name, schema in options.items():
            known = found.setdefault(name, [])
            if schema not in known:
                known.append(schema)
    return {name: known[0] if len(known) == 1 else {"anyOf": known} for name, known in found.items()}


def _extending(recipe: Schema) -> Schema:
    """The schema of a recipe that may leave to another one, which it extends, whatever else is required."""
    properties = dict(recipe["properties"])
    blocks = properties.pop("blocks")
    properties["blocks"] = {"description": blocks.pop("description")}
    patch = {"type": "object", "additionalProperties": {"$ref": "#/definitions/Change"}}
    return {
        **recipe,
        "properties": properties,
        "required": ["recipe"],
        "if": {"required": [KEY]},
        "then": {"properties": {"blocks": patch}},
        "else": {"required": recipe["required"], "properties": {"blocks": blocks}},
    }


def _closed(properties: Mapping[str, Schema]) -> Schema:
    return {"properties": dict(properties), "additionalProperties": False}


def _keep(own: Iterable[str]) -> dict[str, Schema]:
    """Keys that another part of the schema describes."""
    return {name: {} for name in own}


def _about(entry: Entry) -> str:
    """What a listing says of a component, and where it was published."""
    try:
        component = entry.load()
    except PluginError as error:
        return f"cannot be used: {error.diagnostics[0].message}"
    return "\n\n".join(dict.fromkeys(text for text in (entry.help, _summary(component)) if text))


def _summary(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")
