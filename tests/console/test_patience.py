"""What a user sees while Prefect's server hangs, or a proxy before it answers in its place, and how that ends."""

import asyncio
import time

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings
from starlette.responses import PlainTextResponse

from console import patience
from console.approvals import show_waiting
from console.failures import explained
from console.patience import impatient, told
from sandbox.http import AppServer


async def gateway(scope, receive, send):
    await PlainTextResponse("Bad Gateway", 502)(scope, receive, send)


async def hanging(scope, receive, send):
    await asyncio.sleep(2)
    await gateway(scope, receive, send)


@pytest.fixture
def once(monkeypatch):
    """Each request once, for a second."""
    monkeypatch.setattr(patience, "_RETRIES", 0)
    monkeypatch.setattr(patience, "_REQUEST_SECONDS", 1.0)


@pytest.mark.parametrize(
    ("app", "error", "end"),
    [
        (gateway, PrefectHTTPStatusError, "answered 502. Check PREFECT_API_URL, and the server's log."),
        (
            hanging,
            httpx.ReadTimeout,
            "did not answer in time. Look at its log, and at a proxy before it; is PREFECT_API_URL right?",
        ),
    ],
)
def test_a_server_that_gives_no_answer_is_named_while_it_is_asked_again(app, error, end, once, capsys):
    with AppServer(app) as server, temporary_settings({PREFECT_API_URL: f"http://me:pw@{server.url[7:]}/api"}):
        with pytest.raises(error) as caught, impatient(0.2), get_client(sync_client=True) as client:
            client.read_flow_runs()
        address = server.url[7:]
        assert str(explained(caught.value)) == f"The Prefect server at http://***@{address}/api {end}"
    told_lines = [line for line in capsys.readouterr().err.splitlines() if "no answer" in line]  # uvicorn's beside them
    assert told_lines == [f"The Prefect server at http://***@{address}/api gives no answer; it is asked again ..."]


def test_listing_what_waits_gives_up_early(once):
    with AppServer(gateway) as server, temporary_settings({PREFECT_API_URL: f"{server.url}/api"}):
        begin = time.monotonic()
        with pytest.raises(PrefectHTTPStatusError):
            show_waiting(as_json=False)
        assert time.monotonic() - begin < 10


def test_of_a_server_that_prefect_starts_itself_prefect_tells(capsys):
    with temporary_settings(restore_defaults={PREFECT_API_URL}), told(0.1):
        time.sleep(0.3)
    assert capsys.readouterr().err == ""


def test_a_server_that_answers_in_time_is_no_news(capsys):
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), told(0.2):
        pass
    time.sleep(0.4)
    assert capsys.readouterr().err == ""
