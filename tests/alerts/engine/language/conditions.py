"""Conditions and rows for properties of the language."""

from typing import Any

from hypothesis import strategies as st

from devices.metrics import METRICS

NUMBERS = ("heart_rate", "spo2_percent", "steps_per_minute", "body_temp_c")
VALUES: dict[str, tuple[float | None, ...]] = {
    "heart_rate": (None, 40, 72.5, 99.9, 100, 100.1, 180),
    "spo2_percent": (None, 88, 91.99999999999999, 92, 3),
    "steps_per_minute": (None, 0, 5e-324, 1e-200, 1, 7),
    "body_temp_c": (None, 36.6, 38, 38.00000000000001),
}


def literals() -> st.SearchStrategy[str]:
    return st.sampled_from(
        ["0", "1", "2", "7", "0.1", "3", "10", "38.0", "92", "100", "1e2", "180", "0.5", "-1", "-2.5"]
    )


def values() -> st.SearchStrategy[str]:
    def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner),
            st.builds("({} / {})".format, inner, st.sampled_from(["2", "3", "10", "-7", "0.1"])),
            st.builds("ABS({})".format, inner),
            st.builds("(- {})".format, inner),
        )

    return st.recursive(st.one_of(st.sampled_from(NUMBERS), literals()), grown, max_leaves=3)


def comparisons() -> st.SearchStrategy[str]:
    sign = st.sampled_from(["=", "<>", "!=", "<", "<=", ">", ">="])
    listed = st.lists(literals(), min_size=1, max_size=3).map(", ".join)
    posture = st.sampled_from(METRICS["posture"].choices)
    return st.one_of(
        st.builds("{} {} {}".format, values(), sign, values()),
        st.builds("{} {}BETWEEN {} AND {}".format, values(), st.sampled_from(["", "NOT "]), values(), values()),
        st.builds("{} {}IN ({})".format, values(), st.sampled_from(["", "NOT "]), listed),
        st.builds("{} IS {}NULL".format, values(), st.sampled_from(["", "NOT "])),
        st.builds("posture {} '{}'".format, st.sampled_from(["=", "<>"]), posture),
        st.builds("posture {}IN ('{}', '{}')".format, st.sampled_from(["", "NOT "]), posture, posture),
        st.builds("posture IS {}NULL".format, st.sampled_from(["", "NOT "])),
    )


def conditions() -> st.SearchStrategy[str]:
    def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.builds("({} AND {})".format, inner, inner),
            st.builds("({} OR {})".format, inner, inner),
            st.builds("NOT ({})".format, inner),
            st.builds("({}) IS {}NULL".format, inner, st.sampled_from(["", "NOT "])),
        )

    return st.builds("heart_rate > 99 OR {}".format, st.recursive(comparisons(), grown, max_leaves=5))


def rows() -> st.SearchStrategy[list[dict[str, Any]]]:
    cells = {name: st.sampled_from(values) for name, values in VALUES.items()}
    texts = st.sampled_from([None, "lying", "seated", "running"])
    return st.lists(st.fixed_dictionaries({**cells, "posture": texts}), min_size=1, max_size=12)
