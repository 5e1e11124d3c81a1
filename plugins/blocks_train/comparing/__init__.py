"""`blocks compare`: several recipes trained on the same batches, at equal parameters and tokens, side by side."""
