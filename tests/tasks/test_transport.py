"""What a server's wish for patience comes to."""

import time

import pytest

from tasks.transport import retry_after


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("1.5", 1.5), ("0", 0.0), ("inf", None), ("nan", None), ("-3", None), ("soon", None), ("", None)],
)
def test_seconds_are_taken_and_what_is_none_is_not(header, seconds):
    assert retry_after({"Retry-After": header}) == seconds


@pytest.mark.parametrize("zone", ["GMT", "-0000"])
def test_a_date_is_taken_as_universal_time(monkeypatch, zone):
    monkeypatch.setenv("TZ", "America/Lima")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: 1_000_000_000.0)
    try:
        assert retry_after({"retry-after": f"Sun, 09 Sep 2001 01:47:10 {zone}"}) == 30.0
    finally:
        monkeypatch.undo()
        time.tzset()
    assert retry_after({"Retry-After": "Sun, 09 Sep 2001 01:47:10 GMT"}) == 0.0
