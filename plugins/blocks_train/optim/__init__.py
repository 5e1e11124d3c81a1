"""Optimizers, schedules, the moving average of the weights."""
