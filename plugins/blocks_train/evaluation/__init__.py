"""Evaluation: what a language model is worth on a text, in nats a token and bits a byte."""
