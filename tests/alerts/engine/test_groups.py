"""Groups of values against loops over them."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alerts.engine.groups import Groups, in_order

GROUPS = st.lists(st.lists(st.none() | st.integers(-(2**62), 2**62), min_size=1, max_size=11), min_size=1, max_size=12)
NEAR = st.lists(st.integers(7, 12), max_size=40)
FAR = st.lists(st.integers(-(2**62), 2**62) | st.sampled_from([0, 65_535, 65_536, 65_537]), max_size=40)


@given(NEAR | FAR)
@example([65_536, 1, 0])
def test_numbers_are_put_in_order_and_equal_ones_stay_as_they_came(numbers: list[int]) -> None:
    order = in_order(np.array(numbers, np.int64)).tolist()
    assert order == sorted(range(len(numbers)), key=lambda place: numbers[place])


@given(GROUPS)
def test_sums_and_bounds_are_those_of_each_group(groups: list[list[int | None]]) -> None:
    found = Groups.of(np.repeat(np.arange(len(groups)), [len(group) for group in groups]))
    assert found.lengths.tolist() == [len(group) for group in groups]
    whole = [(value or 0) // 16 for group in groups for value in group]
    expected = [sum((value or 0) // 16 for value in group) for group in groups]
    assert found.sums(np.array(whole)).tolist() == expected
    least, most = found.bounds(np.array([np.nan if value is None else value for group in groups for value in group]))
    for group, low, high in zip(groups, least, most, strict=True):
        held = [float(value) for value in group if value is not None]
        assert (low, high) == (min(held), max(held)) if held else np.isnan(low) and np.isnan(high)


@pytest.mark.parametrize(("lengths", "is_short"), [([1, 2, 1, 3], True), ([9, 1, 1, 1, 1, 1], False), ([4, 5], False)])
def test_only_groups_that_are_all_short_are_taken_at_once(lengths: list[int], is_short: bool) -> None:
    found = Groups.of(np.repeat(np.arange(len(lengths)), lengths))
    assert (found.rounds is not None) == is_short
