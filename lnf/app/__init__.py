"""What a user types and what answers: the command line, the launcher of `make`, the Snakefile's questions, cleaning."""
