"""AF / AF with monotone rational-quadratic splines for NLSq (Durkan et al. 2019)."""

prior(
    "af_af_spline",
    label="AF / AF, spline",
    role="beyond",
    time="af",
    hidden="af",
    transform="beyond.splines.RationalQuadraticSpline",
    draft=True,
)
