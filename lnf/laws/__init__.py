"""The laws of flows and models, and the check of a variant before it may train."""
