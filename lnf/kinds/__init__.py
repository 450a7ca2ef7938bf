"""Kinds of data: what a step of a sequence is, and how a model emits it."""
