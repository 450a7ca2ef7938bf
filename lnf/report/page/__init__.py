"""The page that shows it all: one file that opens without a network."""
