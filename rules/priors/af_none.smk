"""Ablation: AF / AF without dependence across hidden dimensions (table 1b, "- AF hidden")."""

prior(
    "af_none",
    label="AF / AF - AF hidden",
    role="ablation",
    time="af",
    hidden="none",
    transform="nlsq",
)
