"""What becomes of runs that a worker takes in the very moment it is stopped."""

import subprocess

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.states import Pending, Running

from console.stopping import Worker, kill_runs


@flow
def nothing():
    """Never runs here."""


def test_a_run_that_had_not_begun_is_given_back_and_one_that_had_is_told(prefect_server, tmp_path):
    with subprocess.Popen(["true"]) as ended, get_client(sync_client=True) as client:
        worker = Worker("stopping", "ours", ended, tmp_path)
        client.create_work_pool(WorkPoolCreate(name="stopping", type="process"))
        flow_id = client.create_flow(nothing)
        deployment = client.create_deployment(flow_id, "stopping", work_pool_name="stopping")
        taken, begun, elsewhere = (client.create_flow_run_from_deployment(deployment).id for _ in range(3))
        for run, state, owner in (
            (taken, Pending(), "ours"),
            (begun, Running(), "ours"),
            (elsewhere, Pending(), "another"),
        ):
            client.set_flow_run_state(run, state, force=True)
            client.update_flow_run_labels(run, {"prefect.worker.name": owner})
        killed = kill_runs(worker)
        assert [run.id for run in killed] == [begun]
        states = [client.read_flow_run(run).state.name for run in (taken, begun, elsewhere)]
        assert states == ["Scheduled", "Crashed", "Pending"]
