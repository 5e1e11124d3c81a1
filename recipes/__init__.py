"""The published architectures, as recipes."""
