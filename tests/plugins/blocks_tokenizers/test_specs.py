"""What the declarations of tokenizers say, without a library."""

from blocks import Sizes
from blocks_tokenizers.specs import Byte


def test_bytes_need_nothing() -> None:
    byte = Byte()
    assert (byte.vocab_size, byte.needs_training, byte.has_files) == (256, False, False)
    assert list(byte.check(Sizes(1))) == []
