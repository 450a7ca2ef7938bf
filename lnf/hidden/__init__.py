"""Flows within one time step (over the latent dimensions), one module each."""
