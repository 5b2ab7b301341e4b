"""Resolving refs and reading files through the GitLab stand-in, with every fault a GitLab may have."""

import io
import json
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from prefect_gitlab import GitLabCredentials
from pydantic import SecretStr

from blocks.gitlab_server import GitLabServer
from errors import AccessError, InputError, NotFoundError, ProtocolError, UnavailableError
from sandbox.gitlab.server import GitLab as StandIn
from sandbox.http import AppServer
from tasks.source.repository import GitLab, _project_path

Block = Callable[..., GitLabServer]
Answers = Callable[[requests.PreparedRequest], tuple[int, dict[str, str], object]]


def test_a_branch_becomes_its_commit(gitlab: StandIn, block: Block, server: AppServer) -> None:
    sha = gitlab.commit("team/shop", "main", {"a.txt": "b"}, "Second\n\nWith a body.")
    commit = GitLab(block()).commit("team/shop", "main")
    assert (commit.sha, commit.ref, commit.ref_kind, commit.ref_protected) == (sha, "main", "branch", True)
    assert (commit.project_path, commit.default_branch, commit.visibility) == ("team/shop", "main", "private")
    assert (commit.title, commit.message.strip()) == ("Second", "Second\n\nWith a body.")
    assert commit.clone_url == f"{server.url}/team/shop.git"
    assert commit.server_url == server.url


def test_no_ref_means_the_default_branch(block: Block) -> None:
    assert GitLab(block()).commit("team/shop").ref == "main"


@pytest.mark.parametrize("ref", ["feature/checkout", "refs/heads/feature/checkout"])
def test_a_branch_with_a_slash(gitlab: StandIn, block: Block, ref: str) -> None:
    sha = gitlab.commit("team/shop", "feature/checkout", {"b.txt": ref}, "On a branch")
    commit = GitLab(block()).commit("team/shop", ref)
    assert (commit.sha, commit.ref, commit.ref_kind, commit.ref_protected) == (
        sha, "feature/checkout", "branch", False,
    )  # fmt: skip


def test_tags_and_shas_full_and_short(gitlab: StandIn, block: Block) -> None:
    sha = gitlab.commit("team/shop", "main", {"v.txt": "1"}, "Version 1")
    gitlab.tag("team/shop", "v1/0", sha, "annotated")
    reader = GitLab(block())
    tagged = reader.commit("team/shop", "v1/0")
    assert (tagged.sha, tagged.ref, tagged.ref_kind) == (sha, "v1/0", "tag")
    assert (reader.commit("team/shop", sha).sha, reader.commit("team/shop", sha).ref_kind) == (sha, "commit")
    assert reader.commit("team/shop", sha[:8].upper()).sha == sha


def test_a_branch_wins_over_a_tag_and_refs_tags_asks_for_the_tag(gitlab: StandIn, block: Block) -> None:
    first = gitlab.commit("team/shop", "main", {"both.txt": "1"}, "Tagged")
    gitlab.tag("team/shop", "both", first)
    second = gitlab.commit("team/shop", "both", {"both.txt": "2"}, "Branched")
    reader = GitLab(block())
    assert reader.commit("team/shop", "both").sha == second
    assert reader.commit("team/shop", "refs/tags/both").sha == first


def test_an_unknown_ref_names_close_branches(gitlab: StandIn, block: Block) -> None:
    gitlab.commit("team/shop", "release-2", {"r.txt": "r"}, "Release")
    with pytest.raises(NotFoundError) as caught:
        GitLab(block()).commit("team/shop", "relaese-2")
    assert str(caught.value) == (
        "Project team/shop has no branch, tag or commit 'relaese-2'. Did you mean 'release-2'?"
    )


def test_a_sha_that_is_not_there(block: Block) -> None:
    with pytest.raises(NotFoundError, match="has no branch, tag or commit 'deadbeefdeadbeef"):
        GitLab(block()).commit("team/shop", "deadbeef" * 5)


def test_an_absent_project_and_a_hidden_one(block: Block, gitlab: StandIn, server: AppServer) -> None:
    with pytest.raises(NotFoundError) as caught:
        GitLab(block()).commit("team/none", "main")
    assert str(caught.value).startswith(
        f"GitLab at {server.url} has no project team/none, or hides it from this token."
    )
    with pytest.raises(NotFoundError, match=r"hides it from anonymous users \(no token is configured\)"):
        GitLab(block(None)).commit("team/shop", "main")
    stranger = gitlab.add_token("stranger", ["read_api"], projects=["open/site"])
    with pytest.raises(NotFoundError, match="has no project team/shop, or hides it from this token"):
        GitLab(block(stranger)).commit("team/shop", "main")


def test_a_public_project_needs_no_token(block: Block) -> None:
    reader = GitLab(block(None))
    commit = reader.commit("open/site")
    assert (commit.project_path, commit.visibility) == ("open/site", "public")
    assert reader.text(commit, "README.md") == "site\n"
    assert reader.user() is None


