"""The commands of `blocks`, one a file."""
