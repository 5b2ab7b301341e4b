"""*Pipeline script from SCM*: a job that reads its Jenkinsfile out of a git repository that anybody may read."""

from __future__ import annotations

import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

_DEFINITION = "org.jenkinsci.plugins.workflow.cps.CpsScmFlowDefinition"
_REMOTE = "userRemoteConfigs/hudson.plugins.git.UserRemoteConfig"
_BRANCH = "branches/hudson.plugins.git.BranchSpec/name"
_SECONDS = 60


class UnreadableError(Exception):
    """A Jenkinsfile that cannot be read from its repository."""


def source_of(config: ET.Element) -> Mapping[str, Any] | None:
    """What ``checkout scm`` takes in builds of such a job; None for a job whose script is its own."""
    scm = config.find("definition/scm")
    if scm is None or config.find("definition").get("class") != _DEFINITION:  # type: ignore[union-attr]
        return None
    remotes = [
        {"url": each.findtext("url") or "", "refspec": each.findtext("refspec") or ""} for each in scm.findall(_REMOTE)
    ]
    branches = [{"name": each.text or ""} for each in scm.findall(_BRANCH)]
    return {"$class": "GitSCM", "branches": branches, "userRemoteConfigs": remotes, "extensions": []}


def script_of(config: ET.Element, source: Mapping[str, Any]) -> str:
    """The Jenkinsfile of the branch.

    Raises:
        UnreadableError: It cannot be read; in git's words.
    """
    path = config.findtext("definition/scriptPath") or "Jenkinsfile"
    url, branch = source["userRemoteConfigs"][0]["url"], source["branches"][0]["name"]
    with tempfile.TemporaryDirectory() as folder:
        for words in (
            ["init", "-q"],
            ["fetch", "-q", "--depth=1", url, branch.removeprefix("*/")],
            ["show", f"FETCH_HEAD:{path}"],
        ):
            done = subprocess.run(
                ["git", *words], cwd=folder, check=False, capture_output=True, text=True, timeout=_SECONDS
            )
            if done.returncode != 0:
                raise UnreadableError(f"Unable to find {path} from git {url}: {done.stderr.strip()}")
    return done.stdout
