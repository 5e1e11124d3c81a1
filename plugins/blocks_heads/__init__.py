"""Heads: language model, masked language model, classifier, hidden states, pooler."""

from blocks import Register, hookimpl


@hookimpl
def register_heads(register: Register) -> None:
    """From vectors to the output."""
    register("lm", "blocks_heads.specs:LM", help="logits of the next token")
    register("masked_lm", "blocks_heads.specs:MaskedLM", help="logits of masked tokens (BERT)")
    register("classifier", "blocks_heads.specs:Classifier", help="logits of classes, one vector a sequence")
    register("hidden", "blocks_heads.specs:Hidden", help="hidden states as they are, beside other heads")
    register("pooler", "blocks_heads.specs:Pooler", help="a linear map and tanh of one token (BERT)")
