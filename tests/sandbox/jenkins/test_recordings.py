"""The stand-in answers as the recorded Jenkins 2.448 did: status, headers, keys of JSON."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.sandbox.jenkins.replaying import RECORDINGS, Replay, load
from tests.sandbox.jenkins.scenarios import SCENARIOS, Scenario


def test_every_recording_has_a_scenario() -> None:
    assert sorted(path.name[:2] for path in RECORDINGS.glob("*.json")) == sorted(SCENARIOS)


def _meant(scenario: Scenario, difference: str) -> bool:
    return any(re.search(expression, difference) for expression in scenario.differing)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_recording(name: str, tmp_path: Path) -> None:
    scenario = SCENARIOS[name]
    found = []
    with Replay(tmp_path, scenario.runs, scenario.executors, scenario.quiet_period) as replay:
        for full_name, config in scenario.jobs.items():
            replay.create(full_name, config)
        for index, exchange in enumerate(load(name)):
            if index in scenario.before:
                scenario.before[index](replay)
            if index in scenario.skipped:
                continue
            answer = replay.send(exchange["request"])
            line = f"[{index}] {exchange['request']['method']} {exchange['request']['path']}"
            differences = replay.compare(exchange["response"], answer)
            found += [f"{line} {each}" for each in differences if not _meant(scenario, each)]
    assert found == []
