"""Ray: a client that asks for a step of a run, the session that joins a head, the head itself, the worker."""
