"""Measured results that are kept with the sources: reports/measured/NAME, the README's block and docs/results.md."""
