"""The embedded services as those see them who start, join, kill and leave them: real processes in copies of it."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis
from confluent_kafka import Producer
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from telara.embedded import needs, postgres
from telara.embedded import redis as embedded_redis
from telara.embedded.checkout import Checkout
from tests.telara.checkouts import JOIN, LEAVE, Copy, await_death, await_that, copied

pytestmark = [pytest.mark.kafka, pytest.mark.own_services]


@pytest.fixture
def checkout() -> Iterator[Copy]:
    with copied() as copy:
        yield copy


def ask(database: str, sql: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(database)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(sql)
        rows = cursor.fetchall() if cursor.description else []
    connection.close()
    return rows


def answers(database: str) -> bool:
    try:
        return ask(database, "SELECT 1") == [(1,)]
    except psycopg2.OperationalError:
        return False


def test_what_it_names_are_real_services(checkout: Copy) -> None:
    joined = checkout.join()
    assert ask(joined.database, "SELECT current_setting('fsync'), current_setting('TimeZone')") == [("on", "UTC")]
    assert redis.Redis.from_url(joined.redis).ping()
    assert Producer({"bootstrap.servers": joined.kafka}).list_topics(timeout=5).brokers
    assert joined.embedded == "postgres,kafka,redis"


def test_the_database_listens_on_no_port(checkout: Copy) -> None:
    checkout.join()
    listening = [c.pid for c in psutil.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    servers = [process.pid for process in checkout.family() if process.name() == "postgres"]
    assert servers
    assert not set(servers) & set(listening)


def test_ten_commands_at_once_share_one_start(checkout: Copy) -> None:
    commands = [checkout.start("-c", JOIN) for _ in range(10)]
    answers = {command.communicate()[0] for command in commands}
    assert len(answers) == 1
    assert checkout.files.log_file("embedded").read_text().count("supervisor") == 1


def test_data_outlive_the_services_and_a_new_broker_is_a_new_cluster(checkout: Copy) -> None:
    first = checkout.join()
    ask(first.database, "CREATE TABLE kept AS SELECT 42 AS answer")
    family = checkout.family()
    checkout.release()
    checkout.run("-c", JOIN + LEAVE)
    await_death(family)
    second = checkout.join()
    assert ask(second.database, "SELECT answer FROM kept") == [(42,)]
    assert first.cluster != second.cluster


def test_leaving_stops_everything_at_once(checkout: Copy) -> None:
    checkout.join()
    family = checkout.family()
    checkout.release()
    assert checkout.run("-c", JOIN + LEAVE).splitlines()[-1] == "True"
    assert not checkout.files.state_file.exists()
    await_death(family, within=5)


def test_leaving_stops_nothing_that_another_command_uses(checkout: Copy) -> None:
    other = checkout.join()
    assert checkout.run("-c", JOIN + LEAVE).splitlines()[-1] == "False"
    assert ask(other.database, "SELECT 1") == [(1,)]


@pytest.mark.slow
def test_it_stops_ten_seconds_after_its_last_user_was_killed(checkout: Copy) -> None:
    checkout.join()
    family = checkout.family()
    checkout.members[0].kill()
    await_death(family, within=14)
    assert not checkout.files.state_file.exists()


def test_a_killed_supervisor_leaves_nothing_behind_and_the_next_command_starts_anew(checkout: Copy) -> None:
    first = checkout.join()
    client = psycopg2.connect(first.database)  # an open client once kept the server alive
    family = checkout.family()
    family[0].kill()
    await_death(family, within=5)
    client.close()
    assert checkout.files.state_file.exists()
    second = checkout.join()
    assert ask(second.database, "SELECT 1") == [(1,)]
    assert checkout.supervisor().pid != family[0].pid


def test_a_start_whose_command_is_killed_is_finished_by_the_next(checkout: Copy) -> None:
    hurried = checkout.start("-c", JOIN)
    await_that(lambda: checkout.files.log_file("embedded").exists(), within=5)
    hurried.kill()
    hurried.communicate()
    assert ask(checkout.join().database, "SELECT 1") == [(1,)]


def test_a_half_made_cluster_is_made_anew(checkout: Copy) -> None:
    (checkout.root / "var" / "postgres" / "data.new" / "base").mkdir(parents=True)
    assert ask(checkout.join().database, "SELECT 1") == [(1,)]


def test_a_server_that_dies_comes_back_at_its_address(checkout: Copy) -> None:
    joined = checkout.join()
    log = checkout.files.log_file("embedded")
    killed = [process for process in checkout.supervisor().children() if process.name() in ("postgres", "redis-server")]
    for process in killed:
        process.kill()
    await_death(killed)
    await_that(lambda: log.read_text().count("started again") == len(killed), within=10)
    await_that(lambda: answers(joined.database), within=10)
    client = redis.Redis.from_url(joined.redis, retry=Retry(ConstantBackoff(0.2), retries=25))
    assert client.ping()


def test_two_checkouts_run_side_by_side(checkout: Copy) -> None:
    with copied() as other:
        mine, theirs = checkout.join(), other.join()
        ask(mine.database, "CREATE TABLE mine ()")
        assert ask(theirs.database, "SELECT to_regclass('mine')") == [(None,)]
        assert {mine.kafka, mine.redis}.isdisjoint({theirs.kafka, theirs.redis})


def test_what_the_environment_names_is_left_alone_and_added_when_wanted(checkout: Copy) -> None:
    partly = checkout.join(KAFKA_BOOTSTRAP_SERVERS="broker.example:9092")
    state = checkout.files.read_state()
    assert state is not None
    assert (partly.kafka, partly.embedded, list(state.environ)) == (
        "broker.example:9092",
        "postgres,redis",
        ["postgres", "redis"],
    )
    wholly = checkout.join()
    assert wholly.database == partly.database
    assert Producer({"bootstrap.servers": wholly.kafka}).list_topics(timeout=5).brokers


def test_a_child_of_a_command_joins_too_and_does_not_trust_addresses_that_are_gone(checkout: Copy) -> None:
    inherited = {"TELARA_EMBEDDED": "postgres,kafka,redis", "DATABASE_URL": "postgresql://gone/gone"}
    joined = checkout.join(**inherited, KAFKA_BOOTSTRAP_SERVERS="gone:1", REDIS_URL="redis://gone")
    assert ask(joined.database, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("name", ["a-rather-long-name-" * 5, "telara,the second"])
def test_a_path_that_no_socket_can_have_moves_it_to_a_private_temporary_folder(name: str) -> None:
    with copied(name=name) as checkout:
        checkout.join()
        state = checkout.files.read_state()
        assert state is not None
        (folder,) = (Path(folder) for folder in state.folders)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert ask(state.environ["postgres"]["DATABASE_URL"], "SELECT 1") == [(1,)]
        checkout.release()
        checkout.run("-c", JOIN + LEAVE)
        assert not folder.exists()


def test_a_closed_checkout_works_and_stays_closed() -> None:
    with copied(mode=0o700) as checkout:
        assert ask(checkout.join().database, "SELECT 1") == [(1,)]
        assert checkout.root.parent.stat().st_mode & 0o777 == 0o700
        place = postgres.outside_of(checkout.files) if os.geteuid() == 0 else checkout.root / "var" / "postgres"
        assert (place / "data" / "PG_VERSION").exists()
        assert place.stat().st_mode & 0o777 == 0o700


def test_without_redis_server_on_the_path_a_fake_one_answers(checkout: Copy) -> None:
    joined = checkout.join(PATH="/nonexistent")
    client = redis.Redis.from_url(joined.redis)
    client.rpush("queue", "task")
    assert client.blpop(["queue"], timeout=1) == (b"queue", b"task")
    assert "redis-server" not in {process.name() for process in checkout.family()}


def test_a_port_that_somebody_took_meanwhile_is_not_insisted_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    checkout = Checkout(tmp_path)
    checkout.make_folders()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ports = iter((taken.getsockname()[1], embedded_redis.free_port()))
        monkeypatch.setattr(embedded_redis, "free_port", lambda: next(ports))
        server = embedded_redis.RedisServer(checkout, program)
        server.start()
        server.stop()
    assert next(ports, None) is None


def test_a_second_terminal_sees_what_the_first_one_wrote(checkout: Copy) -> None:
    ask(checkout.join().database, "CREATE TABLE seen AS SELECT 7 AS lucky")
    code = "from django.db import connection as c; k = c.cursor(); k.execute('TABLE seen'); print(k.fetchall())"
    assert "[(7,)]" in checkout.run("manage.py", "shell", "--no-imports", "-c", code)


@pytest.mark.parametrize("command", [["help"], ["check"], ["makemigrations", "--check"]])
def test_a_command_that_needs_no_service_starts_none(checkout: Copy, command: list[str]) -> None:
    checkout.run("manage.py", *command)
    assert not (checkout.root / "var").exists()


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("manage.py", False),
        ("manage.py --version", False),
        ("manage.py migrate --help", False),
        ("manage.py check_rules alerts/rules", False),
        ("manage.py score_rules --days 1", False),
        ("manage.py backtest --readings a.csv", False),
        ("manage.py backtest --readings=a.csv", False),
        ("manage.py backtest --since 2025-01-01", True),
        ("manage.py check --database default", True),
        ("manage.py makemigrations", True),
        ("manage.py migrate", True),
        ("manage.py run_consumer", True),
    ],
)
def test_it_knows_which_commands_need_services(line: str, wanted: bool) -> None:
    assert needs.services_wanted(line.split()) is wanted


def test_a_variable_read_from_a_file_counts_as_named() -> None:
    environ = {"DATABASE_URL_FILE": "/run/secrets/database", "REDIS_URL": "redis://there"}
    assert needs.services_unset(environ) == ("kafka",)


def test_the_secret_key_is_kept_for_its_owner_alone(checkout: Copy) -> None:
    checkout.join()
    path = checkout.root / "var" / "secret_key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_text()) >= 50
