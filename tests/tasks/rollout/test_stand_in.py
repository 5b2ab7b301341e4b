"""The rollouts of `test_integration*`, on the Kubernetes stand-in: no service is needed, and seconds pass quickly."""

import asyncio
import json
from dataclasses import replace

import pytest

from errors import ConflictError, InputError, NotFoundError, RolloutFailedError
from tasks.rollout import operations
from tasks.rollout.lease import LeaseTimes
from tasks.rollout.names import Identity
from tasks.rollout.rollout import Rollouts
from tasks.rollout.task import plan_release, service_status

QUICK = {"progress_deadline_seconds": 1}


async def test_a_first_release_runs_and_the_same_again_changes_nothing(away):
    outcome = await away.roll_out()
    assert (outcome.action, outcome.record.revision, outcome.record.state) == ("deployed", 1, "deployed")
    assert await away.get() == 200
    before = away.found("Deployment")["metadata"]["resourceVersion"]
    again = await away.roll_out()
    assert (again.action, again.record.revision) == ("already-deployed", 1)
    assert away.found("Deployment")["metadata"]["resourceVersion"] == before
    found = await away.run(lambda: service_status.fn(away.cluster, away.identity))
    assert (found.state, found.revision, found.ready, found.endpoint_ready) == ("running", 1, 1, True)
    assert found.pods[0].image_digest == away.image.split("@")[1]


async def test_the_way_back_takes_longer_than_a_new_release_may(away, stand_in):
    await away.roll_out(strategy=QUICK)
    stand_in.kubernetes.misbehave(away.identity.namespace, "web", kind="slow", seconds=4.0)
    with pytest.raises(RolloutFailedError, match=r"Rolled back to revision 1, as revision 3\.") as caught:
        await away.roll_out(build="build-2", strategy=QUICK)
    assert str(caught.value).startswith("Revision 2 of web did not get running: ")
    assert away.records() == [(1, "superseded"), (2, "rolled-back"), (3, "deployed")]


async def test_an_update_replaces_pods_and_supersedes(away):
    await away.roll_out()
    changes = await away.run(lambda: plan_release.fn(away.cluster, None, away.release(build="build-2", replicas=2), 2))
    assert [(c.kind, c.action) for c in changes] == [("Deployment", "update"), ("Service", "unchanged")]
    assert "spec.replicas" in [d.path for d in changes[0].differences]
    await away.roll_out(build="build-2", replicas=2)
    assert away.records() == [(1, "superseded"), (2, "deployed")]
    pods = away.client.list("Pod", away.identity.namespace)
    assert [p["metadata"]["labels"]["smartclide.eu/revision"] for p in pods if not _going(p)] == ["2", "2"]


def _going(pod):
    return bool(pod["metadata"].get("deletionTimestamp"))


FAILURES = {
    "image-not-found": {"image": f"@sha256:{'0' * 64}"},
    "crash-loop": {"fault": {"kind": "crash-loop", "exit_code": 3, "log": "one\nboom"}},
    "out-of-memory": {"fault": {"kind": "oom"}},
    "readiness-probe": {"fault": {"kind": "never-ready"}, "strategy": QUICK},
    "unschedulable-resources": {"resources": {"requests": {"cpu": "1000"}}, "strategy": QUICK},
    "configuration": {"variables": {"X": {"secret": "nope", "key": "k"}}},
    "quota": {"fault": {"kind": "quota"}, "strategy": QUICK},
}


@pytest.mark.parametrize(
    "category",
    [
        pytest.param(name, marks=() if name in ("image-not-found", "crash-loop") else pytest.mark.slow)
        for name in FAILURES
    ],
)
async def test_a_bad_release_is_undone_and_its_cause_recorded(away, stand_in, category):
    await away.roll_out()
    bad = dict(FAILURES[category])
    if "image" in bad:
        bad["image"] = away.image.split("@")[0] + bad["image"]
    fault = bad.pop("fault", None)
    if fault:  # only of the second revision's pods: they alone have another image name
        bad["image"] = away.image.replace("group/web", "group/bad")
        stand_in.kubernetes.misbehave(away.identity.namespace, "web", **fault, image="group/bad")
    with pytest.raises(RolloutFailedError) as caught:
        await away.roll_out(build="build-2", **bad)
    assert caught.value.cause.category == category
    assert "Rolled back to revision 1, as revision 3." in str(caught.value)
    if category == "crash-loop":
        assert caught.value.cause.log_tail[-2:] == ("one", "boom")  # after what the stand-in says of itself
        assert "exit code 3" in caught.value.cause.detail
        assert "\n  boom\nRolled back to revision 1, as revision 3.\n" in str(caught.value)
    first, second, third = operations.records(away.client, away.identity)
    assert [first.state, second.state, third.state] == ["superseded", "rolled-back", "deployed"]
    assert (third.rollback_of, third.image) == (1, away.image)
    assert caught.value.cause.summary in second.cause
    assert away.holder() is None
    assert await away.get() == 200


async def test_a_first_release_that_fails_is_left_for_inspection_and_can_be_followed(away):
    with pytest.raises(RolloutFailedError, match="It is the first release, and was left for inspection"):
        await away.roll_out(image=f"{away.image.split('@')[0]}@sha256:{'0' * 64}")
    assert away.records() == [(1, "failed")]
    with pytest.raises(NotFoundError, match="no earlier release to go back to"):
        await away.roll_back()
    outcome = await away.roll_out()
    assert outcome.record.revision == 2
    assert away.records() == [(1, "failed"), (2, "deployed")]


