"""Flows within a time step."""
