"""Consumers that are wrong on purpose, each by one function: the matrix must find them out."""
