"""Ablation: AF / AF with an affine scalar transform for NLSq (table 1b, "- NLSq")."""

prior(
    "af_af_affine",
    label="AF / AF - NLSq",
    role="ablation",
    time="af",
    hidden="af",
    transform="affine",
)
