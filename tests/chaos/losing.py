"""A consumer who once, with nothing left to do, takes its partitions for lost; for the broker it is their owner."""

from collections.abc import Callable

from confluent_kafka import TopicPartition

from ingestion.stream import consumer
from ingestion.stream.consumer import Step, Worker


def change(*, step: Callable[[Worker], Step] = Worker.step) -> None:
    consumer.LOST_FOR_S = 3.0  # type: ignore[misc]
    written = []

    def losing(worker: Worker) -> Step:
        done = step(worker)
        written.extend(done.outcomes)
        if written and not done.outcomes and not worker._pending and not hasattr(worker, "has_lost"):
            worker.has_lost = True  # type: ignore[attr-defined]
            transport = worker._transport
            transport._lose(transport._consumer, [TopicPartition(*position) for position in worker.positions()])
        return done

    Worker.step = losing  # type: ignore[method-assign]
