"""The record of releases, kept in the cluster: one labelled Secret a revision. Pure: records <-> manifests.

A Secret, because it is the one kind that holds bytes and that RBAC usually keeps from casual readers (Helm does the
same). Secret data is never in it: manifests are recorded without.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from errors import InputError, ProtocolError
from tasks.rollout.manifest import Manifest, without_secrets
from tasks.rollout.names import PART, PROJECT_PATH, REVISION, STATE, Identity

State = Literal["pending", "deployed", "failed", "superseded", "rolled-back", "uninstalled"]
GOOD: frozenset[State] = frozenset({"deployed", "superseded", "uninstalled"})
"""States of revisions that got running: what can be gone back to."""

KEEP, KEEP_GOOD = 10, 5
_LIMIT_BYTES = 1024 * 1024 - 4096  # the API server's limit is 1 MiB of data, and labels need room


@dataclass(frozen=True)
class ReleaseRecord:
    """One revision of a service.

    Attributes:
        revision: 1, 2, 3, ...
        state: ``pending`` (being rolled out, or its run died), ``deployed`` (the one that runs), ``failed`` (a first
            release left for inspection), ``superseded`` (by a later one), ``rolled-back`` (failed, and undone),
            ``uninstalled``.
        release_key: Hash of build key, Environment and descriptor.
        build_key: Key of the Jenkins build, or empty.
        project: GitLab's full path.
        environment: The Environment's name.
        commit_sha: Full SHA.
        ref: What the user named.
        image: ``repository@sha256:...``.
        descriptor: The resolved descriptor as plain values.
        manifests: As applied, without Secret data.
        cause: Why it failed, in a sentence or more; empty otherwise.
        started: ISO 8601, UTC.
        finished: ISO 8601, UTC; empty while pending.
        flow_run_id: Prefect's flow run, or empty.
        results: What the build's tests came to: passed, failed, skipped, coverage (percent); and artifacts: the files
            of it that are kept, each with path, size, sha256, address; build: the Jenkins job, number; each only where
            known.
        approvals: What people decided before it was deployed, in sentences, or empty.
        rollback_of: The revision whose manifests were applied again, or None.
        rolled_back_from: Release keys that were left by hand, this time and by the rollbacks just before: automation
            does not deploy them again. Empty when the rollout itself went back.
    """

    revision: int
    state: State
    release_key: str
    build_key: str
    project: str
    environment: str
    commit_sha: str
    ref: str
    image: str
    descriptor: Mapping[str, Any] = field(default_factory=dict)
    manifests: tuple[Manifest, ...] = ()
    cause: str = ""
    started: str = ""
    finished: str = ""
    flow_run_id: str = ""
    approvals: str = ""
    results: Mapping[str, Any] = field(default_factory=dict)
    rollback_of: int | None = None
    rolled_back_from: tuple[str, ...] = ()


def secret_name(service: str, revision: int) -> str:
    """Name of a revision's Secret."""
    return f"smartclide.{service}.v{revision}"


def encode(record: ReleaseRecord, identity: Identity) -> Manifest:
    """The Secret that keeps `record`.

    Raises:
        InputError: It does not fit into a Secret (1 MiB after compression).
    """
    plain = asdict(replace(record, manifests=without_secrets(record.manifests)))
    packed = gzip.compress(json.dumps(plain, sort_keys=True).encode(), mtime=0)
    data = base64.b64encode(packed).decode()
    if len(packed) > _LIMIT_BYTES:
        raise InputError(
            f"Revision {record.revision} of {identity.service} is too large to be recorded: "
            f"{len(packed) / 1024 / 1024:.1f} MiB compressed, a Secret holds 1.",
            remedy="Make the descriptor's variables and annotations smaller.",
        )
    labels = {**identity.labels, PART: "release", REVISION: str(record.revision), STATE: record.state}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret_name(identity.service, record.revision),
            "namespace": identity.namespace,
            "labels": labels,
            "annotations": {PROJECT_PATH: identity.project},
        },
        "type": "smartclide.eu/release.v1",
        "data": {"release": data},
    }


def decode(secret: Mapping[str, Any]) -> ReleaseRecord:
    """The record in a Secret; keys of later versions are ignored.

    Raises:
        ProtocolError: The Secret holds something else.
    """
    try:
        plain = json.loads(gzip.decompress(base64.b64decode(secret["data"]["release"])))
        known = {name: plain[name] for name in ReleaseRecord.__dataclass_fields__ if name in plain}
        lists = {name: tuple(known.get(name, ())) for name in ("manifests", "rolled_back_from")}
        return ReleaseRecord(**{**known, **lists})
    except (KeyError, TypeError, ValueError, OSError, EOFError) as error:
        name = secret.get("metadata", {}).get("name", "?")
        raise ProtocolError(
            f"Secret {name} is not a release record.", remedy="Delete it if nothing else uses it."
        ) from error


def deployed(records: Iterable[ReleaseRecord]) -> ReleaseRecord | None:
    """The newest release that got running and still is the one to go back to."""
    return max((r for r in records if r.state == "deployed"), key=lambda r: r.revision, default=None)


def next_revision(records: Iterable[ReleaseRecord]) -> int:
    """One more than the highest."""
    return max((r.revision for r in records), default=0) + 1


def left_by_hand(records: Iterable[ReleaseRecord], release_key: str) -> ReleaseRecord | None:
    """The rollback by hand that led away from a release, if that is what still runs; else None."""
    current = deployed(records)
    return current if current is not None and release_key in current.rolled_back_from else None


def to_prune(records: Iterable[ReleaseRecord], keep: int = KEEP, keep_good: int = KEEP_GOOD) -> tuple[int, ...]:
    """Revisions to forget: all but the newest `keep` and the newest `keep_good` that ran; never the deployed one."""
    newest_first = sorted(records, key=lambda r: r.revision, reverse=True)
    good = [r.revision for r in newest_first if r.state in GOOD][:keep_good]
    return tuple(r.revision for r in newest_first[keep:] if r.revision not in good and r.state != "deployed")
