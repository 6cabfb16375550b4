"""`.ci/audit`, with programs in place of pip-audit and npm that say what those say."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).resolve().parents[2] / ".ci" / "audit"
PACKAGE = {"name": "django", "version": "5.2.0", "vulns": []}
FLAW = {"id": "PYSEC-1", "fix_versions": ["5.2.1"]}
NO_FLAWS = json.dumps({"vulnerabilities": {}})


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    shutil.copy(AUDIT, tmp_path / ".ci/audit")
    return tmp_path


def audit(checkout: Path, *, python: str, npm: str) -> tuple[int, list[str]]:
    """What the step says where pip-audit would write `python` as its report, and npm says `npm`."""
    write = f"pathlib.Path(sys.argv[-1]).write_text({python!r})" if python else "None"
    for name, deed in {"pip-audit": write, "npm": f"print({npm!r})"}.items():
        program = checkout / ".venv/bin" / name
        program.write_text(f"#!{sys.executable}\nimport pathlib, sys\n{deed}\nsys.exit(1)\n")
        program.chmod(0o755)
    ended = subprocess.run(
        [sys.executable, checkout / ".ci/audit"], capture_output=True, text=True, timeout=60, check=False
    )
    return ended.returncode, ended.stdout.splitlines()


def report(*packages: dict[str, object]) -> str:
    return json.dumps({"dependencies": packages})


def test_a_known_vulnerability_fails_the_step(checkout: Path) -> None:
    code, said = audit(checkout, python=report(PACKAGE | {"vulns": [FLAW]}), npm=NO_FLAWS)
    assert code == 1
    assert said == [
        "Python: django 5.2.0: PYSEC-1 (fixed in 5.2.1)",
        "Python: 1 known vulnerabilities",
        "JavaScript: 0 known vulnerabilities",
    ]


def test_one_in_what_browsers_load_fails_it_too(checkout: Path) -> None:
    code, said = audit(
        checkout, python=report(PACKAGE), npm=json.dumps({"vulnerabilities": {"uplot": {"severity": "high"}}})
    )
    assert (code, said[1]) == (1, "JavaScript: uplot: high")


@pytest.mark.parametrize("python", ["", "Traceback", report(), report(PACKAGE, PACKAGE | {"skip_reason": "not found"})])
@pytest.mark.parametrize("npm", ["", '{"error": {"code": "ENOTFOUND"}}', "npm error"])
def test_an_audit_that_did_not_take_place_is_named_and_does_not_fail(checkout: Path, python: str, npm: str) -> None:
    skipped = "skipped, the advisory database cannot be reached"
    assert audit(checkout, python=python, npm=npm) == (0, [f"Python: {skipped}", f"JavaScript: {skipped}"])