def test_a_revoked_token(block: Block, gitlab: StandIn, server: AppServer) -> None:
    token = gitlab.add_token("gone", ["api"])
    gitlab.revoke_token(token)
    with pytest.raises(AccessError) as caught:
        GitLab(block(token)).commit("team/shop", "main")
    assert str(caught.value).startswith(f"GitLab at {server.url} refused the token (401).")
    assert token not in str(caught.value)


def test_a_token_without_the_scope(block: Block, gitlab: StandIn) -> None:
    token = gitlab.add_token("narrow", ["read_repository"])
    with pytest.raises(AccessError, match=r"forbids access to project team/shop \(403\).*read_api"):
        GitLab(block(token)).commit("team/shop", "main")


def test_the_token_s_user_and_the_version(block: Block) -> None:
    reader = GitLab(block())
    assert reader.user() == "robot"
    assert reader.version()[0].isdigit()


def test_texts_of_files(block: Block, gitlab: StandIn) -> None:
    files = {"ü ñ/x y.yml": "grüße\n", "bom.yml": b"\xef\xbb\xbfa: 1\n", "bad.yml": b"\xff\xfe", "empty.yml": ""}
    gitlab.create_project("team/files", files)
    reader = GitLab(block())
    commit = reader.commit("team/files")
    assert reader.text(commit, "ü ñ/x y.yml") == "grüße\n"
    assert reader.text(commit, "bom.yml") == "a: 1\n"
    assert reader.text(commit, "empty.yml") == ""
    with pytest.raises(InputError, match=r"File bad.yml of project team/files is not UTF-8"):
        reader.text(commit, "bad.yml")
    with pytest.raises(NotFoundError, match=r"no file nope\.yml in project team/files"):
        reader.text(commit, "nope.yml")


def test_paths_over_many_pages(block: Block, gitlab: StandIn) -> None:
    gitlab.create_project("team/many", {f"ci/{number:03}.yml": "x" for number in range(230)} | {"Dockerfile": ""})
    reader = GitLab(block())
    commit = reader.commit("team/many")
    assert reader.paths(commit, recursive=False) == ["Dockerfile"]
    assert sorted(reader.paths(commit, recursive=True)) == ["Dockerfile", *(f"ci/{n:03}.yml" for n in range(230))]


def test_the_archive_is_of_the_commit(block: Block, gitlab: StandIn, tmp_path: Path) -> None:
    gitlab.create_project("team/archived", {"Dockerfile": "FROM scratch\n", "src/a.txt": "old"})
    reader = GitLab(block())
    commit = reader.commit("team/archived")
    gitlab.commit("team/archived", "main", {"src/a.txt": "new"}, "Later")
    reader.archive(commit, tmp_path / "a.tar.gz")
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        names = {name.partition("/")[2]: name for name in tar.getnames()}
        assert {"Dockerfile", "src/a.txt"} <= set(names)
        member = tar.extractfile(names["src/a.txt"])
        assert member is not None and member.read() == b"old"


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
def test_server_errors_are_transient(block: Block, server: AppServer, status: int) -> None:
    server.faults.add("status", "/projects/", status=status)
    with pytest.raises(UnavailableError, match=rf"failed on project team/shop \({status}\)"):
        GitLab(block()).commit("team/shop", "main")


def test_too_many_requests_says_how_long_to_wait(block: Block, server: AppServer) -> None:
    server.faults.add("status", "/repository/branches", status=429, retry_after=7)
    with pytest.raises(UnavailableError) as caught:
        GitLab(block()).commit("team/shop", "main")
    assert caught.value.retry_after == 7.0


@pytest.mark.parametrize("kind", ["drop", "cut"])
def test_broken_connections_are_transient(block: Block, server: AppServer, kind: str) -> None:
    server.faults.add(kind, "/projects/")
    with pytest.raises(UnavailableError, match="dropped the connection"):
        GitLab(block()).commit("team/shop", "main")


def test_a_slow_server_is_transient(block: Block, server: AppServer) -> None:
    server.faults.add("latency", "/projects/", seconds=1.0)
    with pytest.raises(UnavailableError, match="did not answer in time"):
        GitLab(block(timeout=0.2)).commit("team/shop", "main")


@pytest.mark.parametrize("path", ["/projects/[^/?]*$", "/repository/branches", "/repository/tree"])
def test_html_instead_of_json(block: Block, server: AppServer, path: str) -> None:
    reader = GitLab(block())
    commit = reader.commit("team/shop")
    server.faults.add("garbage", path)
    with pytest.raises(ProtocolError, match="unreadable answer") as caught:
        reader.commit("team/shop", "main")
        reader.paths(commit, recursive=False)
    assert "<html>" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://nowhere.invalid"])
