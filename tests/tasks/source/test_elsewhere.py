"""What a pipeline includes from elsewhere, fetched from the GitLab stand-in and from a server of files, with faults."""

import base64
import hashlib
from collections.abc import Callable, Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from blocks.gitlab_server import GitLabServer
from errors import InputError, InterpretationError, NotFoundError, UnavailableError
from sandbox.gitlab.server import GitLab as StandIn
from sandbox.http import AppServer
from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.interpretation.pipeline import Pipeline
from tasks.interpretation.predefined import predefined_variables
from tasks.source.model import Snapshot
from tasks.source.remote import fetch_remote
from tasks.source.repository import GitLab
from tasks.source.snapshot import read_snapshot
from tasks.source.sources import Remote

Block = Callable[..., GitLabServer]
BIG = "x" * (5 * 1024 * 1024)


def _serve(request: Request) -> Response:
    path = request.path_params["path"]
    texts = {
        "ci.yml": "far: {script: [far]}\n",
        "inner.yml": "include: {project: team/lib, file: a.yml}\nfar: {script: [far]}\n",
        "local.yml": "include: {local: x.yml}\n",
        "big.yml": BIG,
        "seen.yml": f"token: {'PRIVATE-TOKEN' in request.headers or 'authorization' in request.headers}\n",
    }
    if path == "redirect.yml":
        return RedirectResponse("/ci.yml")
    if path == "ftp.yml":
        return RedirectResponse("ftp://127.0.0.1/ci.yml")
    if path == "loop.yml":
        return RedirectResponse("/loop.yml")
    if path == "latin.yml":
        return Response(b"\xff\xfe")
    return PlainTextResponse(texts[path]) if path in texts else PlainTextResponse("no", 404)


@pytest.fixture(scope="module")
def web() -> Iterator[AppServer]:
    with AppServer(Starlette(routes=[Route("/{path:path}", _serve)]), name="web") as server:
        yield server


@pytest.fixture(autouse=True)
def _no_web_faults(web: AppServer) -> Iterator[None]:
    yield
    web.faults.clear()


@pytest.fixture(scope="module", autouse=True)
def library(gitlab: StandIn) -> str:
    """team/lib with components, released as 1.0.0, 1.2.0, 1.10.0, 2.0.0 and 3.0.0-rc1; main is ahead of them."""
    gitlab.create_project(
        "team/lib",
        {
            "a.yml": "include: b.yml\na: {script: [a]}\n",
            "b.yml": "b: {script: [b-main]}\n",
            "parts/x.yml": "x: {script: [x]}\n",
            "parts/y.yml": "y: {script: [y]}\n",
            "all.yml": "include: parts/*.yml\n",
        },
    )
    for version in ("1.0.0", "1.2.0", "1.10.0", "2.0.0", "3.0.0-rc1"):
        template = (
            "spec:\n  component: [name, version, reference]\n  inputs: {stage: {default: test}}\n---\ninclude: b.yml\n"
            "job: {stage: '$[[ inputs.stage ]]', "
            "script: ['$[[ component.name ]] $[[ component.version ]] $[[ component.reference ]]']}\n"
        )
        files = {"templates/scan.yml": template, "templates/deep/template.yml": "deep: {script: [deep]}\n"}
        sha = gitlab.commit("team/lib", "main", {**files, "b.yml": f"b: {{script: [b-{version}]}}\n"}, version)
        gitlab.tag("team/lib", version, sha)
        gitlab.release("team/lib", version)
    gitlab.set_template("Jobs/Build", "built: {script: [build]}\n")
    return gitlab.commit("team/lib", "main", {"b.yml": "b: {script: [b-main]}\n"}, "ahead")


class Maker:
    """Makes a project with a pipeline definition, reads it as the deploy flow does, and interprets it."""

    def __init__(self, gitlab: StandIn, block: Block) -> None:
        self.gitlab, self.block, self.count = gitlab, block, 0

    def snapshot(self, text: str) -> Snapshot:
        self.count += 1
        path = f"made/{self.count}"
        while self.gitlab.project_id(path) is not None:
            self.count += 1
            path = f"made/{self.count}"
        self.gitlab.create_project(path, {".gitlab-ci.yml": text})
        reader = GitLab(self.block())
        return read_snapshot(reader, reader.commit(path))

    def pipeline(self, text: str) -> Pipeline:
        snapshot = self.snapshot(text)
        context = Context(predefined_variables(snapshot.commit), absent=snapshot.absent)
        return interpret(snapshot.files, context)

    def scripts(self, text: str) -> dict[str, list[str]]:
        return {job.name: list(job.script) for job in self.pipeline(text).jobs}

    def errors(self, text: str) -> list[str]:
        with pytest.raises(InterpretationError) as caught:
            self.pipeline(text)
        return [str(item) for item in caught.value.diagnostics]


