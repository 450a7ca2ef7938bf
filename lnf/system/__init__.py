"""Files, locks, processes, where a result comes from, classes by dotted path."""
