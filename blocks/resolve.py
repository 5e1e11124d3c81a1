"""From names and expressions to components: looks up slots, works out sizes, checks options, binds."""

from __future__ import annotations

import math
import types
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Union, get_args, get_origin

from pydantic import ValidationError

from blocks.component import Complaint, Component, Sizes
from blocks.diagnostics import PluginError
from blocks.expressions import ExpressionError, evaluate, is_name, resolve
from blocks.recipe import Recipe
from blocks.registry import Registry
from blocks.reporting import Reporter
from blocks.tokenizer import Tokenizer
from blocks.validation import Path, report_validation
from blocks.values import MAX_SIZE

TOKENIZER: Path = ("tokenizer",)


class Resolver(Reporter):
    """Turns the slots of one recipe into bound components, collecting every problem on the way."""

    def __init__(self, recipe: Recipe, registry: Registry) -> None:
        super().__init__(recipe.document)
        self.recipe = recipe
        self.registry = registry
        self.names: dict[str, int | float] = {}
        self.sizes = Sizes(d_model=1)

    def _expression(self, error: ExpressionError, path: Path) -> None:
        self.report(error.code, error.message, path, help=error.help, within=(error.start, error.end))

    # Sizes

    def resolve_sizes(self, vocab_size: int | None) -> bool:
        """Work out d_model, vocab_size, depth and `let`, in any order; false when one cannot be."""
        recipe = self.recipe
        top = {"d_model": recipe.d_model, "vocab_size": recipe.vocab_size, "depth": recipe.depth}
        if top["vocab_size"] is None:
            top["vocab_size"] = vocab_size
        definitions = {name: value for name, value in top.items() if value is not None}
        for name in recipe.let:
            if name in top:
                self.report(
                    "B0316",
                    f"{name!r} is already a size of every recipe",
                    ("let", name),
                    key=True,
                    related=(((name,), f"{name} is set here"),),
                    help=f"change {name} at the top, or choose another name here",
                )
            elif not is_name(name):
                self.report(
                    "B0206",
                    f"{name!r} is not a name that an expression can use",
                    ("let", name),
                    key=True,
                    help="letters, digits and _, a letter first, and no function such as min",
                )
        definitions |= {name: value for name, value in recipe.let.items() if name not in top}  # type: ignore[misc]
        errors: list[ExpressionError] = []
        self.names = resolve(definitions, problems=errors)
        for error in errors:
            name = error.name or ""
            self._expression(error, (name,) if name in top else ("let", name))
        whole: dict[str, int] = {}
        for name in top:
            value = self.names.get(name)
            if value is None:
                continue
            if not isinstance(value, int) or value < 1:
                self.report(
                    "B0302",
                    f"{name} is {value}, not a whole number of at least 1",
                    (name,),
                    help=f"{name}: 512",
                )
            elif value > MAX_SIZE:
                self.report(
                    "B0302",
                    f"{name} is {value:,}, more than the {MAX_SIZE:,} allowed",
                    (name,),
                    help="sizes are decimal: 8k is 8,000",
                )
            else:
                whole[name] = value
        if "d_model" not in whole:
            return False
        self.sizes = Sizes(whole["d_model"], whole.get("vocab_size"), whole.get("depth"))
        return not errors

    def stand_in(self) -> None:
        """Give every size that could not be worked out some value, so that names can be looked up all the same."""
        known = {
            name: value
            for name, value in self.names.items()
            if isinstance(value, int) and 0 < value <= MAX_SIZE
        }
        top = {name: known.get(name, 512) for name in ("d_model", "vocab_size", "depth")}
        self.names = {**dict.fromkeys(self.recipe.let, 512), **top, **known}
        self.sizes = Sizes(**top)

    def assume_vocabulary(self) -> None:
        """Give the vocabulary some size, where it was said that it has none."""
        self.sizes = replace(self.sizes, vocab_size=512)

    def size(self, value: int | str | None, path: Path) -> int | None:
        """A whole number of at least 0 from a number or expression; None when absent or wrong."""
        if value is None:
            return None
        number: int | float = value if isinstance(value, int) else 0
        if isinstance(value, str):
            try:
                number = evaluate(value, self.names)
            except ExpressionError as error:
                self._expression(error, path)
                return None
        if not isinstance(number, int) or number < 0:
            message = f"{value} is not a whole number of at least 0"
            self.report("B0302", message, path, help=f"{path[-1]}: 24")
            return None
        return number

    # The tokenizer

    def tokenizer(self) -> Tokenizer | None:
        """The tokenizer that the recipe names, not yet checked; None where there is none, or when wrong."""
        if self.recipe.tokenizer is None:
            return None
        made = self._in_slot("tokenizer", self.recipe.tokenizer, TOKENIZER)
        assert made is None or isinstance(made, Tokenizer)
        folder = self.document.folder(TOKENIZER) if self.document is not None else None
        return None if made is None else made.beside(folder)

    def checked_tokenizer(self, tokenizer: Tokenizer | None) -> Tokenizer | None:
        """The same, checked against the sizes and bound to them; None when wrong."""
        if tokenizer is None:
            return None
        at = (*TOKENIZER, tokenizer.name) if isinstance(self.recipe.tokenizer, Mapping) else TOKENIZER
        checked = self.checked(tokenizer, at, at, self.sizes)
        assert checked is None or isinstance(checked, Tokenizer)
        return checked

    # Components

    def number(self, value: float | str, path: Path) -> float | None:
        """A factor from a number or expression; None when it is wrong."""
        if not isinstance(value, str):
            return float(value)
        try:
            return float(evaluate(value, self.names, fractions=True))
        except ExpressionError as error:
            self._expression(error, path)
            return None

    def slot(self, kind: str, slot: Any, path: Path, sizes: Sizes | None = None) -> Component | None:
        """The component of a slot, a name or `{name: {options}}`; None for `none` or when wrong.

        `sizes` are the model's where nothing else is said.
        """
        made = self._in_slot(kind, slot, path)
        at = (*path, made.name) if made is not None and isinstance(slot, Mapping) else path
        return None if made is None else self.checked(made, at, at, sizes or self.sizes)

    def _in_slot(self, kind: str, slot: Any, path: Path) -> Component | None:
        """The same, not yet checked: whoever owns the slot answers for what is in it."""
        if isinstance(slot, Component):
            return slot
        if slot == "none":
            return None
        if isinstance(slot, str):
            return self.made(kind, slot, {}, path, path)
        if isinstance(slot, Mapping) and len(slot) == 1:
            name, options = next(iter(slot.items()))
            if isinstance(name, str) and (options is None or isinstance(options, Mapping)):
                return self.made(kind, name, options or {}, (*path, name), (*path, name))
        article = "an" if kind[0] in "aeiou" else "a"
        several = list(slot) if isinstance(slot, Mapping) else []
        self.report(
            "B0207",
            f"{article} {kind} is a name, or a mapping of one name to its options",
            path,
            help=f"keep one of {', '.join(map(str, several))}"
            if several
            else "such as rmsnorm, or {rmsnorm: {eps: 1e-5}}",
        )
        return None

    def made(
        self, kind: str, name: str, options: Mapping[str, Any], at: Path, name_at: Path
    ) -> Component | None:
        """Look up and validate one component whose options stand at `at`; None when wrong."""
        try:
            cls = self.registry.find(kind, name).load()
        except PluginError as error:
            for found in error.diagnostics:
                is_key = name_at == at and name_at[-1:] == (name,)  # {name: {options}}
                self.report(found.code, found.message, name_at, key=is_key, help=found.help)
            return None
        values: dict[str, Any] = {}
        good = True
        numbers = {**self.names, **{k: v for k, v in options.items() if _is_number(v)}}
        for option, value in options.items():
            field = cls.model_fields.get(option)
            values[option] = value
            if field is None:
                continue
            slot_kind = component_kind(field.annotation)
            if slot_kind:
                before = self.reports
                values[option] = self._in_slot(slot_kind, value, (*at, option))
                good = good and self.reports == before
            elif isinstance(value, str) and takes_number(field.annotation):
                try:
                    number = evaluate(value, numbers, fractions=float in members_of(field.annotation))
                    if isinstance(number, float) and float not in members_of(field.annotation):
                        below = math.floor(number)
                        raise ExpressionError(
                            f"{value} is not a whole number: {number:.6g}", 0, len(value),
                            f"the nearest whole numbers are {below} and {below + 1}", code="B0303",
                        )  # fmt: skip
                    values[option] = number
                except ExpressionError as error:
                    self._expression(error, (*at, option))
                    good = False
                    values.pop(option, None)
        try:
            made: Component = cls(**values).named(name)
        except ValidationError as error:
            report_validation(error, values, cls, at, self.report)
            return None
        return made if good else None

    def checked(self, component: Component, at: Path, name_at: Path, sizes: Sizes) -> Component | None:
        """Check and bind a component to sizes; None when wrong."""
        try:
            complaints = list(component.check(sizes))
        except Exception as error:
            error.add_note(f"in {component.kind} {component.name!r} of {type(component).__module__}")
            raise
        self.complain(component, complaints, at, name_at, width=sizes.d_model)
        return None if complaints else component.bind(sizes)

    def complain(
        self,
        component: Component,
        complaints: Iterable[Complaint],
        at: Path,
        name_at: Path,
        *,
        width: int | None = None,
        owner: Path = (),
    ) -> None:
        """Report complaints about the options at `at`, or where the component is named.

        `width` is the one that the component was checked at; `owner` is the path of what its slot belongs to, whose
        keys a complaint may name beside the component's own.
        """
        for wrong in complaints:
            place = self._place(component, at, wrong.field)
            related = tuple(
                (self._place_beside(component, at, wrong.field, name, owner), f"{name} is set here")
                for name in wrong.related
                if name != "d_model" or width in (None, self.sizes.d_model)
            )
            self.report(
                wrong.code,
                wrong.message,
                place or name_at,
                label=wrong.label if place else "",
                help=wrong.help,
                related=related,
            )

    def _place(self, component: Component, at: Path, field: str) -> Path | None:
        """The path of an option, `position.theta` for one of a slot; as much of it as is written, None if nothing.

        None as well for no option, where a complaint is about the component as a whole.
        """
        if not field:
            return None
        path = at
        for option in field.split("."):
            path = (*path, option)
            inner = component.slots().get(option)
            if inner is not None:
                path, component = (*path, inner.name), inner
        if self.document is None:
            return path
        while len(path) > len(at) and not self.written(path):
            path = path[:-1]
        return path if len(path) > len(at) else None

    def _place_beside(self, component: Component, at: Path, field: str, name: str, owner: Path) -> Path:
        """The path of another option than `field`: of the same slot, of the block, of the owner, or of the recipe."""
        place = self._place(component, at, field[: field.rfind(".") + 1] + name)
        if place is not None and place[-1] == name:
            return place
        return next((path for path in ((*at, name), (*owner, name)) if self.written(path)), (name,))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def members_of(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the annotation alone."""
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(inner for arg in get_args(annotation) for inner in members_of(arg))
    return (annotation,)


def component_kind(annotation: Any) -> str | None:
    """The kind of component that a field takes, if it is a slot."""
    for member in members_of(annotation):
        if isinstance(member, type) and issubclass(member, Component):
            return member.kind
    return None


def takes_number(annotation: Any) -> bool:
    """Whether a field takes a number, and no text."""
    members = members_of(annotation)
    return str not in members and any(member in (int, float) for member in members)