@pytest.fixture
def make(gitlab: StandIn, block: Block) -> Maker:
    return Maker(gitlab, block)


def test_a_file_of_another_project_includes_its_own_files(make: Maker) -> None:
    assert make.scripts("include: {project: Team/Lib, file: /a.yml}\n") == {"b": ["b-main"], "a": ["a"]}


def test_several_files_at_a_ref(make: Maker) -> None:
    text = "include: {project: team/lib, ref: 1.2.0, file: [a.yml, templates/deep/template.yml]}\n"
    assert make.scripts(text) == {"b": ["b-1.2.0"], "a": ["a"], "deep": ["deep"]}


def test_wildcards_mean_the_files_of_the_including_project(make: Maker) -> None:
    assert make.scripts("include: {project: team/lib, file: all.yml}\n") == {"x": ["x"], "y": ["y"]}


def test_keys_tell_where_text_comes_from(make: Maker) -> None:
    snapshot = make.snapshot(
        "include: [{project: team/lib, ref: 1.2.0, file: a.yml}, {template: Jobs/Build.gitlab-ci.yml}]\n"
    )
    assert list(snapshot.files) == [
        ".gitlab-ci.yml", "team/lib@1.2.0:/a.yml", "template:Jobs/Build.gitlab-ci.yml", "team/lib@1.2.0:/b.yml",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("version", "tag", "shown"),
    [
        ("~latest", "2.0.0", "2.0.0"),
        ("1", "1.10.0", "1.10.0"),
        ("1.2", "1.2.0", "1.2.0"),
        ("1.0.0", "1.0.0", "1.0.0"),
        ("3.0.0-rc1", "3.0.0-rc1", ""),
        ("main", "main", ""),
    ],
)
def test_versions_of_a_component(make: Maker, version: str, tag: str, shown: str) -> None:
    text = f"include: {{component: $CI_SERVER_FQDN/team/lib/scan@{version}, inputs: {{stage: build}}}}\n"
    assert make.scripts(text) == {"b": [f"b-{tag}"], "job": [f"scan {shown} {version}"]}


def test_a_component_by_sha_and_in_a_folder(make: Maker, library: str) -> None:
    text = "".join(
        f"  - component: {host}/team/lib/{name}@{library}\n"
        for host, name in (("$CI_SERVER_FQDN", "deep"), ("${CI_SERVER_HOST}", "scan"))
    )
    text = f"include:\n{text}"
    assert make.scripts(text) == {"deep": ["deep"], "b": ["b-main"], "job": [f"scan  {library}"]}


def test_templates_and_remote_files(make: Maker, web: AppServer) -> None:
    digest = base64.b64encode(hashlib.sha256(b"far: {script: [far]}\n").digest()).decode()
    text = (
        "include:\n  - template: Jobs/Build.gitlab-ci.yml\n"
        f"  - {{remote: '{web.url}/ci.yml', integrity: 'sha256-{digest}'}}\n"
    )
    assert make.scripts(text) == {"built": ["build"], "far": ["far"]}


def test_a_remote_file_of_another_hash_is_refused(make: Maker, web: AppServer) -> None:
    wrong = "A" * 43 + "="
    (found,) = make.errors(f"include: {{remote: '{web.url}/ci.yml', integrity: 'sha256-{wrong}'}}\n")
    assert "[include-integrity]" in found and "its hash is sha256-" in found


def test_text_from_outside_sees_public_projects_only_and_no_local_files(make: Maker, web: AppServer) -> None:
    (found,) = make.errors(f"include: '{web.url}/inner.yml'\n")
    assert found == (
        f"{web.url}/inner.yml:1:36: error: Project team/lib is not public. "
        "Text from outside of GitLab's projects may include files of public projects only. [include-missing]"
    )
    (found,) = make.errors(f"include: '{web.url}/local.yml'\n")
    assert "has no local files" in found


