"""Rollouts that fail on a real cluster: the cause is found, and the last good release runs again. All run together."""

import asyncio

import pytest

from errors import RolloutFailedError
from tasks.rollout.task import list_releases, service_status
from tests.tasks.rollout.conftest import case, private

# all cases of a file run side by side before the first of them is told
pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

QUICK = {"progress_deadline_seconds": 45}  # a busy node takes its time to start a container
FAILURES = {
    "image-not-found": {"image": "0" * 64},
    "crash-loop": {"command": "echo boom; exit 3"},
    "readiness-probe": {"probes": {"readiness": {"path": "/", "port": 9999}}, "strategy": QUICK},
    "unschedulable-resources": {"resources": {"requests": {"cpu": "1000"}}, "strategy": QUICK},
    "out-of-memory": {"command": "x=a; while true; do x=$x$x; done", "resources": {"limits": {"memory": "8Mi"}}},
    "quota": {"resources": {"requests": {"cpu": "5"}}, "strategy": QUICK},
    "configuration": {"variables": {"X": {"secret": "nope", "key": "k"}}},
}


async def a_bad_release_is_undone(place, category):
    """And its cause is recorded."""
    await place.roll_out(resources={"requests": {"cpu": "10m"}})
    bad = dict(FAILURES[category])
    if "image" in bad:
        bad["image"] = f"{place.image.split('@')[0]}@sha256:{bad['image']}"
    if category == "quota":
        metadata = {"name": "small", "namespace": place.identity.namespace}
        hard = {"requests.cpu": "1"}
        place.client.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}})
        await asyncio.sleep(2)  # until the quota controller has counted
    with pytest.raises(RolloutFailedError) as caught:
        await place.roll_out(build="build-2", **bad)
    assert caught.value.cause.category == category
    assert "Rolled back to revision 1, as revision 3." in str(caught.value)
    if category == "crash-loop":
        assert caught.value.cause.log_tail == ("boom",)
    first, second, third = await place.run(lambda: list_releases(place.cluster, place.identity))
    assert [first.state, second.state, third.state] == ["superseded", "rolled-back", "deployed"]
    assert (third.rollback_of, third.image) == (1, place.image)
    assert caught.value.cause.summary in second.cause
    assert await place.get() == 200


def register(category):
    async def run(place):
        await a_bad_release_is_undone(place, category)

    run.__name__ = category
    case(run)


for one in FAILURES:
    register(one)


@case
async def a_first_release_that_fails_is_left_for_inspection(place):
    with pytest.raises(RolloutFailedError, match="It is the first release, and was left for inspection"):
        await place.roll_out(image=f"{place.image.split('@')[0]}@sha256:{'0' * 64}")
    (only,) = await place.run(lambda: list_releases(place.cluster, place.identity))
    assert (only.revision, only.state) == (1, "failed")
    found = await place.run(lambda: service_status(place.cluster, place.identity))
    assert (found.state, found.endpoint_ready) == ("down", False)
    outcome = await place.roll_out()
    assert outcome.record.revision == 2


@case
async def a_login_that_is_missing_is_said_so(place):
    image, _registry = await asyncio.to_thread(private, place.image)
    with pytest.raises(RolloutFailedError) as caught:
        await place.roll_out(image=image)
    assert caught.value.cause.category == "image-access"


CASES = [
    *FAILURES,
    a_first_release_that_fails_is_left_for_inspection.__name__,
    a_login_that_is_missing_is_said_so.__name__,
]


@pytest.mark.parametrize("name", CASES)
def test_on_the_real_cluster(name, of_case):
    if of_case is not None:
        raise of_case
