"""Sizes as expressions: `4 * d_model`, `round_up(8 * d_model / 3, 256)`, `32k`, `8%`.

An expression is numbers, declared names, `+ - * / // % **`, parentheses and the functions min, max, round_up,
round and sqrt. It is parsed by Python's own grammar (`ast`) after every number and name was replaced by a blank of
the same length, and only the node types listed here are walked: nothing is ever handed to `eval`. Arithmetic
is exact (rational numbers, a decimal means what is written), and bounded in length, depth and magnitude.

Units are decimal, as in "a 32k vocabulary" or "8B parameters": k = 1000, M = 10**6, B = 10**9, T = 10**12.
The binary ones say so: Ki = 1024, Mi = 1024**2, Gi = 1024**3.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction

from blocks.suggest import did_you_mean

MAX_LENGTH = 1000
MAX_TOKENS = 200
MAX_DEPTH = 32
MAX_VALUE = 10**18
MAX_EXPONENT = 64
MAX_PROBLEMS = 100
FUNCTIONS = frozenset({"min", "max", "round_up", "round", "sqrt"})
UNITS: Mapping[str, int] = {
    "k": 1000, "K": 1000, "M": 10**6, "B": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30,
}  # fmt: skip

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    | (?P<number>(?:[0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?P<unit>[A-Za-z_][A-Za-z0-9_]*)?
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign>\*\*|//|[-+*/%(),])
    """,
    re.VERBOSE,
)
_SHARE = re.compile(r"\s*(-?[0-9]+(?:\.[0-9]+)?)\s*%\s*", re.ASCII)


_HELP = {
    "B0301": "numbers and names joined by + - * / // % **, such as 4 * d_model, or 32k",
    "B0304": "sizes are far below 10**18; a name under `let:` for a part makes an expression shorter",
}


class ExpressionError(ValueError):
    """An expression that cannot be read or worked out; `start` and `end` are character offsets in its text.

    `name` is the definition that it belongs to, when `resolve` found it.
    """

    def __init__(
        self, message: str, start: int = 0, end: int = 0, help: str | None = None, *, code: str = "B0301"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = end
        self.help = help or _HELP.get(code)
        self.code = code
        self.name: str | None = None


def is_name(text: str) -> bool:
    """Whether an expression can use this as the name of a size."""
    return text not in FUNCTIONS and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text) is not None


def evaluate(text: str, names: Mapping[str, int | float], *, fractions: bool = False) -> int | float:
    """Work out an expression exactly; a whole result is an int, another one a float.

    An expression of whole numbers has to come out whole (`512 / 12` is an error that names the neighbours),
    unless `fractions` allows otherwise. Divisions inside are exact: `round_up(8 * d_model / 3, 256)` is fine.
    Raises ExpressionError.
    """
    parsed = _Parsed(text)
    run = _Evaluation(parsed, names)
    try:
        value = run.value(parsed.tree)
    except RecursionError:
        raise ExpressionError("the expression is nested too deeply", 0, len(text), code="B0304") from None
    if value.denominator == 1:
        return int(value)
    if not (fractions or run.decimal):
        node = run.division if run.division is not None else parsed.tree
        below = math.floor(value)
        raise ExpressionError(
            f"{text.strip()} is not a whole number: {float(value):.6g}",
            *_extent(node),
            f"the nearest whole numbers are {below} and {below + 1}; "
            "`//` rounds down, `round_up(x, multiple)` rounds up",
            code="B0303",
        )
    return float(value)


def names_in(text: str) -> set[str]:
    """Return the names that an expression refers to, functions left out. Raises ExpressionError."""
    parsed = _Parsed(text)
    called = {node.func.col_offset for node in ast.walk(parsed.tree) if isinstance(node, ast.Call)}
    return {name for start, name in parsed.names.items() if start not in called}


def share(text: str) -> Fraction:
    """Read a share such as `8%` or `12.5%` as an exact fraction from 0 to 1. Raises ExpressionError."""
    match = _SHARE.fullmatch(text) if len(text) <= 64 else None
    if match is None:
        raise ExpressionError(
            f"{_short(text)} is not a share",
            0,
            len(text),
            "write a percentage, such as 8% or 12.5%",
            code="B0308",
        )
    value = Fraction(match[1]) / 100
    if not 0 <= value <= 1:
        raise ExpressionError(
            f"a share of {match[1]}% is out of range",
            0,
            len(text),
            "a share lies from 0% to 100%",
            code="B0309",
        )
    return value