@pytest.mark.parametrize(
    ("include", "reason"),
    [
        ("{project: team/none, file: a.yml}", "has no project team/none, or hides it"),
        ("{project: team/lib, ref: nope, file: a.yml}", "Project team/lib has no branch, tag or commit 'nope'"),
        ("{project: team/lib, file: nope.yml}", "no file nope.yml in project team/lib"),
        ("{template: Nope.gitlab-ci.yml}", "no CI template Nope.gitlab-ci.yml"),
        ("{component: $CI_SERVER_FQDN/team/lib/nope@1}", "Project team/lib has no component nope at 1.10.0"),
        ("{component: $CI_SERVER_FQDN/team/lib/scan@9}", "Project team/lib has no branch, tag or commit '9'"),
        ("{component: $CI_SERVER_FQDN/team/shop/x@~latest}", "Project team/shop has no release"),
        ("{component: elsewhere.example.com/team/lib/scan@1}", "is not of GitLab at http"),
    ],
)
def test_what_is_not_there_is_said_with_its_place(make: Maker, include: str, reason: str) -> None:
    (found,) = make.errors(f"include: {include}\n")
    assert reason in found
    assert found.startswith(".gitlab-ci.yml:1:") and found.endswith("[include-missing]")


def test_a_remote_file_that_is_not_there(make: Maker, web: AppServer) -> None:
    (found,) = make.errors(f"include: {web.url}/none.yml\n")
    assert f"Remote file {web.url}/none.yml: the server answered 404." in found


@pytest.mark.parametrize(
    "include",
    [
        "{project: team/lib, file: a.yml}",
        "{component: $CI_SERVER_FQDN/team/lib/scan@1}",
        "{template: Jobs/Build.gitlab-ci.yml}",
    ],
)
def test_gitlab_s_faults_are_no_absence(make: Maker, server: AppServer, include: str) -> None:
    server.faults.add("status", r"team%2Flib|templates", status=502, times=-1)
    with pytest.raises(UnavailableError, match="502"):
        make.snapshot(f"include: {include}\n")


def test_a_hidden_project_is_hidden(gitlab: StandIn, block: Block) -> None:
    gitlab.create_project(
        "open/uses", {".gitlab-ci.yml": "include: {project: team/lib, file: a.yml}\n"}, visibility="public"
    )
    reader = GitLab(block(None))
    snapshot = read_snapshot(reader, reader.commit("open/uses"))
    assert "hides it from anonymous users" in snapshot.absent["team/lib@HEAD:/a.yml"]


def test_redirects_stay_on_the_scheme(web: AppServer) -> None:
    assert fetch_remote(Remote(f"{web.url}/redirect.yml")) == {f"{web.url}/redirect.yml": "far: {script: [far]}\n"}
    with pytest.raises(InputError, match="another scheme"):
        fetch_remote(Remote(f"{web.url}/ftp.yml"))
    with pytest.raises(InputError, match="more than 3 redirects"):
        fetch_remote(Remote(f"{web.url}/loop.yml"))


def test_remote_files_are_bounded(web: AppServer) -> None:
    with pytest.raises(InputError, match="larger than 4 MiB"):
        fetch_remote(Remote(f"{web.url}/big.yml"))
    with pytest.raises(InputError, match="not UTF-8"):
        fetch_remote(Remote(f"{web.url}/latin.yml"))
    assert fetch_remote(Remote(f"{web.url}/seen.yml")) == {f"{web.url}/seen.yml": "token: False\n"}


@pytest.mark.parametrize(
    ("kind", "options", "match"),
    [
        ("status", {"status": 503}, r"failed \(503\)"),
        ("status", {"status": 429}, r"failed \(429\)"),
        ("drop", {}, "broke off"),
        ("cut", {}, "broke off"),
        ("latency", {"seconds": 1.0}, "within 0.3 seconds"),
    ],
)
def test_faults_of_the_remote_server(web: AppServer, kind: str, options: dict, match: str) -> None:
    web.faults.add(kind, "ci.yml", **options)
    with pytest.raises(UnavailableError, match=match):
        fetch_remote(Remote(f"{web.url}/ci.yml"), seconds=0.3)


def test_nobody_there() -> None:
    with pytest.raises(UnavailableError):
        fetch_remote(Remote("http://127.0.0.1:1/x.yml"))


def test_a_secret_in_an_address_is_not_shown(web: AppServer) -> None:
    source = Remote(f"{web.url}/none.yml?private_token=s3cret")
    with pytest.raises(NotFoundError) as caught:
        fetch_remote(source)
    assert "s3cret" not in str(caught.value) and "s3cret" not in source.key
