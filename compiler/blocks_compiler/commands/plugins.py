"""`blocks plugins`: every registered name, and every plugin that is not as it should be."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser, Namespace
from collections import Counter

from blocks import PluginError, Registry
from blocks.command import Command
from blocks.discovery import FIRST_PARTY, VARIABLE, Plugin
from blocks.registry import KINDS
from blocks_compiler.commands.options import add_json
from blocks_compiler.commands.page import Cell, Page, Table


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--kind", choices=KINDS, help="one kind only")
    add_json(parser)


def run(args: Namespace) -> int:
    """Run the command; returns the exit code."""
    registry: Registry = args.registry
    rows = [row for row in as_json(registry) if args.kind in (None, row["kind"])]
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    page = Page(color=args.color)
    table = Table(("kind", "name", "distribution", "status", ""), "<<<<<", ("", "distribution"))
    about = {(entry.kind, entry.name, entry.plugin.distribution): entry.help for entry in registry.entries}
    shown = ""
    for row in sorted(rows, key=lambda row: ORDER.index(str(row["kind"]))):
        key = (str(row["kind"]), str(row["name"]), str(row["distribution"]))
        table.add(
            Cell(key[0] if key[0] != shown else "", "dim"),
            Cell(key[1], "bold"),
            f"{row['distribution']} {row['version']}",
            str(row["status"]),
            row["error"] or about.get(key, ""),
        )
        shown = key[0]
    page.table(table, indent=0)
    if VARIABLE in os.environ and registry.left_by in ("", VARIABLE):
        print(
            f"\n{VARIABLE}={os.environ[VARIABLE]} says which distributions are loaded besides {FIRST_PARTY}."
        )
    return 0


ORDER = ("plugin", *KINDS)
CHANGED = "B0611"


def as_json(registry: Registry) -> list[dict[str, str | None]]:
    """What --json prints; its keys are a contract.

    A status is ok, ambiguous (claimed twice), failed, left out, or warning (its import changed the process's
    settings). What other distributions register is imported to know.
    """
    claims = Counter((entry.kind, entry.name) for entry in registry.entries)
    changed = {plugin: list(plugin.changed) for plugin in registry.plugins}
    rows: list[dict[str, str | None]] = []
    for entry in registry.entries:
        plugin, status, error = entry.plugin, "ok", None
        if claims[entry.kind, entry.name] > 1:
            status, error = "ambiguous", f"claimed by several: write {plugin.distribution}:{entry.name}"
        elif plugin.distribution != FIRST_PARTY:
            try:
                changed[plugin] += entry.examine()[1]
            except PluginError as failure:
                found = failure.diagnostics[0]
                status, error = "failed", f"{found.code}: {found.message}"
        rows.append(_row(plugin, entry.kind, status, error, entry.name))
    for plugin in registry.plugins:
        if plugin.error:
            rows.append(_row(plugin, "plugin", "failed", f"{plugin.code}: {plugin.error}"))
        elif changed[plugin]:
            what = ", ".join(dict.fromkeys(changed[plugin]))
            rows.append(
                _row(plugin, "plugin", "warning", f"{CHANGED}: importing it changed {what}; put back")
            )
    for plugin in registry.left_out:
        rows.append(_row(plugin, "plugin", "left out", f"{registry.left_by} leaves it out"))
    return rows


def _row(
    plugin: Plugin, kind: str, status: str, error: str | None, name: str | None = None
) -> dict[str, str | None]:
    return {
        "name": plugin.name if name is None else name,
        "kind": kind,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "status": status,
        "error": error,
    }


COMMAND = Command(
    summary="List what is installed: mixers, norms, kernels, commands and the rest, and who brought them.",
    example="blocks plugins\nblocks plugins --kind mixer\nblocks plugins --json",
    configure=configure,
    run=run,
)
