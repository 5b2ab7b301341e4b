"""As operators run it: `smartclide serve`, a run started by REST, one killed in the middle."""

import itertools
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
ATTEMPTS = itertools.count()


class Patient(httpx.Client):
    """Asks a busy server again: Prefect's on SQLite answers 503 while another writer holds the database."""

    def send(self, request, **options):
        end = time.monotonic() + 90
        while (answer := super().send(request, **options)).status_code == 503 and time.monotonic() < end:
            time.sleep(0.5)
        return answer


def client(server):
    return Patient(base_url=server.api_url, timeout=60)


def command(*arguments):
    return [sys.executable, "-m", "cli", *arguments]


@pytest.fixture
def process(tmp_path):
    started = []

    def start(*arguments):
        log = (tmp_path / f"{len(started)}.log").open("wb")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        started.append(subprocess.Popen(command(*arguments), cwd=ROOT, env=environment, stdout=log, stderr=log))
        log.close()
        return started[-1]

    yield start
    for one in started:
        if one.poll() is None:
            one.terminate()
            one.wait(60)


def until(condition, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.3)
    raise AssertionError("it did not happen in time")


# it waits as long as a busy machine needs
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SLOW = b"""
quick:
  script: [echo quick]
long:
  script: [echo it runs, sleep 300]
"""


def cancelled(api, run):
    """As Prefect's UI does it; not while the server is busy."""
    answer = api.post(f"/flow_runs/{run}/set_state", json={"state": {"type": "CANCELLING", "name": "Cancelling"}})
    return answer.is_success and answer.json()["status"] == "ACCEPT"


def jobs_of(api, run):
    """Type of state of the task runs that show jobs of the run's build, by name."""
    body = {"flow_runs": {"id": {"any_": [run]}}, "task_runs": {"name": {"any_": ["quick", "long"]}}}
    answer = api.post("/task_runs/filter", json=body)
    return {task["name"]: task["state_type"] for task in answer.json()} if answer.is_success else {}


def left_nothing(house, api, run, path):
    """The run ends as Cancelled, its Jenkins build is stopped, which its log says, and no job looks as if it ran."""
    over = ("CANCELLED", "FAILED", "CRASHED", "COMPLETED")
    state = until(lambda: (s := api.get(f"/flow_runs/{run}").json()["state"])["type"] in over and s, 240)
    assert state["type"] == "CANCELLED", state
    jobs = until(lambda: (found := jobs_of(api, run)) and set(found.values()) <= set(over) and found, 90)
    assert (jobs["quick"], jobs["long"]) == ("COMPLETED", "CANCELLED"), jobs
    build = house.jenkins(f"{'/job/'.join(['job/smartclide', *path.split('/')])}/1/api/json").json()
    assert (build["building"], build["result"]) == (False, "ABORTED")
    logs = {"logs": {"flow_run_id": {"any_": [run]}}, "limit": 200}
    said = until(lambda: [log["message"] for log in api.post("/logs/filter", json=logs).json()], 90)
    assert any(f"smartclide/{path} #1 is stopped (stop)" in message for message in said), said


def registered(api):
    """The deployments that `serve` has registered; `monitor` is scheduled every five minutes."""
    workers = "/work_pools/smartclide/workers/filter"
    until(lambda: (r := api.post(workers, json={})).is_success and r.json(), 240)
    deployments = {d["entrypoint"]: d for d in api.post("/deployments/filter", json={}).json()}
    monitor = deployments["flows/monitor.py:monitor"]
    assert monitor["schedules"][0]["schedule"]["cron"] == "*/5 * * * *"
    of_monitor = {
        "deployments": {"id": {"any_": [monitor["id"]]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
    }
    runs = until(lambda: api.post("/flow_runs/filter", json=of_monitor).json(), 240)
    assert {run["auto_scheduled"] for run in runs} == {True}
    assert {datetime.fromisoformat(run["expected_start_time"]).minute % 5 for run in runs} == {0}
    return deployments


def started(api, create, body):
    """A run that has built one of its two jobs."""
    run = until(lambda: (r := api.post(create, json=body)).is_success and r.json()["id"], 90)
    until(lambda: jobs_of(api, run) == {"quick": "COMPLETED", "long": "RUNNING"}, 240)
    return run


def test_rest_calls_deploy_through_a_served_worker_and_runs_end_with_it(house, prefect_server, process):
    """Runs that end well, that are cancelled, and that are under way when `serve` is stopped: it starts but once."""
    number = next(ATTEMPTS)
    served, cancelled_path, stopped = (f"serving/{what}-{number}" for what in ("rest", "cancelled", "stopped"))
    house.project(served)
    house.project(cancelled_path, **{".gitlab-ci.yml": SLOW})
    house.project(stopped, **{".gitlab-ci.yml": SLOW})

    def body(path, **more):
        return {"parameters": {"project": path, "ref": "main", "environment": house.environment, **more}}

    with client(prefect_server) as api:
        serving = process("serve")
        deployments = registered(api)
        assert sorted(deployments) == [
            f"flows/{n}.py:{n}" for n in ("deploy", "monitor", "report", "rollback", "undeploy")
        ]
        create = f"/deployments/{deployments['flows/deploy.py:deploy']['id']}/create_flow_run"
        answer = api.post(create, json=body(served))
        assert answer.is_success, answer.text
        run = answer.json()["id"]
        final = until(lambda: (s := api.get(f"/flow_runs/{run}").json()["state"])["type"] in
                      ("COMPLETED", "FAILED", "CRASHED") and s, 240)  # fmt: skip
        assert final["type"] == "COMPLETED", final
        assert house.found("Deployment", f"rest-{number}")["status"]["availableReplicas"] == 2

        refused = api.post(create, json={"parameters": {"project": served}})
        assert refused.status_code == 409 or refused.status_code == 422
        refused = api.post(create, json=body(served, refs="main"))
        assert (refused.status_code, "'refs' was unexpected" in refused.text) == (409, True), refused.text

        run = started(api, create, body(cancelled_path))
        until(lambda: cancelled(api, run), 90)
        left_nothing(house, api, run, cancelled_path)

        run = started(api, create, body(stopped))
        process_id = int(until(lambda: api.get(f"/flow_runs/{run}").json()["infrastructure_pid"], 90))
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(200) == 0
        left_nothing(house, api, run, stopped)
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


def test_a_run_killed_in_the_middle_is_taken_up_again(house, prefect_server, process):
    slow = b"import time, unittest\nclass T(unittest.TestCase):\n  def test(self): time.sleep(6)\n"
    path = house.project("serving/killed", **{"tests/test_unit.py": slow})
    arguments = ("deploy", path, "main", "-e", house.environment, "--local")
    first = process(*arguments)

    def building():
        try:
            return house.builds(path)
        except httpx.HTTPStatusError:
            return None

    until(building, 240)
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = process(*arguments)
    assert second.wait(240) == 0
    assert house.builds(path) == [1]
    assert house.found("Deployment", "killed")["status"]["availableReplicas"] == 2
    assert house.found("Secret", "smartclide.killed.v1") is not None
    assert house.found("Secret", "smartclide.killed.v2") is None
