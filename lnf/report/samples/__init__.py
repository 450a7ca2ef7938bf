"""Samples as people read, see and hear them."""
