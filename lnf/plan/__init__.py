"""What is to be done: configuration, rule files of variants, checks of both, digests, the places of results."""
