"""MLflow: run directories mirrored to it."""
