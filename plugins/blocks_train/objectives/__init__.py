"""Objectives: what a model is trained for, and the loss of a language model without its logits."""
