"""Figures, one function each, from result files alone."""
