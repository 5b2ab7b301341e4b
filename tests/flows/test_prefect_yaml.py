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


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["entrypoint"])
def test_the_entrypoint_loads_from_another_folder_with_a_readable_form(deployment, tmp_path):
    code = (
        "import json, sys\n"
        "from prefect.flows import load_flow_from_entrypoint\n"
        f"flow = load_flow_from_entrypoint({str(ROOT / deployment['entrypoint'])!r})\n"
        "print(json.dumps({'name': flow.name, 'schema': flow.parameters.model_dump()}))\n"
    )
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["name"] == deployment["entrypoint"].rpartition(":")[2]
    for name, field in answer["schema"]["properties"].items():
        assert field.get("title"), name
        assert field.get("description"), name


def test_three_fields_are_enough_to_deploy():
    from flows.deploy import deploy

    schema = deploy.parameters.model_dump()
    assert schema["required"] == ["project", "environment"]
    assert list(schema["properties"]) == ["project", "ref", "environment", "descriptor", "options"]
