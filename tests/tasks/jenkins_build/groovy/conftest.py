"""What the tests of this folder look at; made once."""

from __future__ import annotations

import pytest

from tests.tasks.jenkins_build.groovy.running import Outcomes, outcomes_in


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Every Jenkinsfile of these tests compiled, and those of the cases run on both sides."""
    return outcomes_in(tmp_path_factory.mktemp("groovy"))
