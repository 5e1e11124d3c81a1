"""The backends: what a block graph becomes. Only `module`, `folder` and `runtime` import torch."""
