"""Durations and amounts."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rollout.inventory.quantities import Amount, format_bytes, format_duration, parse_duration, parse_rate


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("500ms", 0.5),
        ("2m", 120),
        ("1h", 3600),
        ("0", 0),
        ("0s", 0),
        ("1.5s", 1.5),
        ("250ms", 0.25),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """A number and a unit are seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "30", "s", "-1s", "1 s", "1d", "1s2", ".5s", "1e3s", "٣s", "inf", None, ["1s"]]
)
def test_what_is_no_duration(text: object) -> None:
    """Anything else is told with examples."""
    with pytest.raises(ValueError, match="expected a duration such as 30s"):
        parse_duration(text)


@given(st.integers(0, 100_000))
def test_durations_round_trip(milliseconds: int) -> None:
    """A duration that is written is read as the same."""
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@pytest.mark.parametrize(
    ("text", "rate"), [("20MB/s", 20e6), ("500kB/s", 500e3), ("1GB/s", 1e9), ("1.5MB/s", 1.5e6)]
)
def test_rates(text: str, rate: float) -> None:
    """A number and a unit are bytes a second, by thousands."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "20", "20MB", "0MB/s", "20 MB/s", "20Mb/s", "20mb/s", "20MiB/s", None])
def test_what_is_no_rate(text: object) -> None:
    """Bits, other units and none are told with examples."""
    with pytest.raises(ValueError, match="expected a rate such as 20MB/s"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (12_340_000, "12.34 MB"), (1.5e12, "1500 GB")],
)
def test_sizes(number: float, text: str) -> None:
    """They are written as people read them."""
    assert format_bytes(number) == text


@given(
    st.one_of(st.integers(1, 999_999_999).map(str), st.integers(1, 100_000).map(lambda n: f"{n / 1000:g}%"))
)
def test_amounts_round_trip(text: str) -> None:
    """An amount is written as it was read."""
    assert str(Amount.parse(text)) == text


@given(st.integers(1, 10_000), st.integers(1, 100))
def test_a_share_is_rounded_down_and_at_least_one(total: int, percent: int) -> None:
    """Of any number of nodes, with no fault of floating point."""
    assert Amount.parse(f"{percent}%").of(total) == max(1, total * percent // 100)


@given(st.integers(1, 1000), st.integers(1, 1000))
@example(375, 184)
def test_a_share_may_have_decimals(total: int, permille: int) -> None:
    """Also where a share is no whole percent."""
    assert Amount.parse(f"{permille / 10}%").of(total) == max(1, total * permille // 1000)


@given(st.integers(1, 10_000), st.integers(1, 1000))
@example(500, 2)
def test_a_floor_is_rounded_up(total: int, permille: int) -> None:
    """As a floor, a share is never less than it says, with no fault of floating point."""
    assert Amount.parse(f"{permille / 10}%").as_minimum(total) == -(-total * permille // 1000)


def test_a_count_is_itself() -> None:
    """However many nodes there are."""
    assert Amount.parse("3").of(2) == Amount.parse("3").as_minimum(2) == 3
