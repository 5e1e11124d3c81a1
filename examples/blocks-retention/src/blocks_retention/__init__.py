"""Multi-scale retention: a mixer that remembers without softmax."""

from blocks import Register, hookimpl

blocks_api = 1


@hookimpl
def register_mixers(register: Register) -> None:
    """The mixer; its declaration is imported when a recipe first names it."""
    register(
        "retention", "blocks_retention.specs:Retention", help="attention without softmax over a fading memory"
    )
