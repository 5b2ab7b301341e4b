"""The REST API through python-gitlab, and GitLab's own words where a client shows them."""

import base64
import io
import tarfile
import zipfile
from pathlib import Path

import gitlab
import httpx
import pytest

from tests.sandbox.gitlab.running import FILES, Running, start


@pytest.fixture
def client(running: Running) -> gitlab.Gitlab:
    return gitlab.Gitlab(running.url, private_token=running.token)


def get(running: Running, path: str, token: str | None = None) -> httpx.Response:
    return httpx.get(f"{running.url}/api/v4/{path}", headers={"PRIVATE-TOKEN": token} if token else {})


def test_who_am_i(client: gitlab.Gitlab, running: Running) -> None:
    client.auth()
    assert client.user is not None and client.user.username == "robot"
    assert client.version() == ("17.11.0", "sandbox")
    own = client.personal_access_tokens.get("self")
    assert own.scopes == ["api", "write_repository"]
    bearer = gitlab.Gitlab(running.url, oauth_token=running.token)
    bearer.auth()
    assert bearer.user is not None and bearer.user.username == "robot"


def test_a_project_by_path_and_by_id(client: gitlab.Gitlab, running: Running) -> None:
    project = client.projects.get("team/shop")
    assert project.path_with_namespace == "team/shop"
    assert project.default_branch == "main"
    assert project.http_url_to_repo == f"{running.url}/team/shop.git"
    assert client.projects.get(project.id).name == "shop"
    assert client.groups.get("team").full_path == "team"
    assert [found.name for found in client.groups.get("team").projects.list(get_all=True)] == ["shop"]


def test_lists_hold_what_the_caller_sees(client: gitlab.Gitlab, running: Running) -> None:
    running.gitlab.create_project("inside/lib", {"a": "1"}, visibility="internal")
    stranger = gitlab.Gitlab(running.url, private_token=running.gitlab.add_token("stranger", ["read_api"], projects=[]))
    nobody = gitlab.Gitlab(running.url)

    def seen(by: gitlab.Gitlab) -> set[str]:
        return {found.path_with_namespace for found in by.projects.list(iterator=True, per_page=1)}

    assert seen(nobody) == {"open/site"}
    assert seen(stranger) == {"open/site", "inside/lib"}
    assert {"team/shop", "open/site", "inside/lib"} <= seen(client)
    assert [found.path for found in client.projects.list(search="sho", get_all=True)] == ["shop"]
    assert {group.full_path for group in stranger.groups.list(get_all=True)} == {"open", "inside"}
    with pytest.raises(gitlab.GitlabGetError, match="404 Group Not Found"):
        stranger.groups.get("team")
    assert client.projects.get("team/shop").commits.get("HEAD").title == "Initial commit"


def test_a_member_only_writes(running: Running) -> None:
    stranger = gitlab.Gitlab(running.url, private_token=running.gitlab.add_token("guest", ["api"], projects=[]))
    site = stranger.projects.get("open/site")
    with pytest.raises(gitlab.GitlabCreateError, match="403 Forbidden"):
        site.commits.get("main").statuses.create({"state": "success"})
    with pytest.raises(gitlab.GitlabListError, match="403 Forbidden"):
        site.variables.list(get_all=True)
    assert httpx.post(f"{running.url}/api/v4/user").status_code == 405
    assert get(running, "projects?page=none").json() == {"error": "page does not have a valid value"}
    revoked = running.gitlab.add_token("gone", ["api"])
    running.gitlab.revoke_token(revoked)
    assert get(running, "user", revoked).json() == {"message": "401 Unauthorized"}


def test_refusals_in_gitlab_s_words(running: Running) -> None:
    for token in (None, running.gitlab.add_token("other", ["api"], projects=[])):
        hidden = get(running, "projects/team%2Fshop", token)
        assert (hidden.status_code, hidden.json()) == (404, {"message": "404 Project Not Found"})
    wrong = get(running, "projects/open%2Fsite", "wrong")
    assert (wrong.status_code, wrong.json()) == (401, {"message": "401 Unauthorized"})
    weak = get(running, "projects/team%2Fshop", running.gitlab.add_token("weak", ["read_user"]))
    assert weak.status_code == 403
    assert weak.json()["error"] == "insufficient_scope"
    site = get(running, "projects/open%2Fsite", None).json()
    assert site["default_branch"] == "main"
    assert "visibility" not in site
    assert get(running, "projects/open%2Fsite", running.token).json()["visibility"] == "public"
    assert get(running, "nothing/here").json() == {"error": "404 Not Found"}
    assert get(running, "user").status_code == 401


