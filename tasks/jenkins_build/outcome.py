"""What became of one Jenkins build. Pure values; verdicts are made from Jenkins' answers in this file."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from errors import BuildFailedError, ProtocolError
from tasks.jenkins_build.reports import TestReport, average
from tasks.jenkins_build.settings import IMAGE_STAGE

BuildResult = Literal["SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED"]
StageStatus = Literal["running", "success", "unstable", "failed", "aborted", "skipped"]
BUILD_KEY = "BUILD_KEY"
_KEY_VALUE = re.compile(r"([0-9a-f]{32})-([1-9][0-9]*)")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PASSED = ("SUCCESS", "UNSTABLE")
_LOGIN_REFUSED = re.compile(r"unauthorized: |denied: |no basic auth credentials|authentication required")
_CHECK_LOGIN = "Check the registry's login in the ImageRegistry block: its password may have ended meanwhile. "


@dataclass(frozen=True)
class BuildRef:
    """One Jenkins build (or the queue item it waits as).

    Attributes:
        job: Full name of the Jenkins job, e.g. ``smartclide/group/app``.
        queue_id: Queue item id, or None when the build was found without it.
        number: Build number, or None while it waits.
        url: Address of the build (or of the job while it waits), for people.
        build_key: The build key it carries.
        attempt: 1 for the first build of that key.
        reused: It had passed before this run asked for it.
        fresh: This run has just put it into the queue, where it stays for the quiet period.
    """

    job: str
    queue_id: int | None
    number: int | None
    url: str
    build_key: str
    attempt: int = 1
    reused: bool = False
    fresh: bool = False

    @property
    def parameter(self) -> str:
        """Value of the build's parameter ``BUILD_KEY``: the build key and the attempt."""
        return f"{self.build_key}-{self.attempt}"

    def __str__(self) -> str:
        return f"{self.job} #{self.number}" if self.number is not None else f"{self.job} (queue item {self.queue_id})"


@dataclass(frozen=True)
class StageOutcome:
    """One stage or GitLab job of the build; `duration_seconds` is None where Jenkins does not tell."""

    name: str
    status: StageStatus
    duration_seconds: float | None = None


@dataclass(frozen=True)
class Failure:
    """Where a build failed.

    Attributes:
        job: The GitLab job (or ``image``), or None when it was outside of every job (e.g. a Groovy error).
        exit_line: The line that names the reason, e.g. ``ERROR: script returned exit code 3``, or None.
        lines: The job's last lines before it failed; the console's where Jenkins does not tell whose a line is.
        command: The command of its script that it came to, or None when it came to none or that is not known.
        exit_code: What the script returned, or None when it did not end by itself.
    """

    job: str | None
    exit_line: str | None
    lines: tuple[str, ...] = ()
    command: str | None = None
    exit_code: int | None = None


@dataclass(frozen=True)
class KeptFile:
    """A file that a build archived, kept in the Environment's store.

    Attributes:
        path: As the build archived it.
        size: Bytes.
        sha256: Of its content, hexadecimal.
        address: Where it is kept.
    """

    path: str
    size: int
    sha256: str
    address: str


@dataclass(frozen=True)
class BuiltBy:
    """The build that a release was made by, as its record keeps it: the Jenkins job's full name, and the number."""

    job: str
    number: int


@dataclass(frozen=True)
class BuildOutcome:
    """A finished build.

    Attributes:
        ref: The build.
        result: Jenkins' own word.
        duration_seconds: Jenkins' duration of the build.
        stages: In the order they began.
        image: ``repository:tag`` that the build pushed, or None.
        digest: ``sha256:...`` the build reported, or None.
        log_tail: The last lines of the console, secrets masked by Jenkins.
        failure: Where it failed; None unless it did.
        tests: The JUnit reports, or None without any.
        coverage: Percent by job, of those whose ``coverage:`` found one.
        rewritten: The job's guard stopped the build because the job was rewritten for another commit meanwhile.
        decisions: What people decided of what it asked, a sentence each.
        artifacts: Paths of the files it archived.
        kept: Those that were kept beside its log.
        log: Address of the whole log.
    """

    ref: BuildRef
    result: BuildResult
    duration_seconds: float
    stages: tuple[StageOutcome, ...] = ()
    image: str | None = None
    digest: str | None = None
    log_tail: tuple[str, ...] = ()
    failure: Failure | None = None
    rewritten: bool = False
    tests: TestReport | None = None
    coverage: Mapping[str, float] = field(default_factory=dict)
    decisions: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    kept: tuple[KeptFile, ...] = ()
    log: str = ""


