"""Fixtures of the whole suite: one Prefect server a session, started only when a test asks; the sandbox a module."""

import fcntl
import gc
import os
import shutil
import sqlite3
import warnings
from collections import Counter
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
# What of Prefect's server nothing here looks at is a quarter of the processor time of a flow's test.
for service in ("EVENT_PERSISTER", "TRIGGERS", "FOREMAN", "LATE_RUNS"):
    os.environ[f"PREFECT_SERVER_SERVICES_{service}_ENABLED"] = "false"
# Every HTTP client reads the authorities it trusts, 30 ms of processor time for the usual 140 of them: nobody's is one.
SERVICES = [
    os.environ.get(f"SMARTCLIDE_TEST_{name}", "127.0.0.1") for name in ("JENKINS", "REGISTRY", "REGISTRY_LOGIN")
]
if all("127.0.0.1" in service for service in SERVICES):
    os.environ["SSL_CERT_FILE"] = str(ROOT / "tests" / "authority.pem")
# Of a server whose database is a copy: migrations and Prefect's own blocks are in it.
PREPARED = {
    "PREFECT_API_DATABASE_MIGRATE_ON_START": "false",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
    "PREFECT_UI_ENABLED": "false",
}
RUNS_FLOWS = [ROOT / "tests" / part for part in ("flows", "integration", "tasks/rollout")]
LEFT_BEHIND = (
    "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning",
    "ignore:unclosed:ResourceWarning",
)


@cache
def in_flows(path):
    return any(folder in path.parents for folder in RUNS_FLOWS)


def runs_flows(item):
    return in_flows(item.path)


EVERYTHING = os.environ.get("SMARTCLIDE_TEST_SLOW") == "1"
# How fast a busy machine makes up examples says nothing of the code. Examples are others each time.
settings.register_profile("everything", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.register_profile("usual", settings.get_profile("everything"), max_examples=30)
settings.load_profile("everything" if EVERYTHING else "usual")


# Files in the order in which workers take them: what waits for a real cluster first, while others keep the processors
# busy; then what takes minutes.
FIRST = [
    "tasks/rollout/test_integration.py",
    "tasks/rollout/test_integration_failures.py",
    "flows/test_serving.py",
    "flows/test_crashes.py",
    "integration",
    "flows",
    "tasks/jenkins_build/test_fidelity.py",
    "tasks/jenkins_build/groovy",
]


def turn(item):
    """When it is a test's turn: its file's place in `FIRST`."""
    return place(item.path)


@cache
def place(path):
    within = path.relative_to(ROOT / "tests").as_posix()
    return next((number for number, start in enumerate(FIRST) if within.startswith(start)), len(FIRST))


SLOW = pytest.mark.skip(reason="takes long: `make test SLOW=1` runs it too")
OTHER_RENDERING = pytest.mark.skip(reason="runs in the other rendering: `make test SLOW=1` runs both")


def left_out(items):
    """The tests that are not of the usual ones, each with the mark that says why.

    What is tested in both renderings is so in turns: the n-th of a test's in the one, the next in the other.
    """
    seen = Counter()
    for item in items:
        rendering = getattr(item, "callspec", None) and item.callspec.params.get("rendering")
        test = (item.path, item.originalname, rendering)
        seen[test] += 1
        if item.get_closest_marker("slow"):
            yield item, SLOW
        elif rendering and (seen[test] + len(item.originalname) + (rendering == "graph")) % 2:
            yield item, OTHER_RENDERING


def pytest_collection_modifyitems(items):
    """Prefect's clients leave sockets and event loops to the collector; where flows run, that is let pass."""
    items.sort(key=turn)
    for item, reason in () if EVERYTHING else left_out(items):
        item.add_marker(reason)
    for item in items:
        if runs_flows(item):
            for rule in LEFT_BEHIND:
                item.add_marker(pytest.mark.filterwarnings(rule))


def pytest_terminal_summary(terminalreporter):
    """Why a test was tried again: its last try may fail for another reason, or not at all."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"tried again: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)


@pytest.fixture(autouse=True)
def collected(request):
    """What a flow left behind is collected before the next test, whose warnings fail it."""
    yield
    if runs_flows(request.node):
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            gc.collect()
        gc.freeze()  # what is left is looked at no more: the next collection takes milliseconds


@pytest.fixture(scope="session", autouse=True)
def private_prefect_home(tmp_path_factory):
    """No test reads or writes the developer's own Prefect profile."""
    home = tmp_path_factory.mktemp("prefect-home")
    os.environ["PREFECT_HOME"] = str(home)
    return home


def start(server, shared):
    """Start a Prefect server. To make its database is half of the work: done once, and `shared` keeps it."""
    made = shared / "prefect.db"
    with (shared / "prefect.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            server.start().wait(240)  # a busy machine
            with closing(sqlite3.connect(server.home / made.name)) as live, closing(sqlite3.connect(made)) as copy:
                live.backup(copy)
            return
    shutil.copy(made, server.home)
    server.start(PREPARED).wait(240)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory):
    """A Prefect server for the session; this process and its children talk to it."""
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    from console.server import PrefectServer

    base = tmp_path_factory.getbasetemp()
    server = PrefectServer(tmp_path_factory.mktemp("prefect-server"))
    try:
        start(server, base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)
        os.environ.update(server.environment())
        with temporary_settings({PREFECT_API_URL: server.api_url, PREFECT_HOME: server.home}):
            yield server
        os.environ.pop("PREFECT_API_URL")
    finally:
        server.stop()


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    """The stand-ins, in this process."""
    from sandbox.launcher import Sandbox

    with Sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running
