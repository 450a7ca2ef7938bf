"""Loops that PyTorch is slow at, compiled by numba. The plain definitions are where they are called from: they are
what tests hold a kernel against, and what runs on a GPU, when a gradient is wanted, or where numba is missing.
"""