@dataclass(frozen=True)
class KnownBuild:
    """A queue item or build of a job that carries a build key, as Jenkins lists it.

    Attributes:
        queue_id: Queue item id.
        number: Build number, or None while it waits.
        key: The build key.
        attempt: The attempt.
        result: Jenkins' result, or None while it waits or runs.
        url: Address of the build, or None while it waits.
        restarted: It takes another up from a stage, has that one's parameters, and its attempt is still to be
            numbered.
    """

    queue_id: int | None
    number: int | None
    key: str
    attempt: int
    result: str | None = None
    url: str | None = None
    restarted: bool = False


def build_key(project_id: int, sha: str, jenkinsfile: str, image_repository: str | None) -> str:
    """What identifies a build: the same key never needs to be built twice.

    Returns:
        32 hexadecimal digits.
    """
    parts = json.dumps([project_id, sha, jenkinsfile, image_repository])
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def known_build(entry: Mapping[str, Any]) -> KnownBuild | None:
    """Read an entry of a job's ``builds`` or of the queue's ``items``; None without one of our build keys.

    A replayed build has our key, but may run a Jenkinsfile that somebody edited: it is none of ours.
    """
    causes = {str(c.get("_class")) for action in entry.get("actions") or () for c in action.get("causes") or ()}
    if any(cause.endswith(".ReplayCause") for cause in causes):
        return None
    restarted = any(cause.endswith(".RestartDeclarativePipelineCause") for cause in causes)
    for action in entry.get("actions") or ():
        for parameter in action.get("parameters") or ():
            match = _KEY_VALUE.fullmatch(str(parameter.get("value"))) if parameter.get("name") == BUILD_KEY else None
            if match:
                queue_id, number = entry.get("queueId", entry.get("id")), entry.get("number")
                result = None if entry.get("building") else entry.get("result")
                url = entry.get("url") if number is not None else None
                return KnownBuild(queue_id, number, match[1], int(match[2]), result, url, restarted)
    return None


def numbered(known: Sequence[KnownBuild]) -> list[KnownBuild]:
    """The same builds, each that was restarted as the attempt after all that began before it.

    >>> builds = [KnownBuild(2, 6, "k", 1, restarted=True), KnownBuild(1, 5, "k", 1, "FAILURE")]
    >>> [(build.number, build.attempt) for build in numbered(builds)]
    [(6, 2), (5, 1)]
    """
    last: dict[str, int] = {}
    found = list(known)
    for place in sorted(range(len(found)), key=lambda p: (found[p].number is None, found[p].number or 0)):
        build = found[place]
        if build.restarted:
            attempt = max(build.attempt, last.get(build.key, 0)) + 1
            found[place] = build = replace(build, attempt=attempt, restarted=False)
        last[build.key] = max(last.get(build.key, 0), build.attempt)
    return found


def decide(known: Sequence[KnownBuild], key: str, rebuild: bool = False) -> tuple[int, KnownBuild | None]:
    """Which attempt to make, and the build that already is that attempt, if any.

    A build that waits, runs or passed is used again. A red or aborted one makes the next attempt, and so does `rebuild`
    after one that passed; a build that waits or runs is fresh, so that `rebuild` joins it.
    """
    attempt = max((build.attempt for build in known if build.key == key), default=1)
    last = counting(known, key, attempt)
    if last is None:
        return attempt, None
    again = last.result is not None and (rebuild or last.result not in _PASSED)
    return (last.attempt + 1, None) if again else (last.attempt, last)


def counting(known: Iterable[KnownBuild], key: str, attempt: int) -> KnownBuild | None:
    """The build that counts as that attempt, where two runs triggered it in the same moment; None when there is none.

    It is the one that began first: whoever follows another finds this one when its own begins, stops its own, and
    follows this one. So what was aborted counts only when nothing else is there.
    """
    same = [build for build in known if (build.key, build.attempt) == (key, attempt)]
    last = float("inf")
    return min(same, key=lambda b: (b.result == "ABORTED", b.number or last, b.queue_id or last), default=None)


