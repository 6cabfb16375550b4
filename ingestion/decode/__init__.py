"""Bytes to readings: the columnar path that only accepts, and the exact one."""
