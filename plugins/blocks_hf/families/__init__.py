"""One file a family: its config.json as a recipe, its tensors' names, and both the other way round."""
