"""Training in several processes, on torch.distributed: who they are, a model dealt among them, its checkpoints."""
