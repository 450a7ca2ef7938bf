"""Latent normalizing flows for discrete sequences (Ziegler & Rush, ICML 2019): an experiment pipeline."""
