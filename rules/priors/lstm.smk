"""The LSTM baseline: exact likelihood, no latent (docs/paper.md table 1a, "LSTM, sentence-wise")."""

prior("lstm", label="LSTM", model="lstm")
