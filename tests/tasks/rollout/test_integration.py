"""Rollouts on a real cluster: the good way, and what is done a second time. All cases run together."""

import asyncio
import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from blocks.cluster import Cluster
from errors import AccessError, ConflictError, InputError
from tasks.rollout import operations
from tasks.rollout.cluster import ClusterClient
from tasks.rollout.lease import LeaseTimes
from tasks.rollout.names import Identity
from tasks.rollout.rollout import Rollouts
from tasks.rollout.task import list_releases, plan_release, service_status
from tests.tasks.rollout.conftest import case, private

# all cases of a file run side by side before the first of them is told
pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
RIGHTS = Path(__file__).parents[3] / "docs" / "rbac.yaml"


async def states(place):
    found = await place.run(lambda: list_releases(place.cluster, place.identity))
    return [(r.revision, r.state) for r in found]


@case
async def a_first_release_runs_and_the_same_again_changes_nothing(place):
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


@case
async def update_roll_back_undeploy_and_deploy_again(place):
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
    assert place.found("Lease", "smartclide.web") is None


@case
async def the_pull_secret_lets_the_pods_pull(place):
    image, registry = await asyncio.to_thread(private, place.image)
    place.rollouts = Rollouts(place.cluster, registry, place.identity, timeout_seconds=120)
    outcome = await place.roll_out(image=image, has_login=True)
    assert outcome.action == "deployed"
    secret = place.client.find("Secret", place.identity.namespace, "web-pull")
    auths = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"]
    assert list(auths) == [registry.address]
    password = registry.login()[1]
    assert password not in json.dumps(outcome.record.manifests)


@case
async def two_at_once_one_after_the_other(place):
    first = place.roll_out(build="build-1")
    second = place.roll_out(build="build-2", variables={"A": "1"})
    outcomes = await asyncio.gather(first, second)
    assert sorted(o.record.revision for o in outcomes) == [1, 2]
    assert await states(place) == [(1, "superseded"), (2, "deployed")]


@case
async def who_waits_too_long_for_the_lease_is_told_who_holds_it(place):
    async def twice():
        async with place.rollouts._lease("flow run brave-otter", LeaseTimes()):
            await place.rollouts.undeploy("me", times=LeaseTimes(wait=1, poll=0.2))

    with pytest.raises(ConflictError, match=r"web in namespace .* is being rolled out by flow run brave-otter"):
        await place.run(twice)


@case
async def a_run_that_died_is_taken_over_when_its_lease_expires(place):
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


@case
async def a_lost_lease_stops_the_run(place):
    async def lose():
        async with place.rollouts._lease("first", LeaseTimes(duration=3)):
            found = place.client.find("Lease", place.identity.namespace, "smartclide.web")
            found["spec"]["holderIdentity"] = "a thief"
            place.client.replace(found)
            await asyncio.sleep(30)

    with pytest.raises(ConflictError, match="The lock on web was lost"):
        await place.run(lose)


@case
async def what_is_not_ours_is_left_alone(place):
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


@case
async def another_managers_field_is_a_conflict_that_names_it(place):
    await place.roll_out()
    live = place.client.find("Deployment", place.identity.namespace, "web")
    live["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    place.client._dynamic.resources.get(api_version="apps/v1", kind="Deployment").replace(
        body=live, namespace=place.identity.namespace, field_manager="somebody", _request_timeout=10
    )
    with pytest.raises(ConflictError, match=r"imagePullPolicy.*somebody"):
        await place.roll_out(build="build-2", variables={"A": "1"})


@case
async def an_autoscaler_keeps_its_number_of_pods(place):
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


@case
async def what_the_api_server_refuses_changes_nothing(place):
    await place.roll_out()
    with pytest.raises(InputError, match=r"metadata\.labels: Invalid value"):
        await place.roll_out(build="build-2", port=9090, labels={"team": "not a label"})
    assert place.client.find("Service", place.identity.namespace, "web")["spec"]["ports"][0]["port"] == 8080
    assert await states(place) == [(1, "deployed"), (2, "failed")]


