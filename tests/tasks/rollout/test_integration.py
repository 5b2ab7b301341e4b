"""Rollouts on a real cluster: the good way, and what is done a second time."""

import asyncio
import base64
import json
from dataclasses import replace

import pytest

from errors import ConflictError, InputError
from tasks.rollout import operations
from tasks.rollout.lease import LeaseTimes
from tasks.rollout.names import Identity
from tasks.rollout.rollout import Rollouts
from tasks.rollout.task import list_releases, plan_release, service_status

pytestmark = [
    pytest.mark.integration,
    # Prefect leaves sockets to its own test server for the garbage collector to close
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


async def states(place):
    found = await place.run(lambda: list_releases(place.cluster, place.identity))
    return [(r.revision, r.state) for r in found]


async def test_a_first_release_runs_and_the_same_again_changes_nothing(place):
    outcome = await place.roll_out()
    assert (outcome.action, outcome.record.revision, outcome.record.state) == ("deployed", 1, "deployed")
    assert await place.get() == 200
    before = place.client.find("Deployment", place.identity.namespace, "web")["metadata"]["resourceVersion"]
    again = await place.roll_out()
    assert again.action == "already-deployed"
    assert again.message.endswith("is already deployed as revision 1")
    after = place.client.find("Deployment", place.identity.namespace, "web")["metadata"]["resourceVersion"]
    assert after == before
    found = await place.run(lambda: service_status(place.cluster, place.identity))
    assert (found.state, found.revision, found.ready, found.endpoint_ready) == ("running", 1, 1, True)
    assert found.pods[0].image_digest == place.image.split("@")[1]


async def test_update_roll_back_undeploy_and_deploy_again(place):
    await place.roll_out()
    await place.roll_out(build="build-2", replicas=2, variables={"COLOUR": "blue"})
    assert await states(place) == [(1, "superseded"), (2, "deployed")]
    changes = await place.run(
        lambda: plan_release(place.cluster, None, place.release(build="build-3", replicas=2), revision=3)
    )
    assert [(c.kind, c.action) for c in changes] == [("Deployment", "update"), ("Service", "unchanged")]
    paths = [d.path for d in changes[0].differences]
    assert "spec.template.spec.containers[web].env[COLOUR].value" in paths
    assert "spec.replicas" not in paths
    outcome = await place.run(lambda: place.rollouts.roll_back("test run"))
    assert (outcome.record.revision, outcome.record.rollback_of) == (3, 1)
    assert await states(place) == [(1, "superseded"), (2, "superseded"), (3, "deployed")]
    live = place.client.find("Deployment", place.identity.namespace, "web")
    assert live["spec"]["replicas"] == 1
    assert "env" not in live["spec"]["template"]["spec"]["containers"][0]
    deleted = await place.run(lambda: place.rollouts.undeploy("test run"))
    assert deleted == ("Deployment web", "Service web")
    found = await place.run(lambda: service_status(place.cluster, place.identity))
    assert found.state == "absent"
    assert await states(place) == [(1, "superseded"), (2, "superseded"), (3, "uninstalled")]
    outcome = await place.roll_out()
    assert outcome.record.revision == 4
    await place.run(lambda: place.rollouts.undeploy("test run", purge=True))
    assert await states(place) == []
    lease = place.client.find("Lease", place.identity.namespace, "smartclide.web")
    assert lease["spec"].get("holderIdentity") is None


async def test_the_pull_secret_lets_the_pods_pull(place, private):
    image, registry = private
    place.rollouts = Rollouts(place.cluster, registry, place.identity, timeout_seconds=120)
    outcome = await place.roll_out(image=image, has_login=True)
    assert outcome.action == "deployed"
    secret = place.client.find("Secret", place.identity.namespace, "web-pull")
    auths = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"]
    assert list(auths) == [registry.address]
    password = registry.login()[1]
    assert password not in json.dumps(outcome.record.manifests)


async def test_two_at_once_one_after_the_other(place):
    first = place.roll_out(build="build-1")
    second = place.roll_out(build="build-2", variables={"A": "1"})
    outcomes = await asyncio.gather(first, second)
    assert sorted(o.record.revision for o in outcomes) == [1, 2]
    assert await states(place) == [(1, "superseded"), (2, "deployed")]


async def test_who_waits_too_long_for_the_lease_is_told_who_holds_it(place):
    async def twice():
        async with place.rollouts._lease("flow run brave-otter", LeaseTimes()):
            await place.rollouts.undeploy("me", times=LeaseTimes(wait=1, poll=0.2))

    with pytest.raises(ConflictError, match=r"web in namespace .* is being rolled out by flow run brave-otter"):
        await place.run(twice)


async def test_a_run_that_died_is_taken_over_when_its_lease_expires(place):
    dead = place.release(build="build-0").record(1)
    place.client.ensure_namespace({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": dead_space(place)}})
    operations.record(place.client, place.identity, dead)
    place.client.create(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "smartclide.web", "namespace": dead_space(place)},
            "spec": {
                "holderIdentity": "a dead run",
                "leaseDurationSeconds": 3,
                "renewTime": "2999-01-01T00:00:00.000000Z",  # the dead machine's clock was wrong
            },
        }
    )
    outcome = await place.roll_out()
    assert outcome.record.revision == 2
    assert await states(place) == [(1, "failed"), (2, "deployed")]
    lease = place.client.find("Lease", dead_space(place), "smartclide.web")
    assert lease["spec"].get("holderIdentity") is None
    assert lease["spec"]["leaseTransitions"] == 1


def dead_space(place):
    return place.identity.namespace


async def test_a_lost_lease_stops_the_run(place):
    async def lose():
        async with place.rollouts._lease("first", LeaseTimes(duration=3)):
            found = place.client.find("Lease", place.identity.namespace, "smartclide.web")
            found["spec"]["holderIdentity"] = "a thief"
            place.client.replace(found)
            await asyncio.sleep(30)

    with pytest.raises(ConflictError, match="The lock on web was lost"):
        await place.run(lose)


async def test_what_is_not_ours_is_left_alone(place):
    await place.roll_out()
    other = Identity("web", place.identity.namespace, "staging", "other/web")
    rollouts = Rollouts(place.cluster, None, other, timeout_seconds=60)
    release = replace(place.release(build="build-2"), identity=other)
    with pytest.raises(
        ConflictError, match="belongs to project group/web in Environment staging, not to project other"
    ):
        await place.run(lambda: rollouts.roll_out(release, "test run"))
    assert await place.run(lambda: rollouts.undeploy("test run")) == ()
    assert await states(place) == [(1, "deployed")]
    foreign = place.client.find("Service", place.identity.namespace, "web")
    del foreign["metadata"]["labels"]
    place.client.replace(foreign)
    with pytest.raises(ConflictError, match=r"Service web in namespace .* belongs to someone else"):
        await place.roll_out(build="build-3", replicas=2)
    assert await states(place) == [(1, "deployed"), (2, "failed")]
    assert place.client.find("Deployment", place.identity.namespace, "web")["spec"]["replicas"] == 1


async def test_another_managers_field_is_a_conflict_that_names_it(place):
    await place.roll_out()
    live = place.client.find("Deployment", place.identity.namespace, "web")
    live["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    place.client._dynamic.resources.get(api_version="apps/v1", kind="Deployment").replace(
        body=live, namespace=place.identity.namespace, field_manager="somebody", _request_timeout=10
    )
    with pytest.raises(ConflictError, match=r"imagePullPolicy.*somebody"):
        await place.roll_out(build="build-2", variables={"A": "1"})


async def test_an_autoscaler_keeps_its_number_of_pods(place):
    await place.roll_out()
    place.client.create(
        {
            "apiVersion": "autoscaling/v1",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": place.identity.namespace},
            "spec": {
                "minReplicas": 2,
                "maxReplicas": 2,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            },
        }
    )
    for _ in range(60):
        if place.client.find("Deployment", place.identity.namespace, "web")["spec"]["replicas"] == 2:
            break
        await asyncio.sleep(1)
    outcome = await place.roll_out(build="build-2", variables={"A": "1"})
    assert outcome.record.revision == 2
    assert place.client.find("Deployment", place.identity.namespace, "web")["spec"]["replicas"] == 2


async def test_what_the_api_server_refuses_changes_nothing(place):
    await place.roll_out()
    with pytest.raises(InputError, match=r"metadata\.labels: Invalid value"):
        await place.roll_out(build="build-2", port=9090, labels={"team": "not a label"})
    assert place.client.find("Service", place.identity.namespace, "web")["spec"]["ports"][0]["port"] == 8080
    assert await states(place) == [(1, "deployed"), (2, "failed")]


async def test_what_the_cluster_says_of_itself(place):
    assert place.client.version().startswith("v1.")
    assert place.client.whoami()
    assert place.client.may("create", "deployments", "default", "apps") is True
