"""No dependence across time: each step's latent is an AF over hidden, given its position only (table 1a, "AF-only")."""

prior(
    "af_only",
    label="independent across time",
    role="independent",
    time="none",
    hidden="af",
    transform="nlsq",
)