def read_image(text: str) -> tuple[str, str]:
    """Image and digest out of the archived ``image.json``.

    Raises:
        ProtocolError: It is not what our Jenkinsfile writes.
    """
    try:
        document = json.loads(text)
        image, digest = document["image"], document["digest"]
    except (ValueError, TypeError, KeyError) as error:
        raise ProtocolError("The build's image.json is malformed.") from error
    if not isinstance(image, str) or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise ProtocolError("The build's image.json names no image with a sha256 digest.")
    return image, digest


def passed(outcome: BuildOutcome) -> bool:
    """Whether the pipeline passed. UNSTABLE is a pass, as in GitLab: failed tests in a report fail no job there."""
    return outcome.result in _PASSED


def failed_error(outcome: BuildOutcome) -> BuildFailedError:
    """The error for a build that did not pass: the job, the line that says why, and the lines before."""
    ref = f"Build {outcome.ref}"
    if outcome.rewritten:
        message = f"{ref} was stopped: the Jenkins job was rewritten for another commit meanwhile."
        return BuildFailedError(message, outcome=outcome, remedy="Run it again.")
    cause = outcome.failure
    where = f" in job {cause.job!r}" if cause and cause.job else ""
    why = f": {cause.exit_line}" if cause and cause.exit_line else ""
    command = f", in the command `{cause.command}`" if cause and cause.command else ""
    lines = "".join(f"\n    {line}" for line in cause.lines) if cause else ""
    word = {"ABORTED": "was aborted", "NOT_BUILT": "was not built"}.get(outcome.result, "failed")
    said = "".join(f" {decision}." for decision in outcome.decisions)
    message = f"{ref} {word}{where}{why}{command}.{said}{lines}" + ("\n" if lines else "")
    login = _CHECK_LOGIN if cause and _is_of_login(cause) else ""
    return BuildFailedError(message, outcome=outcome, remedy=f"{login}See {outcome.ref.url}console")


def _is_of_login(cause: Failure) -> bool:
    return cause.job == IMAGE_STAGE and any(_LOGIN_REFUSED.search(line) for line in cause.lines)


def results(outcome: BuildOutcome) -> dict[str, Any]:
    """Which build it is, what its tests came to and what files are kept, as plain values: for the release's record."""
    found: dict[str, Any] = {}
    if outcome.tests is not None:
        tests = outcome.tests
        found = {"passed": tests.passed, "failed": tests.failed, "skipped": tests.skipped}
    if (percent := average(outcome.coverage)) is not None:
        found["coverage"] = percent
    if outcome.kept:
        found["artifacts"] = [asdict(file) for file in outcome.kept]
    if outcome.ref.number is not None:
        found["build"] = asdict(BuiltBy(outcome.ref.job, outcome.ref.number))
    return found


def built_by(found: Mapping[str, Any]) -> BuiltBy | None:
    """The build in such a record; None where an older version wrote it."""
    build = found.get("build")
    return BuiltBy(str(build["job"]), int(build["number"])) if build else None


def check_stable(outcome: BuildOutcome, policy: Literal["warn", "fail"]) -> str:
    """What is not right about a build that passed, or "".

    Raises:
        BuildFailedError: There is something, and the policy is ``fail``.
    """
    failed = outcome.tests.failed if outcome.tests is not None else 0
    if not failed and outcome.result != "UNSTABLE":
        return ""
    why = f"{failed} of {outcome.tests.total} tests failed" if outcome.tests and failed else "Jenkins calls it UNSTABLE"
    if policy == "warn":
        return f"Build {outcome.ref} is unstable: {why}. It is deployed, as the Environment's policy is to warn."
    listed = "".join(
        f"\n    {test.name}: {test.message}" for test in (outcome.tests.failures[:10] if outcome.tests else ())
    )
    raise BuildFailedError(
        f"Build {outcome.ref} is unstable: {why}, and the Environment deploys no such build.{listed}",
        outcome=outcome,
        remedy="Mend the tests, or set the Environment's policy for unstable builds to warn.",
    )
