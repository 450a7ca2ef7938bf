"""Normalizing flows over latent sequences: scalar transforms, flows within a step (hidden) and across steps (time)."""
