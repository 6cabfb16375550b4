"""What follows from readings: windows, quality, rules, and what came late."""
