"""Text that is searched for, in whatever case."""

import pytest

from devices.models import User
from devices.searching import found_in
from tests.made import make_wearer

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ann", ["w1"]),
        ("ANN", ["w1"]),
        ("w2", ["w2"]),
        ("_", ["w_3"]),
        ("%", ["w2"]),
        ("\\", []),
        ("ÉLISE", ["w_3"]),
        ("élise", ["w_3"]),
        ("lise", ["w_3"]),
        ("nobody", []),
    ],
)
def test_it_finds_text_in_any_column_whatever_its_case_and_takes_no_letter_for_a_sign(
    text: str, found: list[str]
) -> None:
    make_wearer("w1", display_name="Ann")
    make_wearer("w2", display_name="100 % Bob")
    make_wearer("w_3", display_name="Élise")
    rows = User.objects.filter(found_in(text, "username", "display_name")).order_by("pk")
    assert list(rows.values_list("username", flat=True)) == found
