"""A text in three languages to learn from, and one coder of each kind that has learnt it."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from blocks import Coder, Sizes
from blocks_tokenizers import specs

TEXTS = [
    "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and "
    "should act towards one another in a spirit of brotherhood.\n",
    "Усі люди народжуються вільними і рівними у своїй гідності та правах. Вони наділені розумом і совістю і повинні "
    "діяти у відношенні один до одного в дусі братерства.\n",
    "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и должны "
    "поступать в отношении друг друга в духе братства.\n",
    "def fibonacci(n):\n\treturn n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)  # 0, 1, 1, 2, 3, 5, 8, 13\n",
]
"""Article 1 of the Universal Declaration of Human Rights, in English, Ukrainian and Russian; and a program."""
KINDS: dict[str, type[specs.Trained]] = {
    "char": specs.Char, "word": specs.Word, "bpe": specs.Bpe, "wordpiece": specs.WordPiece, "unigram": specs.Unigram,
}  # fmt: skip

unicode = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
"""Any text that UTF-8 can write."""
known = st.text(sorted(set("".join(TEXTS))), max_size=60)
"""Texts of the characters that were learnt from."""
cyrillic = st.text(st.sampled_from("абвгґдеєжзиіїйклмнопрстуфхцчшщьюяъыэё АЇЙЫ'’-,.\n\u0301"), max_size=60)
"""Ukrainian and Russian letters, the stress mark and apostrophes."""


def learn(kind: str, size: int | None = 500, texts: Any = None, **options: Any) -> Coder:
    """A coder that learnt the texts."""
    declared = KINDS[kind](**options).named(kind).bind(Sizes(1, size))
    return declared.train(TEXTS if texts is None else texts)


@cache
def learnt(kind: str, size: int | None = 500, **options: Any) -> Coder:
    """`learn`, with what was learnt kept."""
    return learn(kind, size, **options)
