"""Priors over latent sequences: the flow between time steps."""
