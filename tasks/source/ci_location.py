"""Where a project keeps its pipeline definition, by its setting "CI/CD configuration file". Pure.

Source: docs.gitlab.com/ci/pipelines/settings (custom CI/CD configuration file) and GitLab's
``lib/gitlab/ci/project_config/project_setting.rb``: what is elsewhere becomes a definition that only includes it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from tasks.source.model import CI_FILE

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True)
class CILocation:
    """Where it is.

    Attributes:
        path: In the project; where it is elsewhere, the usual name.
        text: The definition that includes what is elsewhere; None = a file of the project.
    """

    path: str
    text: str | None = None


def ci_location(setting: str) -> CILocation:
    r"""What a setting means: a path, an address, or ``path@group/project:ref``.

    >>> ci_location("")
    CILocation(path='.gitlab-ci.yml', text=None)
    >>> ci_location("ci/main.yml@platform/ci:v2").text
    '{"include": [{"project": "platform/ci", "file": "ci/main.yml", "ref": "v2"}]}\n'
    """
    text = setting.strip()
    if _ADDRESS.match(text):
        return CILocation(CI_FILE, _including({"remote": text}))
    file, at, place = text.partition("@")
    if not at:
        return CILocation(text.lstrip("/") or CI_FILE)
    project, colon, ref = place.partition(":")
    return CILocation(
        CI_FILE, _including({"project": project, "file": file, **({"ref": ref} if colon and ref else {})})
    )


def _including(what: dict[str, str]) -> str:
    return json.dumps({"include": [what]}) + "\n"  # JSON is YAML
