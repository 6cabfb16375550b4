"""The rules' page."""
