"""AF / AF with two latent dimensions, so that p(z_t | z_<t) can be looked at (the paper's figure of "groups")."""

prior(
    "af_af_2d",
    label="AF / AF, H = 2",
    role="picture",
    time="af",
    hidden="af",
    transform="nlsq",
)
