"""Models of sequences x: the latent-variable model and the LSTM baseline."""
