"""How the next token is chosen: small functions on logits, one a file."""
