"""Reading CI/CD variables from a GitLab: every level, and what the token may not see."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from blocks.gitlab_server import GitLabServer
from sandbox.gitlab.server import GitLab as StandIn
from tasks.source.repository import GitLab
from tasks.source.variable_levels import read_ci_variables

Blocks = Callable[..., GitLabServer]


@pytest.fixture(scope="module", autouse=True)
def _variables(gitlab: StandIn) -> None:
    gitlab.create_project("outer/in.ner/app", {"a": "a"}, visibility="public")
    gitlab.set_variable("outer", "A", "outer")
    gitlab.set_variable("outer", "B", "outer")
    gitlab.set_variable("outer/in.ner", "B", "inner", masked=True)
    for number in range(150):  # more than a page
        gitlab.set_variable("outer/in.ner/app", f"C{number}", "x", environment_scope="prod*")


def test_all_levels_and_pages(block: Blocks) -> None:
    reader = GitLab(block())
    commit = reader.commit("outer/in.ner/app")
    found = read_ci_variables(reader, commit, "staging")
    assert found.unreadable is None
    assert found.plain == {"A": "outer"}
    assert {key: variable.value for key, variable in found.secret.items()} == {"B": "inner"}
    assert len(found.known) == 153
    assert len(read_ci_variables(reader, commit, "production").chosen) == 152


def test_what_may_not_be_read_is_named(block: Blocks, gitlab: StandIn) -> None:
    guest = GitLab(block(gitlab.add_token("guest", ["read_api"], projects=[])))
    found = read_ci_variables(guest, guest.commit("outer/in.ner/app"), "staging")
    assert found.unreadable == "project outer/in.ner/app"
    assert found.plain == {"A": "outer"}
    nobody = GitLab(block(None))
    found = read_ci_variables(nobody, nobody.commit("outer/in.ner/app"), "staging")
    assert found.unreadable == "group outer, group outer/in.ner, project outer/in.ner/app"
    assert found.chosen == {}


def test_a_hidden_variable_is_named_and_not_taken_for_an_empty_one(block: Blocks, gitlab: StandIn) -> None:
    gitlab.create_project("outer/hiding", {"a": "a"})
    gitlab.set_variable("outer/hiding", "A", "never shown", masked=True, hidden=True)
    gitlab.set_variable("outer/hiding", "EMPTY", "")
    reader = GitLab(block())
    found = read_ci_variables(reader, reader.commit("outer/hiding"), "staging")
    assert found.unreadable == "visibility hidden (A)"
    assert {key: variable.value for key, variable in found.chosen.items()} == {"B": "outer", "EMPTY": ""}
