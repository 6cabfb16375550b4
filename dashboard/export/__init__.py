"""All that is kept of a person, as files that they can take along."""
