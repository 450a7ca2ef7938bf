"""Autoregressive in time, split coupling in hidden: a step is sampled in one pass (table 1a, "AF / SCF")."""

prior("af_scf", label="AF / SCF", time="af", hidden="scf", transform="nlsq")
