"""Depthwise causal convolution over time as Triton kernels."""
