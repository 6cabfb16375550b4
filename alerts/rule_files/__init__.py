"""Rules as YAML: read, checked with file, line and column, and written."""

from alerts.rule_files.files import RuleFile, problem_at, read_rule_files, read_rules, unknown_replaced
from alerts.rule_files.parse import Parsed, parse_rule
from alerts.rule_files.problem import Problem
from alerts.rule_files.write import write_rule

__all__ = [
    "Parsed",
    "Problem",
    "RuleFile",
    "parse_rule",
    "problem_at",
    "read_rule_files",
    "read_rules",
    "unknown_replaced",
    "write_rule",
]