def test_nobody_there(url: str) -> None:
    with pytest.raises(UnavailableError, match=r"refused the connection|does not resolve"):
        GitLab(GitLabServer(url=url)).commit("a/b", "main")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("group/app", "group/app"),
        (" /group/sub/app/ ", "group/sub/app"),
        ("https://gitlab.example.com/group/app", "group/app"),
        ("https://gitlab.example.com/group/app.git", "group/app"),
        ("https://gitlab.example.com/group/app/-/tree/main", "group/app"),
        ("42", "42"),
    ],
)
def test_ways_to_name_a_project(name: str, path: str) -> None:
    assert _project_path(name, "https://gitlab.example.com") == path


@pytest.mark.parametrize("name", ["", " ", "a//b", "../a", "https://elsewhere.example.com/group/app"])
def test_what_is_no_project(name: str) -> None:
    with pytest.raises(InputError):
        _project_path(name, "https://gitlab.example.com")


def test_an_installation_in_a_folder() -> None:
    server = "https://host.example:8443/gitlab"
    names = [f"{server}/group/app.git", "https://HOST.example:8443/gitlab/group/app"]
    for name in (*names, "git@host.example:group/app.git", "ssh://git@host.example:2222/group/app.git"):
        assert _project_path(name, server) == "group/app"
    assert (
        _project_path("https://gitlab.example.com/gitlabber/app", "https://gitlab.example.com/gitlab")
        == "gitlabber/app"
    )
    with pytest.raises(InputError):
        _project_path("git@elsewhere.example:group/app.git", server)


def made_up(monkeypatch: pytest.MonkeyPatch, answers: Answers) -> GitLab:
    """A GitLab at https://gitlab.example whose answers (status, headers, JSON) are made up."""

    def send(_self: object, request: requests.PreparedRequest, **_options: object) -> requests.Response:
        answer = requests.Response()
        answer.status_code, headers, body = answers(request)
        answer.headers.update({"Content-Type": "application/json", **headers})
        answer.raw = io.BytesIO(json.dumps(body).encode())
        answer.url, answer.request = str(request.url), request
        return answer

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    token = GitLabCredentials(token=SecretStr("glpat-1"), url="https://gitlab.example")
    return GitLab(GitLabServer(url="https://gitlab.example", credentials=token))


@pytest.mark.parametrize("target", ["https://sso.example/start?rd=x", "http://gitlab.example/api/v4/projects/1"])
def test_the_token_follows_no_redirect_to_another_place(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    seen: list[requests.PreparedRequest] = []

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], object]:
        seen.append(request)
        return 302, {"Location": target}, {}

    with pytest.raises(ProtocolError, match=r"sends requests on to http.*: the login does not go there"):
        made_up(monkeypatch, answer).commit("group/app")
    assert [request.headers["PRIVATE-TOKEN"] for request in seen] == ["glpat-1"]


def test_a_project_that_was_moved_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], object]:
        path = str(request.url).partition("/api/v4")[2]
        if path == "/projects/old%2Fapp":
            return 301, {"Location": "https://gitlab.example/api/v4/projects/7"}, {}
        if path == "/projects/7":
            return 200, {}, {"id": 7, "path_with_namespace": "new/app", "default_branch": "main"}
        assert path == "/projects/7/repository/branches/main"
        return 200, {}, {"name": "main", "protected": True, "commit": {"id": "a" * 40}}

    assert made_up(monkeypatch, answer).commit("old/app").project_path == "new/app"


@pytest.mark.parametrize(
    ("project", "error"),
    [
        ({"empty_repo": True, "default_branch": "main"}, "has no commits yet"),
        ({"empty_repo": False}, "hides the repository of project group/app from this token"),
    ],
)
def test_without_a_default_branch(monkeypatch: pytest.MonkeyPatch, project: dict[str, object], error: str) -> None:
    answer = 200, {}, {"id": 7, "path_with_namespace": "group/app", **project}
    with pytest.raises((NotFoundError, AccessError), match=error):
        made_up(monkeypatch, lambda _request: answer).commit("group/app")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": "insufficient_granular_scope"}, r"\(403\): insufficient_granular_scope\. Use a token"),
        ({"message": "403 Forbidden - Your account has been blocked."}, r"Your account has been blocked\. Use a token"),
        ({"message": "403 Forbidden"}, r"\(403\)\. Use a token"),
    ],
)
def test_gitlab_s_own_word_on_a_refusal(monkeypatch: pytest.MonkeyPatch, body: object, said: str) -> None:
    with pytest.raises(AccessError, match=said):
        made_up(monkeypatch, lambda _request: (403, {}, body)).commit("group/app")


def test_the_rate_limit_says_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"RateLimit-Remaining": "0", "RateLimit-Reset": str(int(time.time()) + 1000)}
    with pytest.raises(UnavailableError) as caught:
        made_up(monkeypatch, lambda _request: (429, headers, {})).user()
    assert 900 < (caught.value.retry_after or 0) < 1001


def test_anonymous_users_see_public_projects_only(block: Block) -> None:
    assert GitLab(block(None)).commit("open/site").visibility == "public"
    assert GitLab(block()).commit("team/shop").visibility == "private"
