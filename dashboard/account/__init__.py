"""Signing in, and what somebody does about the safety of their own account."""
