"""Priors and a model that are not in the paper, each written as a user would write one (docs/adding-a-prior.md)."""
