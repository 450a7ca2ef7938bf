"""Sources of corpora: each module has `read(settings, files) -> RawCorpus`, and settings name it by dotted path."""
