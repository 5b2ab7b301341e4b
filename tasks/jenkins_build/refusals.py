"""What a refusal of Jenkins means: which permission, plugin, job or setting is missing. Pure: answer -> error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from errors import (
    AccessError,
    ConflictError,
    InputError,
    NotFoundError,
    ProtocolError,
    SmartClideError,
    UnavailableError,
)
from tasks.transport import absent, sent_on, whose_fault

# Jenkins names a permission by its class; people see the title of the class' group.
_GROUPS = {"Hudson": "Overall", "Jenkins": "Overall", "Item": "Job", "Run": "Run", "Computer": "Agent",
           "CredentialsProvider": "Credentials", "View": "View"}  # fmt: skip
_MISSING = re.compile(rb"missing the ([\w /]+/[\w ]+?) permission")
# Which permission a request needs, where Jenkins' answer does not tell.
_NEEDED = (
    (r"POST .*/build(WithParameters)?\b", "Job/Build"),
    (r"POST .*/(stop|term|kill)$|queue/cancelItem", "Job/Cancel"),
    (r"POST .*createItem", "Job/Create"),
    (r"POST .*credentials/store", "Credentials/Create, Update and Delete"),
    (r"POST .*config\.xml$", "Job/Configure"),
    (r"GET .*config\.xml$", "Job/ExtendedRead or Job/Configure"),
    (r"pipeline-model-converter|whoAmI", "Overall/Read"),
    (r"pluginManager", "Overall/SystemRead or Administer"),
    (r"POST .*/input/.*/(proceed|abort)$", "Job/Build (to refuse, Job/Cancel)"),
    (r"/toggleLogKeep$|/submitDescription$", "Run/Update (to let go of a build also Run/Delete)"),
    (r"/restart/", "Job/Build"),
)
# Which plugin answers a path, where 404 may mean that it is absent.
_PLUGINS = (
    (r"pipeline-model-converter/", "pipeline-model-definition"),
    (r"/wfapi/", "pipeline-rest-api"),
    (r"credentials/store/", "credentials and cloudbees-folder"),
    (r"/testReport/", "junit"),
    (r"/input/", "pipeline-input-step"),
    (r"/restart/", "pipeline-model-definition"),
)


@dataclass(frozen=True)
class Refusal:
    """An answer that is neither 2xx nor a redirect.

    Attributes:
        server: Who refused, for people.
        user: As whom we asked.
        request: ``METHOD path``, the path below Jenkins' root.
        what: The thing asked for, for people.
        status: HTTP status.
        headers: Names with a capital letter for each word.
        content: The body.
        retry_after: Seconds that Jenkins asked to wait, or None.
    """

    server: str
    user: str
    request: str
    what: str
    status: int
    headers: Mapping[str, str]
    content: bytes
    retry_after: float | None = None

    def error(self) -> SmartClideError:
        """The error it amounts to."""
        if self.status == 401:
            return AccessError(
                f"{self.server} refused the login of user {self.user!r} (401).",
                remedy="Make an API token in Jenkins (User > Security) and put it into the JenkinsServer block.",
            )
        if self.status == 403:
            return self._forbidden()
        if self.status == 404:
            return self._absent()
        if self.status in (408, 429) or self.status >= 500:
            return self._unavailable()
        reason = self.headers.get("X-Error", "").strip()
        told = f"{self.server} refused {self.what} ({self.status}){': ' + reason if reason else ''}."
        if self.status == 409:
            disabled = "/build" in self.request
            remedy = "Enable the job in Jenkins." if disabled else None
            return ConflictError(told + (" The job is disabled." if disabled else ""), remedy=remedy)
        if self.status in (400, 413, 414):
            return InputError(told)
        if 300 <= self.status < 400:
            return sent_on(self.server, self.headers.get("Location", ""), "the JenkinsServer block")
        return ProtocolError(f"{self.server} answered {self.status} for {self.what}.")

    def _forbidden(self) -> AccessError:
        if b"No valid crumb" in self.content:
            return AccessError(
                f"{self.server} wants a crumb from user {self.user!r} (403): that happens with a password.",
                remedy="Use an API token instead of a password.",
            )
        needed = self._told_permission() or _first(_NEEDED, self.request) or "Job/Read"
        return AccessError(
            f"{self.server} does not let user {self.user!r} use {self.what} (403).",
            remedy=f"Give the user the permission {needed}.",
        )

    def _told_permission(self) -> str | None:
        """By the header of Jenkins' core, else by its page."""
        identifier = self.headers.get("X-Required-Permission", "").strip()
        if identifier:
            *_, group, verb = ["", *identifier.split(".")]
            return f"{_GROUPS.get(group, group)}/{verb}"
        found = _MISSING.search(self.content)
        return found[1].decode() if found else None

    def _absent(self) -> NotFoundError:
        plugin = _first(_PLUGINS, self.request)
        return NotFoundError(
            f"{absent(self.server, self.what)}, or hides it from user {self.user!r} (404).",
            remedy=f"Install the plugin {plugin} if it is not there." if plugin else self._elsewhere(),
        )

    def _elsewhere(self) -> str | None:
        """All answers of Jenkins tell its version, but for those of a proxy before it."""
        return None if "X-Jenkins" in self.headers else "Check the URL: the answer does not look like Jenkins' own."

    def _unavailable(self) -> UnavailableError:
        if self.status == 503 and b"Starting Jenkins" in self.content:
            return UnavailableError(f"{self.server} is starting (503).", retry_after=self.retry_after)
        if self.status == 429:
            return UnavailableError(
                f"{self.server}, or a proxy before it, wants fewer requests (429 for {self.what}).",
                remedy="Raise its limit for this user.",
                retry_after=self.retry_after,
            )
        return UnavailableError(
            f"{self.server} failed on {self.what} ({self.status}).",
            remedy=whose_fault(self.status),
            retry_after=self.retry_after,
        )


def _first(table: tuple[tuple[str, str], ...], request: str) -> str | None:
    return next((name for pattern, name in table if re.search(pattern, request)), None)