def resolve(
    definitions: Mapping[str, int | float | str], *, problems: list[ExpressionError] | None = None
) -> dict[str, int | float]:
    """Work out definitions that may refer to one another, whatever their order.

    Returns the values in the order of the definitions. Without `problems` the first error is raised; with it,
    errors are appended to the list (each with its `name`) and the definitions concerned are left out.
    """
    found: list[ExpressionError] = []
    values: dict[str, int | float] = {}
    uses: dict[str, list[str]] = {}
    failed: set[str] = set()

    def fail(name: str, error: ExpressionError) -> None:
        error.name = name
        failed.add(name)
        if problems is None:
            raise error
        found.append(error)

    for name, definition in definitions.items():
        if isinstance(definition, str):
            try:
                uses[name] = sorted(names_in(definition) & definitions.keys())
            except ExpressionError as error:
                fail(name, error)
        else:
            values[name] = definition

    for first in uses:
        if len(found) >= MAX_PROBLEMS:
            break
        trail: dict[str, int] = {first: 0} if first not in values and first not in failed else {}
        while trail:
            name, position = trail.popitem()
            if position < len(uses[name]):
                needed = uses[name][position]
                trail[name] = position + 1
                if needed in trail:
                    if name in failed:
                        continue
                    ring = [*list(trail)[list(trail).index(needed) :], needed]
                    shown = ring if len(ring) <= 8 else [*ring[:4], "...", *ring[-3:]]
                    text = str(definitions[name])
                    place = re.search(rf"(?<![A-Za-z0-9_]){re.escape(needed)}(?![A-Za-z0-9_])", text)
                    start, end = place.span() if place else (0, len(text))
                    fail(
                        name,
                        ExpressionError(
                            f"{needed} depends on itself: {' -> '.join(shown)}",
                            start, end, "give one of them a number", code="B0305",
                        ),
                    )  # fmt: skip
                    failed.update(ring)
                elif needed not in values and needed not in failed:
                    trail[needed] = 0
            elif name not in failed and not failed.intersection(uses[name]):
                try:
                    values[name] = evaluate(str(definitions[name]), _Known(values, definitions))
                except ExpressionError as error:
                    fail(name, error)
            else:
                failed.add(name)
    if problems is not None:
        problems.extend(found[:MAX_PROBLEMS])
    return {name: values[name] for name in definitions if name in values}


