"""The embedded broker: librdkafka's mock cluster, the real protocol over loopback, in the supervisor's own memory."""

import logging
import uuid

from confluent_kafka import Producer

# A topic comes into being when it is asked for; a consumer that asked for none of it yet would see it minutes later.
TOPICS = ("biometrics-raw", "biometrics-alerts", "biometrics-dead-letter")
LOG = logging.getLogger("telara.embedded.kafka")


class Kafka:
    """One mock broker. Its topics live as long as it does, so each start is a cluster of its own, with its own id."""

    name = "kafka"
    folders: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.environ: dict[str, str] = {}
        self._cluster: Producer | None = None

    def start(self) -> None:
        self._cluster = Producer({"test.mock.num.brokers": 1, "log_level": 4}, logger=LOG)
        for topic in TOPICS:
            self._cluster.list_topics(topic, timeout=10)
        brokers = self._cluster.list_topics(timeout=10).brokers.values()
        servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        self.environ = {"KAFKA_BOOTSTRAP_SERVERS": servers, "TELARA_CLUSTER_ID": f"embedded-{uuid.uuid4()}"}

    def is_alive(self) -> bool:
        return self._cluster is not None

    def stop(self) -> None:
        self._cluster = None
