"""Simulated people: believable readings as a pure function of seed, person and time. No Django, no Kafka, no clock."""