class _Known(Mapping[str, int | float]):
    """The values so far; iterates over all definitions, for suggestions."""

    def __init__(self, values: Mapping[str, int | float], names: Mapping[str, object]) -> None:
        self._values, self._names = values, names

    def __getitem__(self, name: str) -> int | float:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class _Parsed:
    """The tree of an expression whose numbers and names stand, by their offset, in two tables."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise ExpressionError(
                f"the expression is {len(text)} characters long, at most {MAX_LENGTH} are read",
                0, MAX_LENGTH, code="B0304",
            )  # fmt: skip
        self.text = text
        self.numbers: dict[int, tuple[Fraction, bool]] = {}
        self.names: dict[int, str] = {}
        blank = self._blank_out()
        try:
            self.tree: ast.expr = ast.parse(blank.replace("\n", " ").replace("\r", " "), mode="eval").body
        except SyntaxError as error:
            start = min(max((error.offset or 1) - 1, 0), max(len(text) - 1, 0))
            raise ExpressionError(
                f"{_short(text)} is not an expression", start, start + 1, "write it as in `4 * d_model`"
            ) from None
        except (RecursionError, MemoryError):
            raise ExpressionError("the expression is nested too deeply", 0, len(text), code="B0304") from None

    def _blank_out(self) -> str:
        """Return the text with numbers and names as runs of `_`; refuse what no expression contains."""
        out: list[str] = []
        opened: list[int] = []
        position, tokens = 0, 0
        last: tuple[str, int] = ("(", 0)  # the last token: its sign, or "x" for an operand
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            if match is None:
                raise self._stranger(position)
            start, end = match.span()
            position = end
            if match["space"]:
                out.append(" " * (end - start))
                continue
            tokens += 1
            if tokens > MAX_TOKENS:
                raise ExpressionError(
                    f"the expression has more than {MAX_TOKENS} numbers, names and operators",
                    start,
                    end,
                    code="B0304",
                )
            sign = match["sign"]
            if sign is None:
                if last[0] in ("x", ")"):
                    raise ExpressionError(
                        f"an operator is missing before {_short(match[0])}",
                        start,
                        end,
                        "write it as in `4 * d_model`",
                    )
                if match["name"]:
                    self.names[start] = match["name"]
                else:
                    self.numbers[start] = self._number(match)
                out.append("_" * (end - start))
                last = ("x", start)
                continue
            if sign == "(":
                opened.append(start)
                if len(opened) > MAX_DEPTH:
                    raise ExpressionError(
                        f"the expression is nested more than {MAX_DEPTH} levels deep",
                        start,
                        end,
                        code="B0304",
                    )
            elif sign == ")":
                if not opened:
                    raise ExpressionError("this parenthesis was never opened", start, end)
                opened.pop()
            elif sign not in "+-" and last[0] not in ("x", ")"):
                raise ExpressionError(f"a number or a name is missing before {sign}", start, end)
            out.append(sign)
            last = (sign, start)
        if not tokens:
            raise ExpressionError("the expression is empty", 0, len(self.text))
        if opened:
            quoted = "inside { } or [ ], an expression with a comma stands in quotes"
            raise ExpressionError("this parenthesis is never closed", opened[-1], opened[-1] + 1, quoted)
        if last[0] not in ("x", ")"):
            help = "a percentage is read only where a share is expected" if last[0] == "%" else None
            raise ExpressionError(
                f"a number or a name is missing after {last[0]}", last[1], last[1] + len(last[0]), help
            )
        lead = len(out[0]) if out[0].isspace() else 0
        if lead:  # Python refuses leading blanks; a unary plus changes nothing and keeps the offsets
            out[0] = "+" + " " * (lead - 1)
        return "".join(out)

    def _stranger(self, position: int) -> ExpressionError:
        char = self.text[position]
        helps = dict.fromkeys("[{", "group with ( and )") | dict.fromkeys("×·", "a product is written *")
        helps |= {"^": "a power is written **", "÷": "a quotient is written /"}
        return ExpressionError(
            f"{_short(char)} is not part of an expression",
            position,
            position + 1,
            helps.get(char, "use numbers, names, + - * / // % **, ( ), min, max, round_up, round and sqrt"),
        )

    def _number(self, match: re.Match[str]) -> tuple[Fraction, bool]:
        start, end = match.span()
        digits, unit = match["number"], match["unit"]
        if unit is not None and unit not in UNITS:
            raise ExpressionError(
                f"{_short(unit)} is not a unit", match.start("unit"), end, f"the units are {', '.join(UNITS)}"
            )
        mantissa, _, exponent = digits.lower().partition("e")
        if len(mantissa) > 40 or len(exponent) > 3 or abs(int(exponent or 0)) > 40:
            raise ExpressionError("the number is too long", start, end, code="B0304")
        if re.search(r"__|_$|_\.", mantissa):
            raise ExpressionError(f"{_short(digits)} is not a number", start, end, "write it as in 32_000")
        value = Fraction(mantissa.replace("_", "").rstrip(".")) * Fraction(10) ** int(exponent or 0)
        value *= UNITS[unit] if unit else 1
        return value, value.denominator != 1


class _Evaluation:
    """Walks the allowed nodes; remembers whether a decimal took part, and the first uneven division."""

    def __init__(self, parsed: _Parsed, names: Mapping[str, int | float]) -> None:
        self.parsed = parsed
        self.names = names
        self.decimal = False
        self.division: ast.expr | None = None

    def value(self, node: ast.expr) -> Fraction:
        match node:
            case ast.Name():
                result = self._operand(node)
            case ast.UnaryOp(op=ast.UAdd() | ast.USub()):
                inner = self.value(node.operand)
                result = -inner if isinstance(node.op, ast.USub) else inner
            case ast.BinOp():
                result = self._binary(node, self.value(node.left), self.value(node.right))
            case ast.Call(func=ast.Name()):
                result = self._call(node)
            case _:
                raise ExpressionError(
                    "this is not part of an expression", *_extent(node),
                    "use numbers, names, + - * / // % **, ( ), min, max, round_up, round and sqrt",
                )  # fmt: skip
        if abs(result) > MAX_VALUE or result.denominator.bit_length() > 4096:
            raise ExpressionError(
                "the number is too large (above 10**18) or too fine", *_extent(node), code="B0304"
            )
        return result

    def _operand(self, node: ast.Name) -> Fraction:
        start, end = _extent(node)
        if start in self.parsed.numbers:
            value, decimal = self.parsed.numbers[start]
            self.decimal |= decimal
            return value
        name = self.parsed.names[start]
        if name in FUNCTIONS:
            raise ExpressionError(f"{name} is a function", start, end, f"call it, as in {_example(name)}")
        try:
            known = self.names[name]
        except KeyError:
            meant = did_you_mean(name, [*self.names, *FUNCTIONS])
            listed = ", ".join(sorted(self.names)[:12])
            help = f"did you mean {meant}?" if meant else f"known names are {listed}" if listed else None
            raise ExpressionError(f"unknown name {_short(name)}", start, end, help, code="B0315") from None
        if isinstance(known, bool) or not isinstance(known, int | float) or not math.isfinite(known):
            raise ExpressionError(f"{name} is not a number", start, end)
        if abs(known) > MAX_VALUE:
            raise ExpressionError(f"{name} is too large (above 10**18)", start, end, code="B0304")
        if isinstance(known, int):
            return Fraction(known)
        value = Fraction(repr(known))  # 0.1 means one tenth, as written
        self.decimal |= value.denominator != 1
        return value

    def _binary(self, node: ast.BinOp, left: Fraction, right: Fraction) -> Fraction:
        match node.op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Pow():
                return self._power(node, left, right)
            case ast.Div() | ast.FloorDiv() | ast.Mod():
                if right == 0:
                    raise ExpressionError("division by zero", *_extent(node.right))
                if isinstance(node.op, ast.FloorDiv):
                    return Fraction(left // right)
                if isinstance(node.op, ast.Mod):
                    return left % right
                result = left / right
                if result.denominator != 1 and self.division is None:
                    self.division = node
                return result
        raise ExpressionError("this operator is not part of an expression", *_extent(node))

    def _power(self, node: ast.BinOp, base: Fraction, exponent: Fraction) -> Fraction:
        if exponent.denominator != 1 or abs(exponent) > MAX_EXPONENT:
            raise ExpressionError(
                f"an exponent is a whole number from -{MAX_EXPONENT} to {MAX_EXPONENT}", *_extent(node.right)
            )
        if base == 0 and exponent < 0:
            raise ExpressionError("division by zero", *_extent(node))
        return Fraction(base ** int(exponent))

    def _call(self, node: ast.Call) -> Fraction:
        assert isinstance(node.func, ast.Name)
        start, end = _extent(node.func)
        name = self.parsed.names.get(start)
        if name is None:
            raise ExpressionError(
                "an operator is missing before (", end - 1, end, "write it as in `2 * (d_model + 1)`"
            )
        if name not in FUNCTIONS:
            meant = did_you_mean(name, sorted(FUNCTIONS))
            raise ExpressionError(
                f"{_short(name)} is not a function", start, end,
                f"did you mean {meant}?" if meant else f"the functions are {', '.join(sorted(FUNCTIONS))}",
            )  # fmt: skip
        arguments = [self.value(argument) for argument in node.args]
        count = len(arguments)
        if node.keywords or not (
            count >= 1 if name in ("min", "max") else count == (2 if name == "round_up" else 1)
        ):
            raise ExpressionError(f"{name} is called as in {_example(name)}", *_extent(node))
        if name == "min":
            return min(arguments)
        if name == "max":
            return max(arguments)
        if name == "round":
            return Fraction(round(arguments[0]))
        if name == "sqrt":
            return self._root(node, arguments[0])
        value, multiple = arguments
        if multiple <= 0:
            raise ExpressionError("the multiple has to be above 0", *_extent(node.args[1]))
        return math.ceil(value / multiple) * multiple

    def _root(self, node: ast.Call, value: Fraction) -> Fraction:
        """The square root, exact where it can be; it counts as a decimal even so."""
        if value < 0:
            raise ExpressionError("a negative number has no square root", *_extent(node.args[0]))
        self.decimal = True
        exact = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
        return exact if exact * exact == value else Fraction(math.sqrt(value))


def _example(name: str) -> str:
    return {
        "min": "min(d_model, 1024)",
        "max": "max(d_model // 64, 1)",
        "round": "round(d_model / 3)",
        "sqrt": "sqrt(d_model)",
        "round_up": "round_up(8 * d_model / 3, 256)",
    }[name]


def _extent(node: ast.expr) -> tuple[int, int]:
    return node.col_offset, node.end_col_offset or node.col_offset + 1


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
