"""Training: objectives, data, optimizers, the loop and its checkpoints."""
