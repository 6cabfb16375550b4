"""Whatever sends to Kafka: producer, topics, simulation, replay, the outbox."""
