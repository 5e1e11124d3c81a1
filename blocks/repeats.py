"""The spelling `[3 x [mamba2, ffn], attention]`, which YAML's flow style does not have.

A plain scalar cannot be followed by a bracket there, so the repeat gets the comma that YAML wants:
`3 x,[mamba2, ffn]`. The text keeps its length, and so every place in it stays true. Block
style needs none of this.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""(?P<quoted>"[^"\\]*(?:\\.[^"\\]*)*"?|'[^']*'?)"""
    r"""|(?P<comment>(?<!\S)\#[^\r\n]*)"""
    r"""|(?P<repeat>(?P<times>\d{1,30})(?P<sign>[ \t]*[x×][ \t]*)(?=\[))"""
    r"""|(?P<open>[\[{])|(?P<close>[\]}])|(?P<comma>,)|(?P<line>[\r\n]+)|(?P<blank>[ \t]+)"""
    r"""|(?P<word>[^\s\[\]{},]+)""",
    re.DOTALL,
)
_WORD = re.compile(r"[^\s\[\]{},]+")


_HINT = re.compile(r"\d[ \t]*[x×][ \t]*\[")


def normalise(text: str, max_depth: int = 64) -> str:
    """The same text with `3 x [` as `3 x,[` inside brackets and braces, outside quotes and comments.

    `3 x[` becomes `3x,[`; in `3x[` there is no room for a comma, so it stays as it is. What comes after brackets
    deeper than `max_depth` is left as it is: no recipe has them.
    """
    if _HINT.search(text) is None:
        return text
    parts: list[str] = []
    depth = done = at = 0
    fresh = True  # whether a value may begin here; in the middle of a text a quote is only a character
    while at < len(text) and depth <= max_depth:
        match = _TOKEN.match(text, at)
        if match is None:  # a blank that is none of YAML's
            at += 1
            continue
        kind = match.lastgroup
        if not fresh and (kind in ("quoted", "repeat") or (kind == "open" and depth == 0)):
            word = _WORD.match(text, at)
            at = word.end() if word else at + 1
            continue
        at = match.end()
        if kind == "open":
            depth, fresh = depth + 1, True
        elif kind == "close":
            depth, fresh = max(0, depth - 1), False
        elif kind == "line":
            fresh = fresh or depth == 0
        elif kind == "comma":
            fresh = depth > 0
        elif kind == "word":
            fresh = match[0].endswith(":") or (depth == 0 and match[0] in ("-", "?"))
        elif kind == "quoted":
            fresh = False
        elif kind == "repeat" and depth:
            sign = match["sign"].strip()
            room = len(match["sign"]) - 2
            if room >= 0:
                parts += [text[done : match.end("times")], " " * room, sign, ","]
                done = at
    return "".join([*parts, text[done:]])
