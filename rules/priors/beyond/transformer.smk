"""A causal Transformer next to the LSTM (Vaswani et al. 2017)."""

prior(
    "transformer",
    label="Transformer",
    role="beyond",
    model="beyond.transformer.Transformer",
    draft=True,
)
