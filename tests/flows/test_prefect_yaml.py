"""prefect.yaml: every entrypoint loads in a fresh process, from another folder, as a worker loads it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


def test_all_flows_are_deployed_once():
    entries = [d["entrypoint"] for d in DEPLOYMENTS]
    assert entries == [f"flows/{n}.py:{n}" for n in ("deploy", "monitor", "report", "rollback", "undeploy")]
    assert {d["name"] for d in DEPLOYMENTS} == {"smartclide"}
    assert {d["work_pool"]["name"] for d in DEPLOYMENTS} == {"smartclide"}


LOAD = """
import json, sys
from prefect.flows import load_flow_from_entrypoint
for entrypoint in sys.argv[1:]:
    flow = load_flow_from_entrypoint(entrypoint)
    print(json.dumps({"name": flow.name, "schema": flow.parameters.model_dump()}))
"""


def loaded(entrypoints, folder):
    """Name and schema of each entrypoint's flow, as a process in another folder loads them."""
    command = [sys.executable, "-c", LOAD, *(str(ROOT / entrypoint) for entrypoint in entrypoints)]
    environment = {**os.environ, "PREFECT_HOME": str(folder)}
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_the_entrypoints_load_from_another_folder_with_readable_forms(tmp_path):
    entrypoints = [deployment["entrypoint"] for deployment in DEPLOYMENTS]
    flows = loaded(entrypoints, tmp_path)
    assert [flow["name"] for flow in flows] == [entrypoint.rpartition(":")[2] for entrypoint in entrypoints]
    for flow in flows:
        for name, field in flow["schema"]["properties"].items():
            assert field.get("title"), (flow["name"], name)
            assert field.get("description"), (flow["name"], name)


@pytest.mark.slow
def test_an_entrypoint_needs_none_that_was_loaded_before(tmp_path):
    assert [flow["name"] for flow in loaded(["flows/undeploy.py:undeploy"], tmp_path)] == ["undeploy"]


def test_three_fields_are_enough_to_deploy():
    from flows.deploy import deploy

    schema = deploy.parameters.model_dump()
    assert schema["required"] == ["project", "environment"]
    assert list(schema["properties"]) == ["project", "ref", "environment", "descriptor", "options"]
