"""From the metrics of all runs to the paper's tables."""
