"""RMS norm, alone and behind a residual add, as Triton kernels."""
