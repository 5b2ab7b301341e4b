"""Steps that work on files: read, write, stash, archive, test reports."""

from __future__ import annotations

import shutil
import tarfile
import urllib.parse
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from sandbox.jenkins import globs
from sandbox.jenkins.context import Build
from sandbox.jenkins.groovy.values import HostObject, throw
from sandbox.jenkins.steps import Arguments, step


@step("deleteDir", "Recursively delete the current directory from the workspace", "", needs_workspace=True)
def delete_dir(build: Build, _arguments: Arguments) -> None:
    """Empty the current folder."""
    folder = build.folder
    shutil.rmtree(folder, ignore_errors=True)
    left = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    if left:
        raise throw("IOException", f"Unable to delete '{folder}'; left over: {', '.join(left)}")


@step("cleanWs", "Delete workspace when build is done", "deleteDirs notFailBuild disableDeferredWipeout patterns "
      "cleanWhenAborted cleanWhenFailure cleanWhenNotBuilt cleanWhenSuccess cleanWhenUnstable",
      needs_workspace=True)  # fmt: skip
def clean_ws(build: Build, arguments: Arguments) -> None:
    """Empty the workspace."""
    build.line("[WS-CLEANUP] Deleting project workspace...")
    delete_dir(build, arguments)
    build.line("[WS-CLEANUP] done")


@step("writeFile", "Write file to workspace", "file text encoding", needs_workspace=True)
def write_file(build: Build, arguments: Arguments) -> None:
    """Write a text file."""
    path = build.folder / arguments.text("file")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = arguments.text("text")
    if arguments.text("encoding", "UTF-8") == "Base64":
        raise throw("IllegalArgumentException", "Base64 is not supported by the Jenkins stand-in")
    path.write_bytes(text.encode(arguments.text("encoding", "UTF-8")))


@step("readFile", "Read file from workspace", "file encoding", needs_workspace=True)
def read_file(build: Build, arguments: Arguments) -> str:
    """A text file's content."""
    path = build.folder / arguments.text("file")
    try:
        return path.read_bytes().decode(arguments.text("encoding", "UTF-8"), errors="replace")
    except OSError:
        raise throw("NoSuchFileException", str(path)) from None


@step("fileExists", "Verify if file exists in workspace", "file", needs_workspace=True)
def file_exists(build: Build, arguments: Arguments) -> bool:
    """Whether a file exists."""
    return (build.folder / arguments.text("file")).exists()


@step("pwd", "Determine current directory", "tmp", needs_workspace=True)
def pwd(build: Build, arguments: Arguments) -> str:
    """The current folder."""
    folder = build.folder
    return f"{folder}@tmp" if arguments.flag("tmp") else str(folder)


@step("isUnix", "Checks if running on a Unix-like node", "")
def is_unix(_build: Build, _arguments: Arguments) -> bool:
    """True."""
    return True


def _stash_file(build: Build, name: str) -> Path:
    return build.host.folder / "stashes" / (urllib.parse.quote(name, safe="") + ".tar")


@step("stash", "Stash some files to be used later in the build", "name includes excludes allowEmpty useDefaultExcludes",
      needs_workspace=True)  # fmt: skip
