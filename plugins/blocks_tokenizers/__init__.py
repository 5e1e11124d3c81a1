"""Tokenizers: bytes, characters, words, byte-level BPE, WordPiece, Unigram, and files; `blocks tokenizer`."""

from blocks import Register, hookimpl


@hookimpl
def register_tokenizers(register: Register) -> None:
    """From text to token ids and back."""
    register("byte", "blocks_tokenizers.specs:Byte", help="the 256 bytes of UTF-8")
    register("char", "blocks_tokenizers.specs:Char", help="an id for each character of a text")
    register(
        "word", "blocks_tokenizers.specs:Word", help="an id for each word of a text that is frequent enough"
    )
    register("bpe", "blocks_tokenizers.specs:Bpe", help="byte-pair encoding of UTF-8, as in GPT-2")
    register(
        "wordpiece", "blocks_tokenizers.specs:WordPiece", help="words and their continuations, as in BERT"
    )
    register("unigram", "blocks_tokenizers.specs:Unigram", help="the likeliest pieces, as in sentencepiece")
    register("file", "blocks_tokenizers.file:File", help="a tokenizer.json, or a sentencepiece model")


@hookimpl
def register_commands(register: Register) -> None:
    """`blocks tokenizer`."""
    register(
        "tokenizer",
        "blocks_tokenizers.command:COMMAND",
        help="train a tokenizer, encode a text, judge a vocabulary, add tokens to a model",
    )
