"""Which months get partitions."""

from datetime import date

import pytest

from services.scan.jobs import months_from


@pytest.mark.parametrize(
    ("day", "months"),
    [
        (date(2026, 1, 31), [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]),
        (date(2026, 11, 24), [date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1)]),
        (date(2026, 12, 31), [date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1)]),
    ],
)
def test_months_go_on_over_the_year(day: date, months: list[date]) -> None:
    assert months_from(day, 2) == months
