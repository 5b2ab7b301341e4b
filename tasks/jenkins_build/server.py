"""Everything this project asks of Jenkins, one method a request. The adapter of this step."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote, unquote

from blocks.jenkins_server import JenkinsServer
from errors import NotFoundError, ProtocolError
from tasks.jenkins_build.connection import Connection, job_path
from tasks.jenkins_build.outcome import KnownBuild, known_build, numbered

_QUEUE_ITEM = re.compile(r"queue/item/(\d+)")
_PARAMETERS = "actions[parameters[name,value],causes[shortDescription]]"
_IN_MEMORY = 1 << 20  # bytes of a piece of the console
_PIECE = 1 << 16
_MOST_FILES = 1000  # archived files of a build that are asked for
_RECENT = 100  # builds looked through for a build key; newer attempts come first
# Two runs that ask for the same build in the same moment both find none, and both trigger: while the first item is
# still in the queue, Jenkins makes one of the two. It takes whole seconds only.
QUIET_SECONDS = 1


@dataclass(frozen=True)
class QueueItem:
    """A queue item: `why` it waits, or the build it became, or that it was cancelled."""

    why: str | None
    number: int | None
    url: str | None
    cancelled: bool


@dataclass(frozen=True)
class RecentBuilds:
    """A job's recent builds that carry one of our build keys, and how long Jenkins expects a build to take."""

    known: tuple[KnownBuild, ...]
    estimate_seconds: float | None


@dataclass(frozen=True)
class BuildState:
    """A build as Jenkins tells it; `result` is None until its end, `duration_seconds` 0 until then.

    `artifacts` are the paths of the archived files, the first 1000; `tested` is whether it has a test report.
    """

    number: int
    building: bool
    result: str | None
    duration_seconds: float
    url: str
    artifacts: tuple[str, ...] = ()
    tested: bool = False

    def may_have(self, path: str) -> bool:
        """Whether it archived that file, as far as the list goes."""
        return path in self.artifacts or len(self.artifacts) >= _MOST_FILES


@dataclass(frozen=True)
class LogChunk:
    """A piece of the console's page: `next` is the start of the next piece, `more` whether the build still writes.

    It may be the whole console, many megabytes: so `body` is a file, to be closed.
    """

    body: IO[bytes]
    next: int
    more: bool

    def pieces(self) -> Iterator[bytes]:
        """Its bytes, in pieces of a size."""
        self.body.seek(0)
        while piece := self.body.read(_PIECE):
            yield piece


