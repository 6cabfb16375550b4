"""The page of the pipeline, and the quarantine on it."""