def test_commits_branches_tags(client: gitlab.Gitlab, running: Running) -> None:
    running.gitlab.create_project("team/refs", {"a": "1\n"})
    first = client.projects.get("team/refs").commits.get("main").id
    second = running.gitlab.commit("team/refs", "feature/x", {"b": "2\n2\n"}, "Second\n\nWith a body.")
    running.gitlab.tag("team/refs", "v1", "main")
    running.gitlab.tag("team/refs", "v2", "feature/x", "Release two")
    project = client.projects.get("team/refs")
    commit = project.commits.get("feature/x")
    assert (commit.id, commit.short_id, commit.title) == (second, second[:8], "Second")
    assert commit.message == "Second\n\nWith a body."
    assert commit.parent_ids == [first]
    assert commit.stats == {"additions": 2, "deletions": 0, "total": 2}
    assert project.commits.get(first[:10]).id == first
    assert project.branches.get("feature/x").commit["id"] == second
    assert project.branches.get("main").protected is True
    assert project.branches.get("feature/x").protected is False
    assert [branch.name for branch in project.branches.list(get_all=True)] == ["feature/x", "main"]
    assert (project.tags.get("v1").target, project.tags.get("v1").message) == (first, "")
    assert (project.tags.get("v2").commit["id"], project.tags.get("v2").message) == (second, "Release two")
    refs = sorted((ref["type"], ref["name"]) for ref in project.commits.get(second).refs())
    assert refs == [("branch", "feature/x"), ("tag", "v2")]
    assert [entry.id for entry in project.commits.list(ref_name="feature/x", get_all=True)] == [second, first]
    for kind, message in ((project.commits, "Commit"), (project.branches, "Branch"), (project.tags, "Tag")):
        with pytest.raises(gitlab.GitlabGetError, match=f"404 {message} Not Found"):
            kind.get("none/such")


def test_files(client: gitlab.Gitlab) -> None:
    project = client.projects.get("team/shop")
    file = project.files.get("src/deep/ünïcode file.txt", ref="main")
    assert base64.b64decode(file.content).decode() == "grüße\n"
    assert file.decode().decode() == "grüße\n"
    assert file.commit_id == project.commits.get("main").id
    assert project.files.raw(".gitlab-ci.yml", ref="main") == FILES[".gitlab-ci.yml"].encode()
    assert project.files.head("run.sh", ref="main")["X-Gitlab-Execute-Filemode"] == "true"
    with pytest.raises(gitlab.GitlabGetError, match="404 File Not Found"):
        project.files.get("none", ref="main")
    with pytest.raises(gitlab.GitlabGetError, match="404 Commit Not Found"):
        project.files.get("Dockerfile", ref="none")


def test_a_repository_token_reads_files_only(running: Running) -> None:
    token = running.gitlab.add_token("files", ["read_repository"])
    assert get(running, "projects/team%2Fshop/repository/files/Dockerfile/raw?ref=main", token).text == "FROM scratch\n"
    assert get(running, "projects/team%2Fshop/repository/tree", token).status_code == 403


def test_the_tree_in_pages(client: gitlab.Gitlab, running: Running) -> None:
    project = client.projects.get("team/shop")
    assert [entry["name"] for entry in project.repository_tree(get_all=True)] == [
        "src", ".gitlab-ci.yml", "Dockerfile", "run.sh",
    ]  # fmt: skip
    assert [entry["path"] for entry in project.repository_tree(path="src", get_all=True)] == ["src/deep", "src/main.py"]
    paths = [entry["path"] for entry in project.repository_tree(recursive=True, per_page=2, iterator=True)]
    assert len(paths) == 7 and paths[:2] == ["src", "src/deep"]
    page = get(running, "projects/team%2Fshop/repository/tree?recursive=true&per_page=2&page=2", running.token)
    assert (page.headers["X-Next-Page"], page.headers["X-Prev-Page"], page.headers["X-Total"]) == ("3", "1", "7")
    assert (
        f'<{running.url}/api/v4/projects/team%2Fshop/repository/tree?recursive=true&page=3&per_page=2>; rel="next"'
        in (page.headers["Link"])
    )
    with pytest.raises(gitlab.GitlabGetError, match="invalid revision or path"):
        project.repository_tree(path="none", get_all=True)