@pytest.mark.slow
async def test_going_back_fails_too(away, stand_in):
    await away.roll_out()
    stand_in.kubernetes.misbehave(away.identity.namespace, "web", "crash-loop")
    with pytest.raises(RolloutFailedError, match="Going back to revision 1 failed too: Revision 3 of web"):
        await away.roll_out(build="build-2", variables={"A": "1"})
    assert away.records() == [(1, "deployed"), (2, "failed"), (3, "failed")]
    stand_in.kubernetes.behave()
    outcome = await away.roll_out()  # the same release key as revision 1, which does not run any more
    assert (outcome.action, outcome.record.revision) == ("deployed", 4)


async def test_two_at_once_go_one_after_the_other(away):
    times = LeaseTimes(poll=0.1)
    outcomes = await asyncio.gather(
        away.roll_out(build="build-1", times=times),
        away.roll_out(build="build-2", variables={"A": "1"}, times=times),
    )
    assert sorted(o.record.revision for o in outcomes) == [1, 2]
    assert away.records() == [(1, "superseded"), (2, "deployed")]


async def test_undeploy_keeps_the_history_and_purge_leaves_nothing(away):
    await away.roll_out()
    deleted = await away.run(lambda: away.rollouts.undeploy("test run"))
    assert deleted == ("Deployment web", "Service web")
    found = await away.run(lambda: service_status.fn(away.cluster, away.identity))
    assert found.state == "absent"
    assert away.records() == [(1, "uninstalled")]
    assert away.holder() is None
    back = await away.roll_back()  # what was undeployed can be taken up again
    assert (back.record.revision, back.record.rollback_of) == (2, 1)
    await away.run(lambda: away.rollouts.undeploy("test run", purge=True))
    left = [
        f"{kind} {one['metadata']['name']}"
        for kind in ("Deployment", "ReplicaSet", "Pod", "Service", "Secret", "Lease")
        for one in away.client.list(kind, away.identity.namespace)
    ]
    assert [one for one in left if "default-token" not in one] == []


async def test_what_is_not_ours_is_left_alone(away):
    await away.roll_out()
    other = Identity("web", away.identity.namespace, "staging", "other/web")
    rollouts = Rollouts(away.cluster, None, other, timeout_seconds=60)
    release = replace(away.release(build="build-2"), identity=other)
    with pytest.raises(ConflictError, match="belongs to project group/web in Environment staging, not to project oth"):
        await away.run(lambda: rollouts.roll_out(release, "test run"))
    assert await away.run(lambda: rollouts.undeploy("test run")) == ()
    foreign = away.found("Service")
    del foreign["metadata"]["labels"]
    away.client.replace(foreign)
    with pytest.raises(ConflictError, match=r"Service web in namespace .* belongs to someone else"):
        await away.roll_out(build="build-3", replicas=2)
    assert away.records() == [(1, "deployed"), (2, "failed")]
    assert away.found("Deployment")["spec"]["replicas"] == 1


async def test_another_managers_field_is_a_conflict_that_names_it(away):
    await away.roll_out()
    live = away.found("Deployment")
    live["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    away.client._dynamic.resources.get(api_version="apps/v1", kind="Deployment").replace(
        body=live, namespace=away.identity.namespace, field_manager="somebody", _request_timeout=10
    )
    with pytest.raises(ConflictError, match=r"imagePullPolicy.*somebody"):
        await away.roll_out(build="build-2", variables={"A": "1"})
    assert away.records() == [(1, "deployed"), (2, "failed")]


@pytest.mark.slow
async def test_an_autoscaler_keeps_its_number_of_pods(away):
    """The stand-in has no autoscaler controller; what it would do is done here, through the scale subresource."""
    await away.roll_out()
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    away.client.create(
        {
            "apiVersion": "autoscaling/v1",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": away.identity.namespace},
            "spec": {"minReplicas": 2, "maxReplicas": 5, "scaleTargetRef": target},
        }
    )
    path = f"/apis/apps/v1/namespaces/{away.identity.namespace}/deployments/web/scale"
    away.client._dynamic.request(
        "patch", path, body={"spec": {"replicas": 3}}, content_type="application/merge-patch+json", _request_timeout=5
    )
    assert away.found("Deployment")["spec"]["replicas"] == 3
    for number in (2, 3):  # the second time the field is no longer ours
        await away.roll_out(build=f"build-{number}", variables={"A": str(number)})
        assert away.found("Deployment")["spec"]["replicas"] == 3


async def test_what_the_api_server_refuses_changes_nothing(away):
    await away.roll_out()
    with pytest.raises(InputError, match=r"metadata\.labels: Invalid value"):
        await away.roll_out(build="build-2", port=9090, labels={"team": "not a label"})
    assert away.found("Service")["spec"]["ports"][0]["port"] == 8080
    assert away.records() == [(1, "deployed"), (2, "failed")]


async def test_no_record_holds_what_a_pull_secret_holds(away, stand_in):
    from prefect_docker import DockerRegistryCredentials

    from blocks.image_registry import ImageRegistry

    address = f"127.0.0.1:{stand_in.registry.port}"
    login = DockerRegistryCredentials(username="robot", password="s3cr3t-w0rd", registry_url=address)
    away.rollouts = Rollouts(
        away.cluster, ImageRegistry(address=address, credentials=login, plain_http=True), away.identity, 60
    )
    outcome = await away.roll_out(has_login=True)
    assert "web-pull" in json.dumps(outcome.record.manifests)
    assert away.found("Secret", "web-pull")["type"] == "kubernetes.io/dockerconfigjson"
    for record in operations.records(away.client, away.identity):
        assert "s3cr3t-w0rd" not in json.dumps([record.manifests, record.descriptor])
