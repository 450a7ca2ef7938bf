"""Ablation: AF / AF without dependence across hidden and with an affine transform (table 1b, both)."""

prior(
    "af_none_affine",
    label="AF / AF - AF hidden - NLSq",
    role="ablation",
    time="af",
    hidden="none",
    transform="affine",
)