class Jenkins:
    """One Jenkins controller, as its API user. For any number of threads.

    All methods raise `AccessError`, `NotFoundError`, `UnavailableError` (to be tried again) or `ProtocolError`.
    """

    def __init__(self, server: JenkinsServer) -> None:
        self.folder = server.folder.strip("/")
        self._connection = Connection(server)

    def __str__(self) -> str:
        return self._connection.server

    def job_name(self, project_path: str) -> str:
        """Full name of the Jenkins job of a GitLab project."""
        return "/".join(part for part in (self.folder, project_path) if part)

    def url(self, job: str) -> str:
        """Address of a job, for people."""
        return f"{self._connection.url(job_path(job))}/"

    def whoami(self) -> str:
        """The user Jenkins takes us for."""
        return str(self._json("whoAmI", "name", "the user").get("name"))

    def version(self) -> str:
        """Jenkins' version."""
        version = self._connection.send("GET", "api/json?tree=mode", what="its version").headers.get("X-Jenkins")
        if not version:
            raise ProtocolError(f"{self} does not look like a Jenkins: no X-Jenkins header.", remedy="Check the URL.")
        return str(version)

    def plugins(self) -> dict[str, str]:
        """Version by short name of the active plugins. Needs the permission Overall/Read."""
        found = (
            self._json("pluginManager", "plugins[shortName,version,active]", "its list of plugins").get("plugins") or []
        )
        return {plugin["shortName"]: plugin["version"] for plugin in found if plugin.get("active", True)}

    def lint(self, jenkinsfile: str) -> list[str]:
        """Errors that the declarative linter of this Jenkins, with its plugins, finds; [] = none."""
        what = "the linter (plugin pipeline-model-definition)"
        path = "pipeline-model-converter/validateJenkinsfile"
        answer = self._connection.json(path, what=what, form={"jenkinsfile": jenkinsfile})
        try:
            data = answer["data"]
            found = [] if data["result"] == "success" else _lint_errors(data.get("errors", []))
            return [self._connection.hide(error) for error in found]
        except (KeyError, TypeError, AttributeError) as error:
            raise ProtocolError(f"{self} gave an unreadable answer to linting.") from error

    def find_builds(self, job: str) -> list[KnownBuild]:
        """Queue items, then builds, of a job that carry one of our build keys.

        The queue is read first: what leaves it between the two requests is then found among the builds.
        """
        items = self._json("queue", f"items[id,why,task[url],{_PARAMETERS}]", "the queue").get("items") or []
        ours = f"/{unquote(job_path(job))}/"  # Jenkins quotes less: not the & of a folder R&D
        waiting = [item for item in items if unquote(str((item.get("task") or {}).get("url", ""))).endswith(ours)]
        try:
            builds = self.recent_builds(job).known
        except NotFoundError:
            builds = ()
        return numbered([*(known for known in map(known_build, waiting) if known), *builds])

    def recent_builds(self, job: str) -> RecentBuilds:
        """The builds of a job that carry one of our build keys, newest first, and Jenkins' estimate."""
        tree = f"lastBuild[estimatedDuration],builds[number,url,queueId,building,result,{_PARAMETERS}]{{0,{_RECENT}}}"
        found = self._json(job_path(job), tree, f"job {job}")
        estimate = (found.get("lastBuild") or {}).get("estimatedDuration")
        known = tuple(numbered([build for build in map(known_build, found.get("builds") or []) if build]))
        return RecentBuilds(known, estimate / 1000 if isinstance(estimate, (int, float)) and estimate > 0 else None)

    def trigger(self, job: str, parameters: Mapping[str, str]) -> int:
        """Queue a build. Parameters travel in the body: they never show in an access log.

        Returns:
            The queue item's id; that of the item already queued with the same parameters, if there is one.

        Raises:
            ConflictError: The job is disabled.
        """
        path = f"{job_path(job)}/buildWithParameters?delay={QUIET_SECONDS}sec"
        answer = self._connection.send("POST", path, what=f"build of job {job}", form=dict(parameters))
        location = _QUEUE_ITEM.search(answer.headers.get("Location", ""))
        if location is None:
            raise ProtocolError(f"{self} named no queue item for a build of job {job}.")
        return int(location[1])

    def queue_item(self, queue_id: int) -> QueueItem:
        """State of a queue item; `NotFoundError` some minutes after it left the queue, or after a restart."""
        tree = "why,cancelled,executable[number,url]"
        found = self._json(f"queue/item/{queue_id}", tree, f"queue item {queue_id}")
        build = found.get("executable") or {}
        return QueueItem(found.get("why"), build.get("number"), build.get("url"), bool(found.get("cancelled")))

    def queue(self) -> dict[int, QueueItem]:
        """All that waits in the queue, by id; what left it is not there."""
        items = self._json("queue", "items[id,why]", "the queue").get("items") or []
        return {int(item["id"]): QueueItem(item.get("why"), None, None, False) for item in items}

    def build(self, job: str, number: int) -> BuildState:
        """State of a build."""
        tree = f"number,url,building,result,duration,actions[urlName],artifacts[relativePath]{{0,{_MOST_FILES}}}"
        found = self._json(f"{job_path(job)}/{number}", tree, f"build {job} #{number}")
        try:
            seconds = float(found.get("duration") or 0) / 1000
            files = tuple(str(entry["relativePath"]) for entry in found.get("artifacts") or ())
            tested = any(action.get("urlName") == "testReport" for action in found.get("actions") or ())
            return BuildState(number, bool(found["building"]), found["result"], seconds, found["url"], files, tested)
        except (KeyError, TypeError, AttributeError) as error:
            raise ProtocolError(f"{self} gave an unreadable state of build {job} #{number}.") from error

    def log(self, job: str, number: int, start: int) -> LogChunk:
        """The console from byte `start` on, as HTML (see `page`); `start` is 0 or the `next` of the piece before."""
        path = f"{job_path(job)}/{number}/logText/progressiveHtml?start={start}"
        body = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - the chunk's
        try:
            headers = self._connection.download(path, body, what=f"the console of build {job} #{number}")
            size = int(headers["X-Text-Size"])
        except (KeyError, ValueError) as error:
            body.close()
            raise ProtocolError(f"{self} gave a console without its size.", remedy="Check for a proxy.") from error
        except BaseException:
            body.close()
            raise
        if size < start:  # beyond the end Jenkins sends the whole log again
            body.seek(0)
            body.truncate()
        return LogChunk(_small_in_memory(body), size, headers.get("X-More-Data") == "true")

    def waiting_steps(self) -> list[str]:
        """Why ``node`` steps of running builds wait for an agent, whosever they are: Jenkins does not tell which."""
        items = self._json("queue", "items[why,task[_class]]", "the queue").get("items") or []
        steps = [item for item in items if str((item.get("task") or {}).get("_class")).endswith("$PlaceholderTask")]
        return [str(item.get("why") or "") for item in steps]

    def waits_for_input(self, job: str, number: int) -> bool:
        """Whether the build waits for somebody's answer."""
        path = f"{job_path(job)}/{number}/wfapi/pendingInputActions"
        try:
            return bool(self._connection.send("GET", path, what=f"build {job} #{number}").json())
        except (NotFoundError, ValueError):
            return False

    def stages(self, job: str, number: int) -> list[dict[str, Any]]:
        """The stages by the plugin pipeline-rest-api, [] without it. Trust its times, not its states."""
        path = f"{job_path(job)}/{number}/wfapi/describe"
        try:
            found = self._connection.json(path, what=f"the stages of build {job} #{number}")
        except NotFoundError:
            return []
        return list(found.get("stages") or [])

    def node_colors(self, job: str, number: int) -> dict[str, str]:
        """Colours of the nodes of a build's flow graph by id: ``red``, ``blue_anime``, ..."""
        what = f"the flow graph of build {job} #{number}"
        found = self._json(f"{job_path(job)}/{number}", "actions[nodes[id,iconColor]]", what)
        actions = [action for action in found.get("actions") or () if action]
        return {str(n.get("id")): str(n.get("iconColor")) for action in actions for n in action.get("nodes") or ()}

    def test_report(self, job: str, number: int) -> dict[str, Any] | None:
        """The JUnit reports of a build, or None without any."""
        tree = "passCount,failCount,skipCount,suites[name,cases[className,name,status,errorDetails]]"
        try:
            return self._json(f"{job_path(job)}/{number}/testReport", tree, f"the test report of build {job} #{number}")
        except NotFoundError:
            return None

    def artifact(self, job: str, number: int, path: str) -> bytes | None:
        """An archived file, or None when there is none."""
        url = f"{job_path(job)}/{number}/artifact/{quote(path)}"
        try:
            return self._connection.send("GET", url, what=f"artifact {path} of build {job} #{number}").content
        except NotFoundError:
            return None

    def artifact_sizes(self, job: str, number: int) -> dict[str, int]:
        """Bytes of archived files by path, of those the plugin pipeline-rest-api tells; {} without it."""
        path, what = f"{job_path(job)}/{number}/wfapi/artifacts", f"the artifacts of build {job} #{number}"
        try:
            found = self._connection.send("GET", path, what=what).json()
            return {unquote(str(entry["path"])): int(entry["size"]) for entry in found}
        except (NotFoundError, ValueError, KeyError, TypeError):
            return {}

    def artifact_url(self, job: str, number: int, path: str) -> str:
        """Address of an archived file, for people."""
        return self._connection.url(f"{job_path(job)}/{number}/artifact/{quote(path)}")

    def download_artifact(self, job: str, number: int, path: str, into: IO[bytes]) -> None:
        """Write an archived file, of any size, into `into`. What `into` raises ends the download."""
        url = f"{job_path(job)}/{number}/artifact/{quote(path)}"
        self._connection.download(url, into, what=f"artifact {path} of build {job} #{number}")

    def stop(self, job: str, number: int, how: str = "stop") -> None:
        """Stop a build: ``stop``, then, for what resists it, ``term``, then ``kill``."""
        self._connection.send("POST", f"{job_path(job)}/{number}/{how}", what=f"build {job} #{number}")

    def cancel(self, queue_id: int) -> None:
        """Take an item out of the queue; one that is not there is left alone."""
        try:
            self._connection.send("POST", f"queue/cancelItem?id={queue_id}", what="the queue item")
        except NotFoundError:
            return

    def _json(self, path: str, tree: str, what: str) -> dict[str, Any]:
        return self._connection.json(f"{path}/api/json?tree={quote(tree, safe=',')}", what=what)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._connection.close()

    @property
    def connection(self) -> Connection:
        """For `tasks.jenkins_build.jobs`, which writes."""
        return self._connection


def _lint_errors(errors: list[dict[str, Any]]) -> list[str]:
    texts: list[str] = []
    for entry in errors:
        error = entry.get("error", entry)
        texts.extend(map(str, error) if isinstance(error, list) else [str(error)])
    return texts or ["the linter found an error without naming it"]


def _small_in_memory(body: IO[bytes]) -> IO[bytes]:
    """A body of ordinary size without a file that wants to be closed."""
    if body.seek(0, io.SEEK_END) > _IN_MEMORY:
        return body
    body.seek(0)
    with body:
        return io.BytesIO(body.read())
