"""Flow priors over latent sequences: how one time step depends on the others, one module each."""
