"""docker-compose.yml, as docker-compose reads it. No engine is needed, nothing is started."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {"POSTGRES_PASSWORD": "pg-s3cret", "REDIS_PASSWORD": "redis-s3cret", "SECRET_KEY": "key-s3cret"}
OURS = {"setup", "web", "consumer", "worker", "beat", "simulator"}
# What the file itself decides, or nobody sets in production.
OF_THE_FILE = {
    "TELARA_DEMO_PASSWORD", "TELARA_KAFKA_GROUP", "TELARA_KAFKA_GROUP_PROTOCOL", "TELARA_KAFKA_PARTITIONS",
    "TELARA_KAFKA_REPLICATION", "TELARA_BATCH_MESSAGES", "TELARA_BATCH_AGE_MS", "TELARA_LIVE_PREFIX",
    "TELARA_FAILPOINTS", "TELARA_EMBEDDED", "TELARA_CLUSTER_ID",
}  # fmt: skip
# Why these have no check is said in the file.
UNCHECKED = {"setup", "consumer", "beat", "simulator"}


def compose(**environment: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed: its configuration is not checked")
    clean = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    command = [program, "-f", str(ROOT / "docker-compose.yml"), "--project-directory", str(ROOT / "tests"), "config"]
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    answer = compose(**SECRETS)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = yaml.safe_load(answer.stdout)["services"]
    return found


def test_it_has_every_service_and_process(services: dict[str, Any]) -> None:
    assert set(services) == OURS | {"postgres", "kafka", "redis"}


def test_what_an_operator_may_set_reaches_telara_with_the_default_that_is_written_down() -> None:
    rows = re.findall(r"^\| (`TELARA_.+?) \|(.*?)\|", (ROOT / "README.md").read_text(), re.MULTILINE)
    named = [re.findall(r"`([^`]+)`", cell) for row in rows for cell in row]
    defaults = {name: default for names, row in zip(named[::2], named[1::2], strict=True) for name, default in
                zip(names, row or [""] * len(names), strict=False)}  # fmt: skip
    given = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["x-telara"]["environment"]
    expected = {name: f"${{{name}:-{default}}}" for name, default in defaults.items() if name not in OF_THE_FILE}
    expected["TELARA_ERASURE_KEY"] = "${TELARA_ERASURE_KEY:-}"  # empty: SECRET_KEY
    assert {name: given.get(name) for name in expected} == expected
    shown = (ROOT / ".env.example").read_text()
    assert [name for name in expected if f"#{name}=" not in shown] == []


@pytest.mark.parametrize("name", SECRETS)
def test_it_does_not_start_without_a_secret_and_names_it(name: str) -> None:
    answer = compose(**{key: value for key, value in SECRETS.items() if key != name})
    assert answer.returncode != 0
    assert f"set {name} in .env" in answer.stderr


def test_no_secret_is_written_down(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for key, value in (service.get("environment") or {}).items():
            if re.search("PASSWORD|SECRET_KEY|AUTH|_URL", key) and key != "TELARA_URL":  # that one is for everybody
                assert not value or "s3cret" in str(value), (name, key)


def test_only_the_web_process_is_published_and_on_this_machine_only(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if service.get("ports")}
    assert published == {"web": ["127.0.0.1:8000:8000/tcp"]}


def test_every_service_has_limits(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert {"cpus", "memory"} <= service["deploy"]["resources"]["limits"].keys(), name


def test_every_service_has_a_check_or_a_reason_for_none(services: dict[str, Any]) -> None:
    unchecked = {name for name, service in services.items() if service["healthcheck"]["test"] == ["NONE"]}
    assert unchecked == UNCHECKED


def test_what_is_waited_for_is_the_server_that_stays(services: dict[str, Any]) -> None:
    """While PostgreSQL's image makes its first tables, a server listens on the socket alone, and ends again."""
    assert "--host=127.0.0.1" in services["postgres"]["healthcheck"]["test"]


def test_every_image_is_pinned(services: dict[str, Any]) -> None:
    for service in services.values():
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+(\.\d+)?(-\w+)?", service["image"])
    stages = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(stages) == 3
    assert all(re.fullmatch(r"[a-z]+:\d+\.\d+\.\d+-\w+-?\w+", stage) for stage in stages)


def test_telara_waits_for_healthy_services_and_for_the_setup(services: dict[str, Any]) -> None:
    for name in OURS - {"setup"}:
        waits = {service: wait["condition"] for service, wait in services[name]["depends_on"].items()}
        assert waits.pop("setup") == "service_completed_successfully"
        assert waits == dict.fromkeys(("postgres", "kafka", "redis"), "service_healthy")


def test_telara_runs_without_rights(services: dict[str, Any]) -> None:
    for name in OURS:
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert "USER telara" in lines


def test_each_variable_is_one_that_telara_reads(services: dict[str, Any]) -> None:
    settings = (ROOT / "telara" / "settings.py").read_text()
    for key in services["web"]["environment"]:
        assert f'"{key}"' in settings, key


def test_each_command_is_there(services: dict[str, Any]) -> None:
    said = " ".join(" ".join(services[name].get("command") or []) for name in OURS)
    commands = set(re.findall(r"manage\.py (\w+)", said))
    assert {"migrate", "create_topics", "load_rules", "run_consumer", "run_simulator"} == commands
    assert commands <= get_commands().keys()


def test_the_example_names_every_variable_of_the_file_and_no_secret() -> None:
    example = (ROOT / ".env.example").read_text()
    offered = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", example, re.MULTILINE))
    used = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    assert set(offered) == used
    assert all(offered[name] == "" for name in (*SECRETS, "TELARA_METRICS_TOKEN"))
