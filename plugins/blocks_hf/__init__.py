"""Hugging Face: built models as transformers' own, and checkpoints of known families in both directions."""
