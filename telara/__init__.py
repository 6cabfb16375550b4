"""Telara: the project."""