def test_an_archive_of_a_commit(client: gitlab.Gitlab, running: Running) -> None:
    running.gitlab.create_project("team/packed", {"a.txt": "one\n", "docs/b.txt": "b\n", "run.sh": "#!/bin/sh\n"})
    project = client.projects.get("team/packed")
    first = project.commits.get("main").id
    later = running.gitlab.commit("team/packed", "feature/x", {"a.txt": "two\n"}, "Later")

    def packed(**options: str) -> dict[str, tarfile.TarInfo]:
        data = project.repository_archive(**options)
        assert isinstance(data, bytes)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            return {member.name: member for member in tar if member.isfile()}

    top = f"packed-{first}-{first}"
    files = packed(sha=first, format="tar.gz")
    assert set(files) == {f"{top}/a.txt", f"{top}/docs/b.txt", f"{top}/run.sh"}
    assert files[f"{top}/run.sh"].mode & 0o100
    assert not files[f"{top}/a.txt"].mode & 0o100
    assert set(packed(sha="feature/x", path="docs")) == {f"packed-feature-x-{later}-docs/docs/b.txt"}
    assert set(packed(format="tar")) == {name.replace(f"-{first}-", "-main-") for name in files}
    zipped = project.repository_archive(sha=first, format="zip")
    assert isinstance(zipped, bytes) and zipfile.is_zipfile(io.BytesIO(zipped))
    raw = get(running, f"projects/team%2Fpacked/repository/archive?sha={first}", running.token)
    assert raw.headers["Content-Disposition"] == f'attachment; filename="{top}.tar.gz"'
    for wrong in ({"sha": "none"}, {"path": "none"}):
        with pytest.raises(gitlab.GitlabListError, match="404 File Not Found"):  # python-gitlab's choice of a class
            project.repository_archive(**wrong)
    assert get(running, f"projects/team%2Fpacked/repository/archive.tar.gz?sha={first}").status_code == 404


def test_commit_statuses(client: gitlab.Gitlab) -> None:
    project = client.projects.get("team/shop")
    commit = project.commits.get("main")
    commit.statuses.create({"state": "running", "name": "deploy/demo", "target_url": "http://x/1"})
    with pytest.raises(gitlab.GitlabCreateError, match="Cannot transition status via :run from :running"):
        commit.statuses.create({"state": "running", "name": "deploy/demo"})
    done = commit.statuses.create({"state": "success", "name": "deploy/demo", "description": "ok"})
    assert (done.status, done.target_url, done.description) == ("success", "http://x/1", "ok")
    assert done.finished_at is not None
    commit.statuses.create({"state": "failed", "name": "deploy/demo"})
    latest = commit.statuses.list(get_all=True)
    assert [(entry.name, entry.status) for entry in latest] == [("deploy/demo", "failed")]
    assert len(commit.statuses.list(all=True, get_all=True)) == 2
    assert project.commits.get("main").attributes["status"] == "failed"
    with pytest.raises(gitlab.GitlabCreateError, match="state does not have a valid value"):
        commit.statuses.create({"state": "green"})


def test_variables_of_projects_and_groups(client: gitlab.Gitlab, running: Running) -> None:
    running.gitlab.set_variable("team/shop", "TOKEN", "s3cret", masked=True)
    running.gitlab.set_variable("team", "REGION", "eu")
    project = client.projects.get("team/shop")
    assert project.variables.get("TOKEN").masked is True
    assert client.groups.get("team").variables.get("REGION").value == "eu"
    project.variables.create({"key": "MADE", "value": "1"})
    variable = project.variables.get("MADE")
    variable.value = "2"
    variable.save()
    assert project.variables.get("MADE").value == "2"
    variable.delete()
    assert [entry.key for entry in project.variables.list(get_all=True)] == ["TOKEN"]
    assert get(running, "projects/open%2Fsite/variables").status_code == 401
    assert project.mergerequests.list(get_all=True) == []


def test_it_is_all_there_after_a_restart(tmp_path: Path) -> None:
    first = start(tmp_path)
    number = first.gitlab.create_project("a/b", {"x": "1"})
    token = first.gitlab.add_token("robot", ["read_api"])
    first.server.stop()
    again = start(tmp_path)
    assert again.gitlab.project_id("a/b") == number
    assert gitlab.Gitlab(again.url, private_token=token).projects.get("a/b").id == number
    again.server.stop()
    with pytest.raises(ValueError, match="exists"):
        again.gitlab.create_project("a/b", {})
