"""Data: text, JSONL, parquet and datasets, tokenised once, and read in batches that a step's number alone decides.

    corpus = prepare(["texts/*.txt"], coder, cache)
    train, validation = corpus.split(0.1)
    batch = Loader(train, batch=16, context=256).batch(step)

Needs numpy alone; parquet needs pyarrow, `hf:` names the datasets library (`pip install 'blocks-dsl[data]'`).
"""

from blocks_train.data.bar import progress
from blocks_train.data.batch import IGNORED, Batch
from blocks_train.data.columns import Numbers, Text
from blocks_train.data.corpus import Corpus
from blocks_train.data.gathering import columns_of, gathered
from blocks_train.data.loader import Loader, TableLoader
from blocks_train.data.sources import find
from blocks_train.data.table import Table, labelled, padded, pairs
from blocks_train.data.tokenise import prepare, prepare_table, texts

__all__ = [
    "IGNORED",
    "Batch",
    "Corpus",
    "Loader",
    "Numbers",
    "Table",
    "TableLoader",
    "Text",
    "columns_of",
    "find",
    "gathered",
    "labelled",
    "padded",
    "pairs",
    "prepare",
    "prepare_table",
    "progress",
    "texts",
]
