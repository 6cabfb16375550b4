"""`manage.py load_rules`."""

from pathlib import Path

import pytest
from django.core.management import call_command

from alerts.models import Rule, RuleVersion
from tests.alerts.test_rules_service import yaml

pytestmark = pytest.mark.django_db


def test_it_loads_files_and_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(yaml())
    call_command("load_rules", str(tmp_path))
    assert capsys.readouterr().out == "1 rules loaded, 0 unchanged, 0 disabled.\n"
    assert RuleVersion.objects.get().source == yaml()


def test_the_default_rules_load() -> None:
    call_command("load_rules", verbosity=0)
    assert Rule.objects.filter(rule_id="tachycardia-at-rest").exists()


def test_one_mistake_is_named_by_file_line_and_column_and_nothing_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.yaml").write_text(yaml())
    (tmp_path / "bad.yaml").write_text(yaml("bad").replace("heart_rate", "pulse").replace("max_gap: 60s\n", ""))
    with pytest.raises(SystemExit) as stopped:
        call_command("load_rules", str(tmp_path))
    assert stopped.value.code == 1
    problems = capsys.readouterr().err.splitlines()
    assert any(line.startswith(f"{tmp_path}/bad.yaml:6:7: ") and "pulse" in line for line in problems)
    assert any("max_gap" in line for line in problems)
    assert not Rule.objects.exists()