@case
async def what_the_cluster_says_of_itself(place):
    assert place.client.version().startswith("v1.")
    assert place.client.whoami()
    assert place.client.may("create", "deployments", "default", "apps") is True


def as_restricted(place):
    """The kubeconfig's cluster as the ServiceAccount of docs/rbac.yaml, in the place's namespace."""
    namespace = place.identity.namespace
    place.client.ensure_namespace({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for one in yaml.safe_load_all(RIGHTS.read_text()):
        one["metadata"]["namespace"] = namespace
        for subject in one.get("subjects", []):
            subject["namespace"] = namespace
        place.client.create(one)
    answer = place.client._dynamic.request(
        "post",
        f"/api/v1/namespaces/{namespace}/serviceaccounts/smartclide/token",
        body={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}},
        serializer=lambda _client, plain: plain,
    )
    return with_token(place.cluster, answer["status"]["token"])


def with_token(cluster, token):
    config = yaml.safe_load(cluster.kubeconfig.get_secret_value())
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    return Cluster(kubeconfig=yaml.safe_dump(config))


@case
async def the_rights_of_the_documented_role_are_enough(place):
    restricted = as_restricted(place)
    client = ClusterClient(restricted)
    with pytest.raises(AccessError, match="cannot list resource"):
        client.list("Pod", "default")
    place.rollouts = Rollouts(restricted, None, place.identity, timeout_seconds=60)
    await place.roll_out()
    await place.run(lambda: plan_release(restricted, None, place.release(build="build-2", replicas=2), revision=2))
    await place.roll_out(build="build-2", replicas=2)
    back = await place.roll_back()
    assert (back.record.revision, back.record.rollback_of) == (3, 1)
    found = await place.run(lambda: service_status(restricted, place.identity))
    assert (found.state, found.endpoint_ready) == ("running", True)
    await place.run(lambda: place.rollouts.undeploy("test run", purge=True))
    assert place.records() == []
    assert place.found("Lease", "smartclide.web") is None
    client.close()


@case
async def a_wrong_token_is_refused_by_the_named_cluster(place):
    wrong = with_token(place.cluster, "expired")
    place.rollouts = Rollouts(wrong, None, place.identity, timeout_seconds=60)
    with pytest.raises(AccessError, match=f"The cluster at {place.client.host} refuses the credentials"):
        await place.roll_out()


@case
async def cancelling_leaves_the_cluster_as_it_is_and_says_so(place):
    run = asyncio.create_task(place.roll_out(probes={"readiness": {"tcp": True, "initial_delay_seconds": 60}}))
    for _ in range(200):
        if place.found("Deployment") is not None:
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    (only,) = operations.records(place.client, place.identity)
    assert only.state == "failed"
    doing = ("applying its objects", "waiting for its pods")  # a busy machine is not done with the former in a second
    assert only.cause in {f"Cancelled while {what}; the cluster was left as it was then." for what in doing}
    assert place.holder() is None
    assert place.found("Deployment") is not None


@case
async def a_namespace_that_is_being_deleted_is_refused(place):
    await place.roll_out()
    namespace = place.identity.namespace
    metadata = {"name": "stays", "namespace": namespace, "finalizers": ["example.org/hold"]}
    place.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    place.client.delete("Namespace", None, namespace)
    try:
        with pytest.raises(ConflictError, match=f"Namespace {namespace} is being deleted"):
            await place.roll_out(build="build-2", variables={"A": "1"})
        with pytest.raises(ConflictError, match=f"Namespace {namespace} is being deleted"):
            place.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**metadata, "name": "new"}})
    finally:
        stays = place.found("ConfigMap", "stays")
        del stays["metadata"]["finalizers"]
        place.client.replace(stays)


CASES = [name for name, one in case.all.items() if one.__module__ == __name__]


@pytest.mark.parametrize("name", CASES)
def test_on_the_real_cluster(name, of_case):
    if of_case is not None:
        raise of_case
