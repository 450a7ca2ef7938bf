"""Inverse autoregressive in time, split coupling in hidden: all steps are sampled at once (table 1a, "IAF / SCF")."""

prior("iaf_scf", label="IAF / SCF", time="iaf", hidden="scf", transform="nlsq")
