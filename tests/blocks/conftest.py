"""What reading a wrong text says."""

from collections.abc import Callable

import pytest

from blocks.diagnostics import RecipeError, Span
from blocks.reader import read


@pytest.fixture(scope="session")
def refused() -> Callable[[str | bytes], RecipeError]:
    """The error of a text that is refused."""

    def refuse(text: str | bytes) -> RecipeError:
        with pytest.raises(RecipeError) as caught:
            read(text, "r.yaml")
        str(caught.value)
        return caught.value

    return refuse


@pytest.fixture(scope="session")
def only(
    refused: Callable[[str | bytes], RecipeError],
) -> Callable[[str | bytes], tuple[str, str, Span | None]]:
    """Code, message and place of the only finding in a text that is refused."""

    def find(text: str | bytes) -> tuple[str, str, Span | None]:
        (diagnostic,) = refused(text).diagnostics
        return diagnostic.code, diagnostic.message, diagnostic.span

    return find
