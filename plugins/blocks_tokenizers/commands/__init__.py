"""What `blocks tokenizer` does, a file an action."""
