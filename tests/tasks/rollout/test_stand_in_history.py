"""Going back, what is remembered, and what people read of it, on the Kubernetes stand-in."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from prefect.artifacts import Artifact

from console import patience, views
from errors import ConflictError, InputError, NotFoundError, RolloutFailedError
from tasks.rollout import operations
from tasks.rollout.publication import find_service, list_all_releases, publish_plan, publish_release
from tasks.rollout.task import plan_release


async def three(place):
    """Three releases, the last of which runs."""
    for number in (1, 2, 3):
        await place.roll_out(build=f"build-{number}", variables={"VERSION": str(number)})


def version(place):
    container = place.found("Deployment")["spec"]["template"]["spec"]["containers"][0]
    return container["env"][0]["value"]


@pytest.mark.slow
async def test_rolling_back_again_and_again_goes_further_back_and_automation_does_not_undo_it(away):
    await three(away)
    first = await away.roll_back()
    assert (version(away), first.record.revision, first.record.rollback_of) == ("2", 4, 2)
    assert first.message.endswith("is back at revision 2, as revision 4")
    with pytest.raises(
        ConflictError, match=r"was rolled back by hand: revision 4 runs instead\. Deploy another commit"
    ):
        await away.roll_out(build="build-3", variables={"VERSION": "3"})
    assert away.records()[-1] == (4, "deployed")
    second = await away.roll_back(1)
    assert (version(away), second.record.rollback_of) == ("1", 1)
    for number in ("2", "3"):
        with pytest.raises(ConflictError, match="rolled back by hand"):
            await away.roll_out(build=f"build-{number}", variables={"VERSION": number})
    same = await away.roll_out(build="build-1", variables={"VERSION": "1"})  # it runs: as revision 5
    assert (same.action, same.record.revision) == ("already-deployed", 5)
    asked = await away.roll_out(build="build-3", variables={"VERSION": "3"}, again=True)
    assert (asked.action, version(away)) == ("deployed", "3")
    assert (await away.roll_out(build="build-2", variables={"VERSION": "2"})).action == "deployed"


@pytest.mark.slow
async def test_a_release_that_fails_after_a_rollback_by_hand_leaves_it_decided(away):
    await three(away)
    await away.roll_back()
    with pytest.raises(RolloutFailedError, match="Rolled back to revision 4, as revision 6"):
        await away.roll_out(build="build-4", image=f"{away.image.split('@')[0]}@sha256:{'0' * 64}")
    with pytest.raises(ConflictError, match="rolled back by hand: revision 6 runs"):
        await away.roll_out(build="build-3", variables={"VERSION": "3"})


async def test_which_revisions_can_be_gone_back_to(away):
    await away.roll_out()
    with pytest.raises(NotFoundError, match="There is no earlier release to go back to"):
        await away.roll_back()
    with pytest.raises(RolloutFailedError):
        await away.roll_out(build="build-2", image=f"{away.image.split('@')[0]}@sha256:{'0' * 64}")
    assert away.records() == [(1, "superseded"), (2, "rolled-back"), (3, "deployed")]
    with pytest.raises(NotFoundError, match="no earlier release"):  # revision 1 is what runs, as revision 3
        await away.roll_back()
    with pytest.raises(InputError, match="Revision 2 is rolled-back"):
        await away.roll_back(2)
    with pytest.raises(NotFoundError, match="There is no revision 9; recorded: 1, 2, 3"):
        await away.roll_back(9)
    assert (await away.roll_back(1)).record.revision == 4  # asked for by number: applied again, whatever runs
    assert away.holder() is None


async def test_a_rollback_that_fails_is_left_as_it_is_and_recorded(away, stand_in):
    await three(away)
    stand_in.kubernetes.misbehave(away.identity.namespace, "web", "crash-loop")
    with pytest.raises(RolloutFailedError, match="Revision 4 of web did not get running"):
        await away.roll_back()
    assert away.records()[-2:] == [(3, "deployed"), (4, "failed")]
    stand_in.kubernetes.behave()
    outcome = await away.roll_out(build="build-3", variables={"VERSION": "3"})
    assert (outcome.action, outcome.record.revision) == ("deployed", 5)


@pytest.mark.slow
async def test_many_failures_do_not_push_the_good_ones_out(away):
    from dataclasses import replace

    await three(away)
    template = operations.records(away.client, away.identity)[-1]
    for revision in range(4, 20):
        operations.record(away.client, away.identity, replace(template, revision=revision, state="failed"))
    kept = away.records()
    assert kept[:3] == [(1, "superseded"), (2, "superseded"), (3, "deployed")]
    assert [revision for revision, _ in kept[3:]] == list(range(10, 20))
    assert (await away.roll_back()).record.rollback_of == 2


async def test_what_flows_publish(prefect_server, away):
    outcome = await away.roll_out()
    away.plain = False

    async def publish():
        release = await publish_release("result-deploy", away.identity, outcome, "http://jenkins.example.com/job/1/")
        changes = await plan_release(away.cluster, None, away.release(build="build-2", replicas=2), 2)
        plan = await publish_plan(away.identity, changes)
        found = await find_service(away.cluster, away.identity.namespace, "staging", "web")
        releases = await list_all_releases(away.cluster, away.identity.namespace, "staging")
        return release, plan, found, releases

    release, plan, found, releases = await away.run(publish)
    assert release == {
        "action": "deployed",
        "service": "web",
        "environment": "staging",
        "namespace": away.identity.namespace,
        "revision": 1,
        "image": away.image,
        "commit": "a" * 40,
        "ref": "main",
        "build": "http://jenkins.example.com/job/1/",
        "address": f"http://web.{away.identity.namespace}.svc:8080",
    }
    assert found == away.identity
    assert [(service, record.revision) for service, record in releases] == [("web", 1)]
    assert (plan["action"], plan["service"], plan["environment"]) == ("planned", "web", "staging")
    rows = {(row["object"], row["field"]): row for row in plan["changes"]}
    assert rows["Deployment web", "spec.replicas"] == {
        "object": "Deployment web", "action": "update", "field": "spec.replicas", "from": "1", "to": "2",
    }  # fmt: skip
    assert rows["Service web", ""]["action"] == "unchanged"
    summary = (await Artifact.aget("release-web")).data
    assert summary.startswith("# web in staging\n")
    assert f"| image | `{away.image}` |" in summary
    assert "Back to an earlier one: `smartclide rollback web -e staging`" in summary
    table = json.loads((await Artifact.aget("result-deploy")).data)
    assert table[0]["revision"] == 1
    assert "http://jenkins.example.com/job/1/" in (await Artifact.aget("jenkins-build")).data

    async def find_nothing():
        await find_service(away.cluster, away.identity.namespace, "staging", "shop")

    with pytest.raises(NotFoundError, match="Environment staging has no service 'shop'; it has: web"):
        await away.run(find_nothing)


@pytest.fixture
def environment(away, monkeypatch):
    """The Environment that the command line reads: the stand-in, and the test's namespace."""

    async def load(_name):
        return SimpleNamespace(cluster=away.cluster, namespace=away.identity.namespace)

    monkeypatch.setattr(patience, "load_environment", load)


