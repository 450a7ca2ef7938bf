"""Autoregressive in time, autoregressive (MADE) in hidden: the paper's strongest prior (table 1a, "AF / AF")."""

prior("af_af", label="AF / AF", time="af", hidden="af", transform="nlsq")
