from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.rollout import quantity
from tasks.rollout.names import dns_label, is_dns_label, label_value


@given(st.text(min_size=1))
def test_any_path_gives_a_valid_name(path):
    assert is_dns_label(dns_label(path))


@given(st.text())
def test_any_text_gives_a_valid_label_value(text):
    value = label_value(text)
    assert 0 < len(value) <= 63
    assert value[0].isalnum() and value[-1].isalnum()
    assert all(c.isascii() and (c.isalnum() or c in "._-") for c in value)


def test_long_names_stay_apart():
    first, second = dns_label("g/" + "a" * 70), dns_label("g/" + "a" * 71)
    assert first != second
    assert len(first) == len(second) == 63


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100m", "0.1"),
        ("1", "1"),
        (".5", "0.5"),
        ("1.5Gi", "1610612736"),
        ("2k", "2000"),
        ("1e3", "1000"),
        ("3E", "3e18"),
    ],
)
def test_quantities(text, value):
    assert quantity.parse(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "-1", "1 Mi", "1mi", "Mi", "1.2.3", "0x1", "1Kib", "NaN", "1e"])
def test_not_quantities(text):
    with pytest.raises(ValueError, match="not a Kubernetes quantity"):
        quantity.parse(text)
