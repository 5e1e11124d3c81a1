"""Constructor calls as text, with the classes that they name inlined."""

from __future__ import annotations

import json

from blocks import Call
from blocks_compiler.backends.inline import Inliner, defaults
from blocks_compiler.backends.text import WIDTH


class Calls:
    """Writes constructor calls, taking in the classes that they name."""

    def __init__(self, inliner: Inliner) -> None:
        self.inliner = inliner

    def call(self, call: Call, indent: int, before: int = 0) -> str:
        """A constructor call on one line or on several; arguments equal to defaults are left out.

        `before` characters stand between the indentation and the call.
        """
        name = self.inliner.add(call.target)
        known = defaults(call.target)
        pad = " " * (indent + 4)
        words = [self._value(value, indent + 4) for value in call.args]
        for key, value in call.kwargs.items():
            if key in known and known[key] == value and type(known[key]) is type(value):
                continue
            words.append(f"{key}={self._value(value, indent + 4)}")
        flat = f"{name}({', '.join(words)})"
        if indent + before + len(flat) < WIDTH - 8 and "\n" not in flat:
            return flat
        lines: list[str] = []
        for word in words:  # fill lines as a person would
            if lines and len(lines[-1]) + len(word) + 4 < WIDTH - indent and "\n" not in word:
                lines[-1] += f" {word},"
            else:
                lines.append(f"{word},")
        return f"{name}(\n" + "".join(f"{pad}{line}\n" for line in lines) + " " * indent + ")"

    def _value(self, value: object, indent: int) -> str:
        if isinstance(value, Call):
            return self.call(value, indent)
        return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def brief(call: Call) -> str:
    """`Linear(512, 256, bias=False)`: a call in the words of a header."""
    known = defaults(call.target)
    words = [brief(value) if isinstance(value, Call) else str(value) for value in call.args]
    for key, value in call.kwargs.items():
        if value is None or (key in known and known[key] == value):
            continue
        words.append(f"{key}={brief(value) if isinstance(value, Call) else value}")
    return f"{call.target.rpartition(':')[2]}({', '.join(words)})"
