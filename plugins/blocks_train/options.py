"""Options that the commands which train have in common."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path


def add_data(parser: ArgumentParser) -> None:
    """Add what says which texts are read, and how."""
    parser.add_argument(
        "--data", nargs="+", default=[], metavar="F",
        help="text, JSONL and parquet, gzipped too: files, folders, globs; hf:NAME for datasets of a hub",
    )  # fmt: skip
    parser.add_argument(
        "--field", default="text", metavar="X", help="of JSONL and parquet, that holds the text (text)"
    )
    parser.add_argument(
        "--split", metavar="HOW",
        help="what stands between the documents of a text file: lines, paragraphs, or any other text; default: nothing",
    )  # fmt: skip


def add_place(parser: ArgumentParser) -> None:
    """Add where it is computed, with which kernels, and where tokenised data is kept."""
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 (cpu)")
    parser.add_argument(
        "--kernels", default="auto", metavar="NAME", help="auto, reference, or an implementation"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="where tokenised data is kept (~/.cache/blocks/data)"
    )
