"""Recipes that mean harm: name -> the text, and the code of the refusal.

Everything here is refused, with file and line, within 100 ms and 300 MB.
"""

from __future__ import annotations

HEAD = "recipe: hostile\nd_model: 64\nvocab_size: 100\n"
BLOCKS = "blocks:\n  f: {mixer: mlp}\n  a: {mixer: multi_head, n_heads: 4}\n"
LIMIT = 1 << 20  # bytes that are read at all


def recipe(stack: str, *, head: str = HEAD, blocks: str = BLOCKS) -> str:
    """A recipe around the options of its stack."""
    return (
        f"{head}{blocks}model:\n  - embed: tokens\n  - stack: {{{stack}}}\n  - norm: rmsnorm\n  - head: lm\n"
    )


def sized(d_model: str) -> str:
    """A recipe whose width is an expression."""
    return recipe("layers: f", head=HEAD.replace("64", d_model))


def laughs() -> str:
    """A billion laughs: ten aliases of ten aliases of …"""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    return "\n".join(lines) + "\n" + HEAD


def merges() -> str:
    """The same with merge keys."""
    lines = ["m0: &m0 {x: 1}"]
    lines += [f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 9)}]}}" for i in range(1, 10)]
    return "\n".join(lines) + "\n" + HEAD