def stash(build: Build, arguments: Arguments) -> None:
    """Keep files for other nodes of this build; empty folders are lost, modes and links to files kept."""
    folder = build.folder
    files = globs.find(
        folder, arguments.text("includes", ""), arguments.text("excludes", ""),
        default_excludes=arguments.flag("useDefaultExcludes", True),
    )  # fmt: skip
    name = arguments.text("name")
    if not files and not arguments.flag("allowEmpty"):
        raise throw("AbortException", f"No files included in stash ‘{name}’")
    target = _stash_file(build, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w") as archive:
        for path in files:
            archive.add(folder / path, arcname=path, recursive=False)
    build.line(f"Stashed {len(files)} file(s)")


@step("unstash", "Restore files previously stashed", "name", needs_workspace=True)
def unstash(build: Build, arguments: Arguments) -> None:
    """Restore stashed files."""
    source = _stash_file(build, arguments.text("name"))
    if not source.exists():
        raise throw("AbortException", f"No such saved stash ‘{arguments.text('name')}’")
    folder = build.folder
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(source) as archive:
        # written by `stash` above; another filter would drop mode bits; the argument `filter` is new in Python 3.11.4
        archive.extraction_filter = lambda member, _folder: member
        archive.extractall(folder)  # noqa: S202


@step("archiveArtifacts", "Archive the artifacts", "artifacts excludes allowEmptyArchive fingerprint onlyIfSuccessful "
      "defaultExcludes caseSensitive followSymlinks", needs_workspace=True)  # fmt: skip
def archive_artifacts(build: Build, arguments: Arguments) -> None:
    """Copy files into the build's archive."""
    folder = build.folder
    build.line("Archiving artifacts")
    wanted = arguments.text("artifacts")
    if arguments.flag("onlyIfSuccessful") and build.host.result not in (None, "SUCCESS"):
        build.line("Skipping archiving because build is not successful")
        return
    files = globs.find(
        folder, wanted, arguments.text("excludes", ""), default_excludes=arguments.flag("defaultExcludes", True)
    )
    if not files:
        message = f'No artifacts found that match the file pattern "{wanted}". Configuration error?'
        if not arguments.flag("allowEmptyArchive"):
            raise throw("AbortException", message)
        build.line(message)
        return
    for path in files:
        target = build.host.folder / "archive" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        followed = arguments.flag("followSymlinks", True) and (folder / path).exists()
        shutil.copy2(folder / path, target, follow_symlinks=followed)
    if arguments.flag("fingerprint"):
        build.line("Recording fingerprints")


class TestSummary(HostObject):
    """What ``junit`` returns."""

    def __init__(self, total: int, failed: int, skipped: int) -> None:
        self.fields = {
            "totalCount": total, "failCount": failed, "skipCount": skipped, "passCount": total - failed - skipped,
        }  # fmt: skip

    def get(self, name: str) -> Any:
        """A count."""
        return self.fields[name] if name in self.fields else super().get(name)


@step("junit", "Archive JUnit-formatted test results", "testResults allowEmptyResults skipPublishingChecks "
      "skipMarkingBuildUnstable keepLongStdio healthScaleFactor checksName skipOldReports",
      needs_workspace=True)  # fmt: skip
def junit(build: Build, arguments: Arguments) -> TestSummary:
    """Take JUnit reports; failures make the build unstable."""
    folder = build.folder
    build.line("Recording test results")
    files = globs.find(folder, arguments.text("testResults"))
    if not files:
        if not arguments.flag("allowEmptyResults"):
            raise throw("AbortException", "No test report files were found. Configuration error?")
        build.line("None of the test reports contained any result")
        return TestSummary(0, 0, 0)
    totals = [0, 0, 0]
    for path in files:
        for index, number in enumerate(_take_report(build, folder / path)):
            totals[index] += number
    if not arguments.flag("skipPublishingChecks"):
        build.line("[Checks API] No suitable checks publisher found.")
    if totals[1] and not arguments.flag("skipMarkingBuildUnstable"):
        build.set_result("UNSTABLE")
        if build.context.stage is not None:
            build.context.stage.warn("UNSTABLE", build.step_id)
    return TestSummary(*totals)


def _take_report(build: Build, source: Path) -> tuple[int, int, int]:
    try:
        root = ET.fromstring(source.read_bytes())  # noqa: S314 - a report the build itself wrote, into a stand-in
    except ET.ParseError as error:
        raise throw("AbortException", f"Failed to read test report file {source}: {error}") from None
    with build.lock:
        target = build.host.folder / "junit" / f"{len(build.host.test_reports) + 1}-{source.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        build.host.test_reports.append(target)
    cases = list(root.iter("testcase"))
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    return len(cases), failed, sum(case.find("skipped") is not None for case in cases)
