"""What a user reads where Prefect's own server is not there, or another one is."""

import json

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from console.failures import explained


def test_a_web_page_is_no_prefect_server():
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("<html>")
    with temporary_settings({PREFECT_API_URL: "https://me:s3cret@prefect.example.com/api"}):
        assert str(explained(caught.value)) == (
            "What answers at https://***@prefect.example.com/api is no Prefect server. Check PREFECT_API_URL, which"
            " ends with /api, and for a proxy or login page before it."
        )
