"""AF / AF with mixtures of logistics for NLSq (Ho et al. 2019)."""

prior(
    "af_af_logistics",
    label="AF / AF, logistics",
    role="beyond",
    time="af",
    hidden="af",
    transform="beyond.logistics.MixtureOfLogistics",
    draft=True,
)
