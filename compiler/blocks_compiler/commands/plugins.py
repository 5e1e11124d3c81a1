"""`blocks plugins`: every registered name, and every plugin that could not be loaded."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections import Counter

from blocks import Registry
from blocks.command import Command
from blocks.registry import KINDS
from blocks_compiler.commands.options import add_json
from blocks_compiler.commands.page import Cell, Page, Table


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--kind", choices=KINDS, help="one kind only")
    add_json(parser)


def run(args: Namespace) -> int:
    """Run the command; returns the exit code."""
    rows = [row for row in as_json(args.registry) if args.kind in (None, row["kind"])]
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    page = Page(color=args.color)
    table = Table(("kind", "name", "distribution", "status", ""), "<<<<<", ("", "distribution"))
    about = {
        (entry.kind, entry.name, entry.plugin.distribution): entry.help for entry in args.registry.entries
    }
    shown = ""
    for row in sorted(
        rows, key=lambda row: list(KINDS).index(str(row["kind"])) if row["kind"] in KINDS else -1
    ):
        good = row["status"] == "ok"
        table.add(
            Cell(str(row["kind"] if row["kind"] != shown else ""), "dim"),
            Cell(str(row["name"]), "bold"),
            f"{row['distribution']} {row['version']}",
            str(row["status"]),
            str(row["error"] or about.get((row["kind"], row["name"], row["distribution"]), ""))
            if good
            else str(row["error"]),
        )
        shown = str(row["kind"])
    page.table(table, indent=0)
    return 0


def as_json(registry: Registry) -> list[dict[str, str | None]]:
    """What --json prints; its keys are a contract. A status is ok, ambiguous (claimed twice) or failed."""
    claims = Counter((entry.kind, entry.name) for entry in registry.entries)
    rows: list[dict[str, str | None]] = []
    for entry in registry.entries:
        twice = claims[entry.kind, entry.name] > 1
        plugin = entry.plugin
        error = f"claimed by several: write {plugin.distribution}:{entry.name}" if twice else None
        rows.append(
            _row(
                entry.name,
                entry.kind,
                plugin.distribution,
                plugin.version,
                "ambiguous" if twice else "ok",
                error,
            )
        )
    rows += [
        _row(p.name, "plugin", p.distribution, p.version, "failed", p.error)
        for p in registry.plugins
        if p.error
    ]
    return rows


def _row(
    name: str, kind: str, distribution: str, version: str, status: str, error: str | None
) -> dict[str, str | None]:
    return {
        "name": name,
        "kind": kind,
        "distribution": distribution,
        "version": version,
        "status": status,
        "error": error,
    }


COMMAND = Command(
    summary="List what is installed: mixers, norms, kernels, commands and the rest, and who brought them.",
    example="blocks plugins\nblocks plugins --kind mixer\nblocks plugins --json",
    configure=configure,
    run=run,
)
