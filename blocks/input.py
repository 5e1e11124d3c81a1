"""What a stream is called with: tokens, types, pixels. An embedding declares it, and the model has an argument each."""

from __future__ import annotations

from dataclasses import dataclass

from blocks.inside import Shape


@dataclass(frozen=True, slots=True)
class Input:
    """One argument of a stream: its name, its axes ("T" is the number of tokens), and its dtype.

    `dtype` "float" is that of the model's weights. `absent` says what None means, for one that may be left out.
    """

    name: str
    shape: Shape = ("B", "T")
    dtype: str = "int64"
    absent: str = ""

    @property
    def what(self) -> str:
        """What goes in, in words."""
        return "token ids" if self.name == "tokens" else self.name

    def describe(self, length: str = "T") -> str:
        """`int64 [B, T]`, `float [B, 3, 224, 224]`; `length` is the letter of the number of tokens."""
        axes = ", ".join(length if size == "T" else str(size) for size in self.shape)
        return f"{self.dtype} [{axes}]"


TOKENS = Input("tokens")
