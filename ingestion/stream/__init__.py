"""The stream worker: from a poll to Kafka's offsets, and what it reports of itself."""
