"""Studies: analyses of trained models, or of the flows themselves; a file has the computation and its figure."""
