"""Corpora: raw files fetched and prepared, stored, loaded, put into batches."""
