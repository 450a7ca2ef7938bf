"""Models of sequences: the latent model and its parts, the LSTM baseline, their objectives."""