TEXTS: dict[str, tuple[str | bytes, str]] = {
    # YAML that grows
    "alias bomb": (laughs(), "B0105"),
    "merge bomb": (merges(), "B0105"),
    "an alias of itself": (HEAD + "model: &m [*m]\n", "B0105"),
    "a merge key alone": (HEAD + "let: {<<: {a: 1}}\n", "B0105"),
    "50,000 anchors": (HEAD + "model: [" + "&a [*a]," * 50_000 + "]\n", "B0105"),
    "100,000 brackets": (HEAD + "model: " + "[" * 100_000 + "]" * 100_000 + "\n", "B0109"),
    "100,000 brackets, none closed": (HEAD + "model: " + "[" * 100_000, "B0109"),
    "100,000 braces": (HEAD + "model: " + "{a: " * 100_000 + "}" * 100_000 + "\n", "B0109"),
    "100,000 dashes": (HEAD + "model:\n  " + "- " * 100_000 + "x\n", "B0109"),
    "100,000 question marks": (HEAD + "? " * 100_000 + "x\n", "B0109"),
    "a million brackets": (HEAD + "model: " + "[" * 1_000_000, "B0109"),
    "a list of 2 million items": (HEAD + "model: [" + "a," * 2_000_000 + "]\n", "B0109"),
    "a list of 500,000 items": (HEAD + "model: [" + "1," * 500_000 + "]\n", "B0109"),
    "200,000 lines": (HEAD + "model:\n" + "- a\n" * 200_000, "B0109"),
    "a mapping of 20,000 keys": (
        HEAD + "let: {" + ", ".join(f"a{i}: 1" for i in range(20_000)) + "}\n",
        "B0109",
    ),
    "a megabyte and a byte": (HEAD + "about: " + "x" * LIMIT + "\n", "B0109"),
    "a megabyte of comment": ("#" * (LIMIT - 1), "B0111"),
    "a megabyte of blanks": (" " * LIMIT, "B0111"),
    "a megabyte of line breaks": ("\n" * LIMIT, "B0111"),
    "a megabyte of one key": (HEAD + "k" * (LIMIT - 100) + ": 1\n", "B0102"),
    "a megabyte of one value": (HEAD + "about: " + "x" * (LIMIT - 100) + "\nmodel: f\n", "B0302"),
    "a megabyte of colons": (HEAD + "model: " + "a: " * 340_000, "B0102"),
    "a megabyte of repeats": (HEAD + "model: [" + "3 x [" * 200_000, "B0109"),
    "a megabyte of escapes": (HEAD + 'about: "' + "\\x41" * 260_000 + '"\nmodel: f\n', "B0302"),
    "a megabyte of digits and blanks": (HEAD + "model: [1" + " " * 900_000 + "x\n", "B0112"),
    "a megabyte of backslashes": (HEAD + 'model: "' + "\\" * 1_000_000, "B0112"),
    # Numbers
    "5,001 digits": (HEAD + "depth: " + "9" * 5_001 + "\n", "B0110"),
    "a megabyte of hexadecimal": (HEAD + "depth: 0x" + "f" * 1_000_000 + "\n", "B0110"),
    "a megabyte of octal": (HEAD + "depth: 0o" + "7" * 1_000_000 + "\n", "B0110"),
    "5,001 digits of a fraction": (HEAD + "let: {a: 0." + "1" * 5_001 + "}\nmodel: f\n", "B0110"),
    "not a number": (HEAD + "let: {a: .nan}\nmodel: f\n", "B0110"),
    "infinity": (HEAD + "let: {a: -.inf}\nmodel: f\n", "B0110"),
    "1e400": (HEAD + "let: {a: 1e400}\nmodel: f\n", "B0110"),
    "1e999999999": (HEAD + "let: {a: 1e999999999}\nmodel: f\n", "B0110"),
    "a number of sixty": (recipe("depth: 190:20:30, cycle: [f]"), "B0301"),
    # What YAML 1.1 would have done
    "a Python object": (HEAD + "model: !!python/object/apply:os.system ['rm -rf /']\n", "B0105"),
    "a Python name": (HEAD + "model: !!python/name:os.system\n", "B0105"),
    "a tag of one's own": (HEAD + "model: !include /etc/passwd\n", "B0105"),
    "a binary": (HEAD + "model: !!binary aGVsbG8=\n", "B0105"),
    "a date that is none": (HEAD + "let: {a: 2026-99-99}\nmodel: f\n", "B0501"),
    "a date as a size, which is a difference": (sized("2026-02-30"), "B0307"),
    "a %TAG": ("%TAG ! tag:yaml.org,2002:python/\n---\n" + HEAD, "B0105"),
    "YAML 1.1": ("%YAML 1.1\n---\n" + HEAD, "B0108"),
    "two documents": (recipe("layers: f") + "---\n" + HEAD, "B0108"),
    "duplicate keys": (HEAD + "d_model: 65\n", "B0106"),
    "100,000 duplicate keys": ("a: 1\n" * 100_000, "B0109"),
    "a list as a key": (HEAD + "? [a, b]\n: 1\n", "B0107"),
    # Characters
    "NUL": (HEAD + "about: a\0b\n", "B0104"),
    "a megabyte of NUL": ("\0" * (LIMIT - 8), "B0104"),
    "a surrogate in UTF-8": (HEAD.encode() + b"about: \xed\xa0\x80\n", "B0101"),
    "a surrogate as an escape": (HEAD + 'about: "\\ud800"\n', "B0102"),
    "UTF-16": (HEAD.encode("utf-16"), "B0101"),
    "an overlong slash": (HEAD.encode() + b"about: ..\xc0\xaf..\n", "B0101"),
    "a name with a line break": ('recipe: "a\\nb"\nd_model: 8\nmodel: f\n', "B0206"),
    "a name with NUL": ('recipe: "a\\0b"\nd_model: 8\nmodel: f\n', "B0206"),
    "a name that turns round": ('recipe: "a\\u202Eb"\nd_model: 8\nmodel: f\n', "B0206"),
    "a name with a terminal's escape": ('recipe: "\\e[2J"\nd_model: 8\nmodel: f\n', "B0206"),
    "a name that is an option": ("recipe: -rf\nd_model: 8\nmodel: f\n", "B0206"),
    "a name that leads upward": ("recipe: ../../etc/passwd\nd_model: 8\nmodel: f\n", "B0206"),
    "a name of 300 characters": (f"recipe: {'a' * 300}\nd_model: 8\nmodel: f\n", "B0206"),
    "a stack's name with a dot": (recipe("name: a.b, layers: f"), "B0206"),
    "a stack's name that Python needs": (recipe("name: class, layers: f"), "B0206"),
    "a stack's name that the module needs": (recipe("name: forward, layers: f"), "B0206"),
    "a stack's name that is code": (recipe("name: 'x; import os', layers: f"), "B0206"),
    "a mixer that is an import": (recipe("layers: f", blocks="blocks: {f: {mixer: os.system}}\n"), "B0601"),
    "a mixer that is a path": (recipe("layers: f", blocks="blocks: {f: {mixer: ../x:Y}}\n"), "B0601"),
    "a mixer with an attribute": (
        recipe("layers: f", blocks="blocks: {f: {mixer: mlp, __class__: 1, module: os}}\n"),
        "B0201",
    ),
    # Layouts
    "a trillion layers": (recipe("depth: 1000000000000, cycle: [f]"), "B0406"),
    "a trillion woven layers": (recipe("depth: 1000000000000, interleave: [f, a], scatter: {f: 8%}"), "B0406"),
    "a trillion layers by an expression": (recipe("depth: 1000 * 1000M, cycle: [f]"), "B0406"),
    "repeats of repeats": (recipe("layers: [1000 x [1000 x [1000 x [1000 x [f]]]]]"), "B0406"),
    "repeats of repeats in a text": (recipe("layers: '1000 x [1000 x [1000 x [1000 x [f]]]]'"), "B0406"),
    "2 to the 60th": (recipe("layers: '" + "2 x [" * 60 + "f" + "]" * 60 + "'"), "B0406"),
    "a repeat of 30 nines": (recipe("layers: '" + "9" * 30 + " x f'"), "B0406"),
    "a repeat of 31 nines": (recipe("layers: '" + "9" * 31 + " x f'"), "B0407"),
    "a trillion times nothing": (recipe("layers: '1000000000000 x []', depth: 3"), "B0407"),
    "brackets in a layout": (recipe("layers: '" + "[" * 100_000 + "'"), "B0407"),
    "200,000 names in a layout": (recipe("layers: '" + "f " * 200_000 + "'"), "B0406"),
    "a pattern of 100,001": (recipe("pattern: '" + "f" * 100_001 + "'"), "B0302"),
    "a pattern of 20,000 letters": (
        recipe("pattern: '" + "".join(chr(0x4E00 + i) for i in range(20_000)) + "'"),
        "B0405",
    ),
    "a share of a million percent": (recipe("depth: 10, interleave: [f], scatter: {a: 1000000%}"), "B0309"),
    "a selector of digits": (recipe("layers: f, override: {'f[" + "9" * 500 + "]': {d_ff: 1}}"), "B0408"),
    "a selector that asks for backtracking": (
        recipe("layers: f, override: {'" + "f." * 450 + "[': {d_ff: 1}}"),
        "B0408",
    ),
    # Expressions
    "a tower of powers": (sized("9**9**9**9"), "B0301"),
    "a product that overflows": (sized("'" + "*".join(["9**18"] * 50) + "'"), "B0304"),
    "100 powers": (sized("'" + "2**" * 90 + "1'"), "B0301"),
    "fractions that grow": (sized("'" + "+".join(f"1/{10**15 + i}" for i in range(50)) + "'"), "B0303"),
    "10,000 parentheses": (sized("'" + "(" * 10_000 + "1" + ")" * 10_000 + "'"), "B0302"),
    "400 parentheses": (sized("'" + "(" * 400 + "1" + ")" * 400 + "'"), "B0304"),
    "400 minus signs": (sized("'" + "-" * 400 + "1'"), "B0304"),
    "a call of anything": (sized("__import__('os').system('id')"), "B0301"),
    "an attribute": (sized("d_model.__class__"), "B0301"),
    "a lambda": (sized("'(lambda: 1)()'"), "B0301"),
    "division by zero": (sized("1 // 0"), "B0301"),
    "a size that names itself": (sized("d_model"), "B0305"),
    "a circle of 4,000 sizes": (
        HEAD + "let: {" + ", ".join(f"a{i}: a{(i + 1) % 4_000}" for i in range(4_000)) + "}\n" + BLOCKS
        + "model: f\n",
        "B0305",
    ),
    "10**18 channels": (sized("10**18"), "B0302"),
    "a trillion channels": (sized("1000000000000"), "B0311"),
    "a trillion channels that heads do not divide": (
        recipe("layers: a", head=HEAD.replace("64", "999999999999")),
        "B0307",
    ),
    "a sextillion heads": (
        recipe("layers: a", blocks="blocks: {a: {mixer: multi_head, n_heads: 999999999999999999999, n_kv_heads: 8, "
               "head_dim: 64}}\n"),
        "B0306",
    ),
    "a trillion heads of Mamba-2": (
        recipe("layers: a", blocks="blocks: {a: {mixer: mamba2, n_heads: 999999999999, n_groups: 8, head_dim: 64}}\n"),
        "B0306",
    ),
    "an unused block that reads a stream without a width": (
        HEAD + "blocks: {c: {mixer: multi_head, n_heads: 4, memory: encoder}}\nmodel: {encoder: [{embed: token}]}\n",
        "B0601",
    ),
    "a vocabulary of a trillion": (
        recipe("layers: f", head="recipe: x\nd_model: 4096\nvocab_size: 1T\n"), "B0311"
    ),
    "digits of another script": (sized("'٣٢'"), "B0301"),
    # Sentences
    "a sentence of a megabyte": (HEAD + "depth: 4\nmodel: " + "attention, " * 90_000 + "\n", "B0501"),
    "a sentence of one word": (HEAD + "depth: 4\nmodel: " + "z" * 900_000 + "\n", "B0501"),
    "a sentence of 380 words": (HEAD + "depth: 4\nmodel: " + "zzz, " * 380 + "\n", "B0501"),
    "a sentence that is a script": (HEAD + "depth: 4\nmodel: <script>alert(1)</script>\n", "B0501"),
}  # fmt: skip
