"""The ledger: who may store a partition, from where, and how a stopped owner is got rid of."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psycopg2
import pytest
from django.db import connection, transaction

from ingestion.models import OffsetGap, PartitionLedger
from ingestion.stream.batch import Position
from ingestion.write.ledger import (
    Claim,
    Fenced,
    GroupConflict,
    Owner,
    advance,
    begin,
    claim,
    fence,
    next_offsets,
    record_gap,
)
from tests.ingestion.running import database_url, until

pytestmark = pytest.mark.django_db(transaction=True)
ZERO, ONE = Position("t", 0), Position("t", 1)
ME = Owner("me", "group", "cluster")
YOU = Owner("you", "group", "cluster")


def test_the_first_claim_finds_nothing_stored_and_each_later_one_a_higher_epoch():
    assert claim([ONE, ZERO], owner=ME) == {ZERO: Claim(1, None), ONE: Claim(1, None)}
    begin(ZERO, 40, epoch=1, owner=ME)
    assert claim([ZERO], owner=YOU) == {ZERO: Claim(2, 40)}
    assert PartitionLedger.objects.get(partition=0).owner == "you"


def test_offsets_of_another_cluster_are_another_ledger():
    claim([ZERO], owner=ME)
    begin(ZERO, 40, epoch=1, owner=ME)
    assert claim([ZERO], owner=Owner("me", "group", "another"))[ZERO] == Claim(1, None)
    assert next_offsets(cluster_id="cluster", topics=["t"]) == {ZERO: 40}


def test_a_batch_moves_the_ledger_on():
    claims = claim([ZERO, ONE], owner=ME)
    begin(ZERO, 0, epoch=1, owner=ME)
    begin(ONE, 7, epoch=1, owner=ME)
    with transaction.atomic():
        fence({ZERO: 0, ONE: 7}, claims, owner=ME)
        advance({ZERO: 10, ONE: 9}, owner=ME)
    assert next_offsets(cluster_id="cluster", topics=["t"]) == {ZERO: 10, ONE: 9}


def test_whoever_was_overtaken_is_fenced_off():
    claims = claim([ZERO], owner=ME)
    begin(ZERO, 0, epoch=1, owner=ME)
    claim([ZERO], owner=YOU)
    with pytest.raises(Fenced, match=r"t\[0\]: epoch 2"), transaction.atomic():
        fence({ZERO: 0}, claims, owner=ME)
    with pytest.raises(Fenced):
        begin(ZERO, 5, epoch=1, owner=ME)


def test_an_offset_that_is_not_the_expected_one_is_fenced_off():
    claims = claim([ZERO], owner=ME)
    begin(ZERO, 3, epoch=1, owner=ME)
    for wrong in (0, 4):
        with pytest.raises(Fenced, match="next offset 3"), transaction.atomic():
            fence({ZERO: wrong}, claims, owner=ME)


def test_a_partition_that_was_never_claimed_is_fenced_off():
    with pytest.raises(Fenced), transaction.atomic():
        fence({ZERO: 0}, {}, owner=ME)


@pytest.fixture
def other() -> Iterator[psycopg2.extensions.connection]:
    """A session of somebody else's."""
    connection = psycopg2.connect(database_url())
    yield connection
    connection.close()


def is_alive(backend: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [backend])
        return bool(cursor.fetchone()[0])


def owned_by(connection: psycopg2.extensions.connection, *, group: str) -> None:
    """Let the ledger say that this session stores partition 0."""
    with connection.cursor() as cursor:
        cursor.execute(
            'UPDATE ingestion_partitionledger SET "group" = %s, owner = %s, (backend_pid, backend_start) ='
            " (SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())",
            [group, "the other one"],
        )
    connection.commit()


def test_a_second_group_is_refused_while_the_owner_lives_and_told_why(other: psycopg2.extensions.connection):
    claim([ZERO], owner=ME)
    owned_by(other, group="theirs")
    with pytest.raises(GroupConflict, match=r"t\[0\] is stored by the other one of group 'theirs'.*--group theirs"):
        claim([ZERO], owner=ME)
    assert PartitionLedger.objects.get().owner == "the other one"
    gone = other.info.backend_pid
    other.close()
    until(lambda: not is_alive(gone), within_s=10)  # a backend takes a moment to notice that its client left
    assert claim([ZERO], owner=ME)[ZERO].epoch == 2


def test_a_member_of_the_same_group_takes_over_from_a_living_one(other: psycopg2.extensions.connection):
    claim([ZERO], owner=ME)
    owned_by(other, group="group")
    assert claim([ZERO], owner=ME)[ZERO].epoch == 2


STOPPED = """
import io, os, signal, sys
import psycopg2
connection = psycopg2.connect(sys.argv[1])
cursor = connection.cursor()
cursor.execute("UPDATE ingestion_partitionledger SET (backend_pid, backend_start) ="
               " (SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())")
connection.commit()
cursor.execute("SELECT 1 FROM ingestion_partitionledger FOR UPDATE")
cursor.execute("CREATE TEMP TABLE copied (line text)")

class Endless(io.RawIOBase):
    lines = 0
    def read(self, size=-1):
        self.lines += 1
        if self.lines == 3:
            print("inside", flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)
        return "line\\n" * 10_000

cursor.copy_expert("COPY copied FROM STDIN", Endless())
"""


def test_an_owner_that_was_stopped_inside_a_copy_is_ended():
    claim([ZERO], owner=YOU)
    with subprocess.Popen([sys.executable, "-c", STOPPED, database_url()], stdout=subprocess.PIPE) as stopped:
        assert stopped.stdout is not None
        assert stopped.stdout.readline() == b"inside\n"
        assert claim([ZERO], owner=ME)[ZERO].epoch == 2
        os.kill(stopped.pid, signal.SIGKILL)


def test_a_gap_is_recorded_once_and_stepped_over():
    claims = claim([ZERO], owner=ME)
    begin(ZERO, 3, epoch=1, owner=ME)
    for _ in range(2):
        record_gap(ZERO, expected=3, found=10, topic_id=None, owner=ME)
    gap = OffsetGap.objects.get()
    assert (gap.expected, gap.found, gap.reason) == (3, 10, "retention")
    with transaction.atomic():
        fence({ZERO: 10}, claims, owner=ME)
