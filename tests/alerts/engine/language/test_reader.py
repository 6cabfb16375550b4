"""What the language takes, and how it refuses everything else: with a reason and a place."""

import pytest

from alerts.engine.language import ConditionError, read_condition, to_postgres
from alerts.engine.language.tree import (
    Absolute,
    All,
    Any,
    Arithmetic,
    Between,
    Column,
    Compare,
    IsNull,
    Not,
    Number,
    OneOf,
    TextOneOf,
)


def refusal(text: str) -> tuple[str, int, int]:
    with pytest.raises(ConditionError) as caught:
        read_condition(text)
    return caught.value.message, caught.value.line, caught.value.column


def test_it_reads_comparisons_and_their_columns() -> None:
    condition = read_condition("heart_rate > 100 AND activity_level < 10 AND steps_per_minute < 5")
    assert condition.columns == ("heart_rate", "activity_level", "steps_per_minute")
    assert condition.tree == All(
        (
            Compare(">", Column("heart_rate"), Number(100)),
            Compare("<", Column("activity_level"), Number(10)),
            Compare("<", Column("steps_per_minute"), Number(5)),
        )
    )


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("heart_rate != 1e2", Compare("<>", Column("heart_rate"), Number(100))),
        ("heart_rate BETWEEN 40 AND 50", Between(Column("heart_rate"), Number(40), Number(50))),
        ("heart_rate NOT IN (0, 255)", Not(OneOf(Column("heart_rate"), (0, 255)))),
        ("room_temp_c IN (-1)", OneOf(Column("room_temp_c"), (-1,))),
        ("heart_rate IS NOT NULL", Not(IsNull(Column("heart_rate")))),
        ("posture <> 'lying'", Not(TextOneOf("posture", ("lying",)))),
        ("'lying' = posture", TextOneOf("posture", ("lying",))),
        ("sleep_stage in ('deep', 'rem')", TextOneOf("sleep_stage", ("deep", "rem"))),
        ("heart_rate / -2 > 1", Compare(">", Arithmetic("/", Column("heart_rate"), Number(-2)), Number(1))),
        ("abs(heart_rate) > 1", Compare(">", Absolute(Column("heart_rate")), Number(1))),
        ("heart_rate > 1 OR NOT heart_rate > 2 AND hrv_ms > 3", Any(
            (
                Compare(">", Column("heart_rate"), Number(1)),
                All((Not(Compare(">", Column("heart_rate"), Number(2))), Compare(">", Column("hrv_ms"), Number(3)))),
            )
        )),
    ],
)  # fmt: skip
def test_it_reads(text: str, tree: object) -> None:
    assert read_condition(text).tree == tree


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("heart_rate > (SELECT 1)", 15, "a subquery is not allowed"),
        ("read_csv('/etc/passwd') > 1", 1, "the function read_csv is not allowed: there is only ABS"),
        ("heart_rate > 100; DROP TABLE x", 17, "one condition only: ';' is not allowed"),
        ('"heart_rate" > 1', 1, "quoted names are not allowed: write the column as it is, without quotes"),
        ("readings.heart_rate > 1", 9, "qualified names are not allowed: write the column alone"),
        ("heart_rate::int > 1", 11, "casts are not allowed"),
        ("CAST(heart_rate AS int) > 1", 1, "the function CAST is not allowed: there is only ABS"),
        ("heart_rate /* really */ > 1", 1, "comments are not allowed"),
        ("heart_rate > 1 -- really", 14, "comments are not allowed"),
        ("heart_rat > 1", 1, "unknown column heart_rat; did you mean heart_rate?"),
        ("Heart_Rate > 1", 1, "columns are written in lower case; did you mean heart_rate?"),
        ("heart_rate % 2 = 1", 12, "'%' is not allowed"),
        ("heart_rate == 1", 12, "'==' is not allowed: write ="),
        ("heart_rate = TRUE", 14, "TRUE is not allowed: write a comparison"),
        ("heart_rate > NULL", 1, "NULL is not allowed in a condition"),
        ("heart_rate", 1, "a comparison is needed here, not a value alone"),
        ("1 < heart_rate < 2", 1, "a number is needed here, not a condition"),
        ("1 > 2", 1, "the condition reads no column"),
        ("heart_rate > 'fast'", 1, "heart_rate is a number: it cannot be compared with a text"),
        ("posture > 'lying'", 1, "text is compared by =, <> and IN only"),
        ("posture + 1 > 2", 1, "posture is text: it is compared by =, <> and IN only"),
        ("sleep_stage IN ('deep', 'x')", 25, "sleep_stage is never 'x', but one of 'awake', 'light', 'deep', 'rem'"),
        ("sleep_stage = 1", 15, "sleep_stage is text: compare it with one of 'awake', 'light', 'deep', 'rem'"),
        ("heart_rate / 0 > 1", 14, "division by zero"),
        ("heart_rate / 0.0 > 1", 14, "division by zero"),
        ("1 / heart_rate > 1", 5, "division is by a number only, not by a column or an expression"),
        ("heart_rate IN (hrv_ms)", 16, "IN takes numbers here, and nothing else"),
        ("heart_rate IN ()", 1, "IN needs a list of values"),
        ("heart_rate IN (SELECT 1)", 16, "a subquery is not allowed"),
        ("heart_rate BETWEEN SYMMETRIC 1 AND 2", 1, "BETWEEN is not allowed in a condition"),
        ("heart_rate > 1e", 14, "1e is not a number"),
        ("heart_rate > 1e400", 14, "1e400 is too large or too small for a number"),
        ("heart_rate > 1e-400", 14, "1e-400 is too large or too small for a number"),
        ("heart_rate * 1e200 * 1e200 > 1", 1, "this product can become too large or too small for a number"),
        ("heart_rate >", 12, "something is missing or too much at '>'"),
        ("heart_rate > 1)", 15, "something is missing or too much at ')'"),
        ("posture = 'lying", 11, "a quote is opened and never closed"),
        ("", 1, "the condition is empty"),
    ],
)
def test_it_refuses(text: str, column: int, message: str) -> None:
    assert refusal(text) == (message, 1, column)


