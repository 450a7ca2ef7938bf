"""How fast it is, beside what the machine can do: rates, counts of operations, floors, the table of `make bench`."""
