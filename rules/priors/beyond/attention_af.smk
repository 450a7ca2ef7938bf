"""AF in time by causal self-attention in place of the LSTM (Vaswani et al. 2017)."""

prior(
    "attention_af",
    label="attention / AF",
    role="beyond",
    time="beyond.attention.AttentiveTime",
    hidden="af",
    transform="nlsq",
    draft=True,
)
