"""Servers that fail in between are survived; refused credentials are not tried again."""

import asyncio

import pytest

from flows.deploy import deploy

SERVERS = ["gitlab_server", "jenkins_server", "registry_server", "kubernetes_server"]


@pytest.mark.slow
@pytest.mark.parametrize("server", SERVERS)
def test_a_fault_of_each_kind_in_between_is_survived(house, run, server):
    path = house.project(f"faults/{server.replace('_server', '')}")
    faults = getattr(house.sandbox, server).faults
    try:
        faults.add("status", "", times=1, status=503)
        faults.add("drop", "", times=1)
        faults.add("latency", "", times=1, seconds=0.3)
        state = run(deploy, project=path, ref="main")
        assert state.is_completed(), state
        assert faults.active[0].times == faults.active[1].times == 0, "the faults were met"
    finally:
        faults.clear()
    assert state.result()["action"] == "deployed"
    assert house.builds(path) == [1]


@pytest.mark.slow
def test_jenkins_restarting_during_a_build_is_survived(house):
    path = house.project("faults/restart", **{
        "tests/test_unit.py": b"import time, unittest\nclass T(unittest.TestCase):\n  def test(self): time.sleep(4)\n"
    })  # fmt: skip

    async def both():
        run = deploy(project=path, ref="main", environment=house.environment, return_state=True)
        running = asyncio.create_task(run)
        while house.sandbox.gitlab.project_id(path) and not _building(house, path):
            await asyncio.sleep(0.2)
        await asyncio.to_thread(house.sandbox.jenkins.restart, 1.5)
        return await running

    state = asyncio.run(both())
    assert state.is_completed(), state
    assert house.builds(path) == [1]


def _building(house, path):
    import httpx

    try:
        return house.builds(path)
    except httpx.HTTPStatusError:
        return []


def test_a_cluster_that_refuses_ends_the_run_before_the_build(house, run):
    path = house.project("early/refused")
    faults = house.sandbox.kubernetes_server.faults
    faults.add("status", "/apis/apps/v1/", times=-1, status=401)
    try:
        state = run(deploy, project=path, ref="main")
    finally:
        faults.clear()
    assert state.is_failed()
    assert "AccessError: The cluster at" in state.message
    assert not _building(house, path)


def test_a_refused_token_is_not_tried_again(house, run):
    faults = house.sandbox.gitlab_server.faults
    before = len(faults.log)
    faults.add("status", "/api/v4/", times=-1, status=401)
    try:
        state = run(deploy, project="demo/hello-service", ref="main")
    finally:
        faults.clear()
    assert state.is_failed()
    assert "AccessError" in state.message
    assert len(faults.log) - before == 1
