"""Recurrent networks, position tables, dropout."""
