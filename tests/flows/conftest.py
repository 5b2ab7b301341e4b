"""An Environment on the sandbox, saved on the session's Prefect server, and how to run flows and look at them."""

import asyncio
from dataclasses import dataclass

import httpx
import pytest

UNIT_TEST = b"unit-test: {script: [python3 -m unittest discover -s tests -p 'test_unit*.py']}\n"


@dataclass
class House:
    """The sandbox, the Environment's name, and the tokens that must show nowhere."""

    sandbox: object
    environment: str

    @property
    def secrets(self):
        state = self.sandbox.state()
        return [state.gitlab_token, state.jenkins_token]

    def found(self, kind, name):
        """An object in the Environment's namespace, asked of the Kubernetes API; None when it is not there."""
        from pydantic import SecretStr

        from blocks import Cluster
        from tasks.rollout.cluster import ClusterClient

        client = ClusterClient(Cluster(kubeconfig=SecretStr(self.sandbox.state().kubeconfig)))
        try:
            return client.find(kind, self.environment, name)
        finally:
            client.close()

    def jenkins(self, path):
        """What Jenkins answers to a GET."""
        state = self.sandbox.state()
        answer = httpx.get(f"{state.jenkins_url}/{path}", auth=(state.jenkins_user, state.jenkins_token))
        answer.raise_for_status()
        return answer

    def builds(self, project):
        """Numbers of the project's Jenkins builds."""
        path = "/job/".join(["job/smartclide", *project.split("/")])
        return [build["number"] for build in self.jenkins(f"{path}/api/json?tree=builds[number]").json()["builds"]]

    def project(self, path, visibility="private", **changes):
        """A project of its own: the example, of whose pipeline one job is left, with changed files (None: without)."""
        from sandbox.launcher import _EXAMPLE

        files = {
            p.relative_to(_EXAMPLE).as_posix(): p.read_bytes()
            for p in _EXAMPLE.rglob("*")
            if p.is_file() and "__pycache__" not in p.parts
        }
        files[".smartclide.yml"] = files[".smartclide.yml"].replace(
            b"name: hello", b"name: " + path.rpartition("/")[2].encode()
        )
        files[".gitlab-ci.yml"] = UNIT_TEST
        for name, text in changes.items():
            files.pop(name, None)
            if text is not None:
                files[name] = text
        self.sandbox.gitlab.create_project(path, files, visibility=visibility)
        return path


@pytest.fixture(scope="module")
def house(sandbox, prefect_server, tmp_path_factory):
    from console.sandboxing import save_environment

    name = "e" + tmp_path_factory.mktemp("env").parent.name.replace("_", "-")[-12:].strip("-").lower()
    save_environment(name, sandbox.state(), metrics_url=f"file://{tmp_path_factory.mktemp('metrics')}")
    return House(sandbox, name)


@pytest.fixture
def run(house):
    """Run a flow to its end; its state."""

    def run_flow(flow, **parameters):
        parameters.setdefault("environment", house.environment)
        return asyncio.run(flow(**parameters, return_state=True))

    return run_flow
