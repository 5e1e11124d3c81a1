"""Checkpoints of a run, and what they hold beside a build folder."""
