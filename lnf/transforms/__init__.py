"""Scalar bijections."""
