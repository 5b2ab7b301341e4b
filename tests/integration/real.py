"""Real services, named by the environment, and what tests do with a deployment on them."""

import asyncio
import base64
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import docker
import httpx
import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)

from blocks import Cluster
from console.setup import build_environment, save
from errors import SmartClideError
from tasks.rollout import services
from tasks.rollout.cluster import ClusterClient

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "hello-service"
EXAMPLE_IMAGE = "python:3.12-slim"
GROUP = "group"
JENKINS = "SMARTCLIDE_TEST_JENKINS"
MARKS = [pytest.mark.integration]


def needed(*names):
    """Values of environment variables; a skip that names those that are missing."""
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} in the environment: see docs/testing.md")
    return [os.environ[name] for name in names]


@dataclass(frozen=True)
class Login:
    """A registry with a login, or a Jenkins with a user and a token."""

    address: str
    user: str
    password: str = field(repr=False)

    @property
    def basic(self):
        """The login as an ``Authorization`` header and docker's config.json hold it."""
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


@dataclass
class Place:
    """One Environment on real services, in a namespace of its own.

    Attributes:
        name: Of the Environment, of its namespace, and of the images' folder in the registry.
        sandbox: The stand-ins for GitLab and Jenkins.
        runs: Ids of the flow runs there were.
    """

    name: str
    sandbox: object
    registry: str
    base_image: str
    login: Login | None = None
    runs: list = field(default_factory=list)
    kubeconfig: str = field(repr=False, default_factory=lambda: Path(os.environ["KUBECONFIG"]).read_text())

    def __post_init__(self):
        self.client = ClusterClient(Cluster(kubeconfig=self.kubeconfig))

    @property
    def builder(self):
        """The Jenkins that builds: the one that is named, or the stand-in."""
        if os.environ.get(JENKINS):
            url, *login = needed(JENKINS, f"{JENKINS}_USER", f"{JENKINS}_TOKEN")
            return Login(url.rstrip("/"), *login)
        state = self.sandbox.state()
        return Login(state.jenkins_url, state.jenkins_user, state.jenkins_token)

    def save(self, metrics: Path):
        """Save the Environment and its blocks on the Prefect server."""
        state = self.sandbox.state()
        login = {"registry_user": self.login.user, "registry_password": self.login.password} if self.login else {}
        answers = {
            "gitlab_url": state.gitlab_url, "gitlab_token": state.gitlab_token, "jenkins_url": self.builder.address,
            "jenkins_user": self.builder.user, "jenkins_token": self.builder.password, "registry": self.registry,
            "registry_namespace": self.name, "registry_http": True, "kubeconfig_text": self.kubeconfig,
            "metrics_store": metrics.as_uri(), **login,
        }  # fmt: skip
        save(self.name, build_environment(self.name, answers))
        return self

    def remove(self):
        """Delete the namespace, and the images from the engine; the registry keeps its copies."""
        self.client.delete("Namespace", None, self.name)
        self.client.close()
        engine = docker.from_env()
        try:
            for image in engine.images.list():
                if any(name.startswith(f"{self.registry}/{self.name}/") for name in image.tags):
                    engine.images.remove(image.id, force=True)
        finally:
            engine.close()

    # flows

    def start(self, flow, **parameters):
        """A coroutine of the flow run's final state."""
        return flow(**{"environment": self.name, **parameters}, return_state=True)

    def run(self, flow, **parameters):
        """Run a flow to its end; its final state."""
        state = asyncio.run(self.start(flow, **parameters))
        self.runs.append(state.state_details.flow_run_id)
        return state

    def result(self, flow, **parameters):
        """What a flow that completes returns."""
        state = self.run(flow, **parameters)
        assert state.is_completed(), state.message
        return asyncio.run(state.aresult())

    def failure(self, flow, **parameters):
        """The message of a flow that fails."""
        state = self.run(flow, **parameters)
        assert state.is_failed(), state
        return state.message

    # GitLab and Jenkins

    def project(self, name, *, jobs=None, descriptor=None, **changes):
        """The example as a project of its own, on the test's base image.

        Args:
            name: Of the project, and of the service.
            jobs: The pipeline, when it is not to be the example's.
            descriptor: Keys of .smartclide.yml to replace.
            changes: Content by file name; None leaves a file out.
        """
        files = {
            p.relative_to(EXAMPLE).as_posix(): p.read_text()
            for p in EXAMPLE.rglob("*")
            if p.is_file() and "__pycache__" not in p.parts
        }
        pipeline = yaml.safe_dump(jobs) if jobs else files[".gitlab-ci.yml"].replace(EXAMPLE_IMAGE, self.base_image)
        how = {**yaml.safe_load(files[".smartclide.yml"]), "name": name, **(descriptor or {})}
        how["image"] = {"build_args": {"BASE_IMAGE": self.base_image}, **how.get("image", {})}
        files |= {".gitlab-ci.yml": pipeline, ".smartclide.yml": yaml.safe_dump(how), **changes}
        path = f"{GROUP}/{name}"
        self.sandbox.gitlab.create_project(path, {k: v for k, v in files.items() if v is not None})
        return path

    def jenkins(self, path):
        """What Jenkins answers to a GET."""
        answer = httpx.get(f"{self.builder.address}/{path}", auth=(self.builder.user, self.builder.password))
        answer.raise_for_status()
        return answer

    def builds(self, project):
        """Numbers of the project's Jenkins builds, newest first."""
        path = "/job/".join(["job/smartclide", *project.split("/")])
        return [build["number"] for build in self.jenkins(f"{path}/api/json?tree=builds[number]").json()["builds"]]

    def console(self, project, number=1):
        """The log of a Jenkins build."""
        return self.jenkins("/job/".join(["job/smartclide", *project.split("/")]) + f"/{number}/consoleText").text

    # Kubernetes

    def get(self, service, path="/", seconds=20):
        """What the service answers, through the API server; endpoints may follow a rollout a moment later."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.client.get_json(
                    f"/api/v1/namespaces/{self.name}/services/{service}:8080/proxy{path}", f"service {service}"
                )
            except SmartClideError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def find(self, kind, name):
        """An object in the namespace; None when it is not there."""
        return self.client.find(kind, self.name, name)

    def pods(self, service):
        """The service's pods that are not being deleted."""
        found = self.client.list("Pod", self.name, f"app.kubernetes.io/name={service}")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def everything(self, service):
        """Kind and name of every object of the service's."""
        kinds = ("Deployment", "Lease", "Pod", "ReplicaSet", "Secret", "Service")
        selector = f"app.kubernetes.io/name={service}"
        found = [(kind, one) for kind in kinds for one in self.client.list(kind, self.name, selector)]
        return sorted(f"{kind} {one['metadata']['name']}" for kind, one in found)

    def releases(self, service):
        """The service's recorded releases, oldest first."""
        return [record for name, record in services.releases(self.client, self.name, self.name) if name == service]


def told(run_id):
    """All that a reader of a flow run sees: log lines, artifacts by key, tasks by name."""
    with get_client(sync_client=True) as client:
        logs, offset = [], 0
        chosen = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id]))
        while page := client.read_logs(chosen, limit=200, offset=offset):
            logs += [entry.message for entry in page]
            offset += len(page)
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id])), limit=200
        )
        tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])), limit=200)
    return logs, {a.key: a for a in artifacts}, {t.name.rpartition("-")[0]: t for t in tasks}