def test_it_names_the_line() -> None:
    assert refusal("heart_rate > 100\n  AND activty_level < 10")[1:] == (2, 7)


def test_it_refuses_a_condition_of_two_thousand_terms_unread() -> None:
    text = " OR ".join(["heart_rate > 1"] * 2_000)
    assert refusal(text) == ("longer than 1,000 characters", 1, 1001)


def test_it_takes_fifty_terms_and_no_more() -> None:
    fifty = " OR ".join(["hrv_ms > 1"] * 50)
    assert len(read_condition(fifty).tree.parts) == 50  # type: ignore[union-attr]
    assert refusal(f"{fifty} OR hrv_ms > 2")[0] == "more than 50 terms"
    assert refusal("hrv_ms" + "+1" * 60 + " > 1")[0] == "more than 50 terms"


def test_it_takes_twenty_levels_and_no_more() -> None:
    read_condition("(" * 20 + "hrv_ms > 1" + ")" * 20)
    assert refusal("(" * 21 + "hrv_ms > 1" + ")" * 21) == ("nested more than 20 deep", 1, 21)
    assert refusal("(" * 200 + "hrv_ms > 1" + ")" * 200)[0] == "nested more than 20 deep"
    assert refusal("NOT " * 200 + "hrv_ms > 1")[0] == "nested more than 20 deep"
    assert refusal("NOT (" * 15 + "hrv_ms > 1" + ")" * 15)[0] == "nested more than 20 deep"


def test_postgres_numbers_are_double_precision() -> None:
    assert to_postgres(read_condition("heart_rate > 7 / 2").tree, table="r") == (
        "(r.\"heart_rate\" > ('7.0'::double precision / '2.0'::double precision))".replace("r.", '"r".')
    )
