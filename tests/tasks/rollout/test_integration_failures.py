"""Rollouts that fail on a real cluster: the cause is found, and the last good release runs again."""

import pytest

from errors import RolloutFailedError
from tasks.rollout.task import list_releases, service_status

pytestmark = [
    pytest.mark.integration,
    # Prefect leaves sockets to its own test server for the garbage collector to close
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

QUICK = {"progress_deadline_seconds": 10}
FAILURES = {
    "image-not-found": {"image": "0" * 64},
    "crash-loop": {"command": "echo boom; exit 3"},
    "readiness-probe": {"probes": {"readiness": {"path": "/", "port": 9999}}, "strategy": QUICK},
    "unschedulable-resources": {"resources": {"requests": {"cpu": "1000"}}, "strategy": QUICK},
    "configuration": {"variables": {"X": {"secret": "nope", "key": "k"}}},
}


@pytest.mark.parametrize("category", FAILURES)
async def test_a_bad_release_is_undone_and_its_cause_recorded(place, category):
    await place.roll_out()
    bad = dict(FAILURES[category])
    if "image" in bad:
        bad["image"] = f"{place.image.split('@')[0]}@sha256:{bad['image']}"
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


async def test_a_first_release_that_fails_is_left_for_inspection(place):
    with pytest.raises(RolloutFailedError, match="It is the first release, and was left for inspection"):
        await place.roll_out(image=f"{place.image.split('@')[0]}@sha256:{'0' * 64}")
    (only,) = await place.run(lambda: list_releases(place.cluster, place.identity))
    assert (only.revision, only.state) == (1, "failed")
    found = await place.run(lambda: service_status(place.cluster, place.identity))
    assert (found.state, found.endpoint_ready) == ("down", False)
    outcome = await place.roll_out()
    assert outcome.record.revision == 2


async def test_a_login_that_is_missing_is_said_so(place, private):
    image, _registry = private
    with pytest.raises(RolloutFailedError) as caught:
        await place.roll_out(image=image)
    assert caught.value.cause.category == "image-access"
