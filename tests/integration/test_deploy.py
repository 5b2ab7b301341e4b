"""From a GitLab project to a service that answers, with a real engine, registry and cluster."""

import asyncio
import json

import docker

from flows.deploy import deploy
from flows.monitor import monitor
from flows.report import report
from flows.rollback import rollback
from flows.undeploy import undeploy
from tests.integration.conftest import SMALL
from tests.integration.real import EXAMPLE, MARKS, told

pytestmark = MARKS
ADA = "/?name=Ada"


def test_the_example_is_built_pushed_and_answers(place, hello):
    assert (hello["action"], hello["service"], hello["revision"]) == ("deployed", "hello", 1)
    repository, _, digest = hello["image"].partition("@")
    assert repository == f"{place.registry}/{place.name}/group/hello"
    assert digest.startswith("sha256:")
    engine = docker.from_env()
    labels = engine.images.get(f"{repository}:{hello['commit']}").labels
    engine.close()
    assert labels["org.opencontainers.image.revision"] == hello["commit"]
    pods = place.pods("hello")
    assert [pod["status"]["phase"] for pod in pods] == ["Running"] * 2
    assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {hello["image"]}
    assert all(pod["status"]["containerStatuses"][0]["imageID"].endswith(digest) for pod in pods)
    assert place.get("hello", ADA) == {"message": "Hello from the cluster, Ada!"}


def test_the_same_deployment_again_changes_nothing(place, hello):
    before = place.find("Deployment", "hello")["metadata"]
    again = place.result(deploy, project="group/hello", ref="main")
    assert (again["action"], again["revision"], again["image"]) == ("already-deployed", 1, hello["image"])
    assert place.builds("group/hello") == [1]
    after = place.find("Deployment", "hello")["metadata"]
    assert (after["generation"], after["labels"]) == (before["generation"], before["labels"])


def test_jobs_with_an_image_ran_in_containers(place, hello):
    stages = {s["stage"]: s["status"] for s in json.loads(told(place.runs[0])[1]["build-stages"].data)}
    jobs = ["build", "unit-test", "lint", "package", "integration-test", "image"]
    assert [stages.get(job) for job in jobs] == ["success"] * 6
    console = place.console("group/hello")
    for job in jobs[:5]:
        assert f"gl-job name={job} state=success" in console
    assert "build is inside" in console
    assert "unit-test is inside" in console
    assert f"digest: {hello['image'].partition('@')[2]}" in console  # docker's own words after a push


def test_cpu_memory_and_network_are_measured_and_reported(place, hello, tmp_path):
    rows = None
    for _ in range(6):  # the kubelet's first figures take about 20 seconds
        rows = place.result(monitor, samples=2, interval=11.0)
        paths = place.result(report, hours=1.0, output=str(tmp_path))
        [service] = json.loads((tmp_path / "report.json").read_text())["services"]
        figures = [service[key] for key in ("cpu_mean_cores", "memory_max_bytes", "network_rx_rate", "network_tx_rate")]
        if None not in figures:
            break
    assert rows == 4
    assert service["service"] == "hello"
    assert all(figure > 0 for figure in figures), service
    assert 2**20 < figures[1] < 128 * 2**20  # an interpreter, below its limit
    assert sorted(paths) == ["report.html", "report.json", "report.md", "samples.csv", "services.csv"]
    assert "<svg" in (tmp_path / "report.html").read_text()


def test_a_second_version_answers_differently(place, hello):
    source = (EXAMPLE / "hello" / "server.py").read_text().replace('"{greeting}, {name', '"{greeting} again, {name')
    source = source.replace("{greeting}, ", "{greeting} again, ")
    tests = {
        name: (EXAMPLE / name).read_text().replace("Hello, ", "Hello again, ")
        for name in ("tests/test_unit.py", "tests/test_integration.py")
    }
    place.sandbox.gitlab.commit("group/hello", "main", {"hello/server.py": source, **tests}, "Greet again")
    second = place.result(deploy, project="group/hello", ref="main")
    assert (second["action"], second["revision"]) == ("deployed", 2)
    assert second["image"] != hello["image"]
    assert place.get("hello", ADA) == {"message": "Hello from the cluster again, Ada!"}
    assert [r.state for r in place.releases("hello")] == ["superseded", "deployed"]


def test_two_deployments_at_once_build_and_release_once(place):
    path = place.project("twice", jobs=SMALL, descriptor={"replicas": 1})

    def both(**parameters):
        async def start():
            return await asyncio.gather(*(place.start(deploy, project=path, ref="main", **parameters) for _ in "12"))

        states = asyncio.run(start())
        assert all(state.is_completed() for state in states), [state.message for state in states]
        results = [asyncio.run(state.aresult()) for state in states]
        assert sorted(result["action"] for result in results) == ["already-deployed", "deployed"]
        return {(result["revision"], result["image"]) for result in results}

    [(revision, image)] = both()
    assert revision == 1
    # the image is there now, so both come to the cluster at the same moment
    assert both(descriptor={"variables": {"GREETING": "Good day"}}) == {(2, image)}
    assert place.builds(path) == [1]
    assert [(r.revision, r.state) for r in place.releases("twice")] == [(1, "superseded"), (2, "deployed")]
    assert place.get("twice") == {"message": "Good day, world!"}


def test_back_to_an_earlier_revision_and_away(place):
    path = place.project("cycle", jobs=SMALL, descriptor={"replicas": 1})
    first = place.result(deploy, project=path, ref="main")
    place.result(deploy, project=path, ref="main", descriptor={"variables": {"GREETING": "Good day"}})
    assert place.get("cycle", ADA) == {"message": "Good day, Ada!"}
    assert place.builds(path) == [1]
    back = place.result(rollback, service="cycle")
    assert (back["action"], back["revision"], back["image"]) == ("rolled-back", 3, first["image"])
    assert place.get("cycle", ADA) == {"message": "Hello from the cluster, Ada!"}
    known = [(r.revision, r.state, r.rollback_of) for r in place.releases("cycle")]
    assert known == [(1, "superseded", None), (2, "superseded", None), (3, "deployed", 1)]
    assert place.result(undeploy, service="cycle") == ["Deployment cycle", "Service cycle"]
    history = [f"Secret smartclide.cycle.v{n}" for n in (1, 2, 3)]
    assert place.everything("cycle") == ["Lease smartclide.cycle", *history]
    assert "holderIdentity" not in place.find("Lease", "smartclide.cycle")["spec"]
    assert [r.state for r in place.releases("cycle")] == ["superseded", "superseded", "uninstalled"]
    place.result(undeploy, service="cycle", purge=True)
    assert place.everything("cycle") == []