def test_status_and_history_on_the_command_line(away, environment, capsys):
    asyncio.run(away.roll_out())
    with pytest.raises(RolloutFailedError):
        asyncio.run(away.roll_out(build="build-2", image=f"{away.image.split('@')[0]}@sha256:{'0' * 64}"))
    capsys.readouterr()
    assert views.show_status("staging", None, as_json=False) is True
    text = capsys.readouterr().out
    assert text.startswith(f"web: running, revision 3, 1 of 1 ready\n  image {away.image}\n")
    assert "Running" in text
    assert views.show_status("staging", "web", as_json=True) is True
    (status,) = json.loads(capsys.readouterr().out)
    assert (status["state"], status["revision"], status["endpoint_ready"]) == ("running", 3, True)
    views.show_history("staging", "web", as_json=False)
    lines = [line for line in capsys.readouterr().out.splitlines() if line[0].isdigit()]  # without folded rests
    assert [line.split()[:2] for line in lines] == [["3", "deployed"], ["2", "rolled-back"], ["1", "superseded"]]
    views.show_history("staging", "web", as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert [(r["revision"], r["rollback_of"]) for r in found] == [(3, 1), (2, None), (1, None)]
    assert "manifests" not in found[0]
    assert found[1]["cause"].startswith("The image is not in the registry. ")
    with pytest.raises(NotFoundError, match="runs no service 'shop'"):
        views.show_status("staging", "shop", as_json=False)
    with pytest.raises(NotFoundError, match="has no service 'shop'; it has: web"):
        views.show_history("staging", "shop", as_json=False)


def test_a_service_that_is_down_is_not_healthy_on_the_command_line(away, environment, stand_in, capsys):
    stand_in.kubernetes.misbehave(away.identity.namespace, "web", "crash-loop")
    with pytest.raises(RolloutFailedError):
        asyncio.run(away.roll_out())
    capsys.readouterr()
    assert views.show_status("staging", "web", as_json=False) is False
    text = capsys.readouterr().out
    assert text.startswith("web: down, revision 1, 0 of 1 ready\n")
    assert "exit code 1 (Error)" in text
