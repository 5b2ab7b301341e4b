"""What is to be rolled out, and its identity across retries. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from tasks.rollout.descriptor import Descriptor
from tasks.rollout.history import ReleaseRecord
from tasks.rollout.manifest import Manifest, Origin, stamp, workload
from tasks.rollout.names import Identity


@dataclass(frozen=True)
class Release:
    """One thing to roll out.

    Attributes:
        identity: Whose it is, and where.
        descriptor: How it runs.
        image: ``repository@sha256:...``.
        origin: Commit and keys.
        has_login: Whether the image's registry has a login, so that pods need a pull Secret.
    """

    identity: Identity
    descriptor: Descriptor
    image: str
    origin: Origin
    has_login: bool = False

    def manifests(self, revision: int) -> tuple[Manifest, ...]:
        """The Deployment and the Service of this release as one revision; the pull Secret is made when applying."""
        plain = workload(self.descriptor, self.image, self.identity, self.origin, has_login=self.has_login)
        return stamp(plain, revision)

    def record(self, revision: int) -> ReleaseRecord:
        """The record to begin with: ``pending``."""
        return ReleaseRecord(
            revision=revision,
            state="pending",
            release_key=self.origin.release_key,
            build_key=self.origin.build_key,
            project=self.identity.project,
            environment=self.identity.environment,
            commit_sha=self.origin.commit_sha,
            ref=self.origin.ref,
            image=self.image,
            descriptor=self.descriptor.model_dump(mode="json"),
            manifests=self.manifests(revision),
            started=utc_now(),
            flow_run_id=self.origin.flow_run_id,
            approvals=self.origin.approvals,
            results=self.origin.results,
        )


@dataclass(frozen=True)
class Outcome:
    """What a rollout came to.

    Attributes:
        action: What was done.
        record: The revision that runs now (or ran, when undeployed).
        message: One line for people.
    """

    action: Literal["deployed", "already-deployed", "rolled-back"]
    record: ReleaseRecord
    message: str


def release_key(build_key: str, identity: Identity, descriptor: Descriptor, image: str) -> str:
    """The release's identity: equal for a retry of the same deployment, 64 hexadecimal digits.

    Args:
        build_key: Key of the build.
        identity: Where it goes.
        descriptor: Fully resolved.
        image: Pinned by digest (a rebuild of the same commit is another release).
    """
    parts = {
        "build": build_key,
        "environment": identity.environment,
        "namespace": identity.namespace,
        "descriptor": descriptor.model_dump(mode="json", exclude={"artifacts"}),  # it changes nothing that runs
        "image": image,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def reissue(old: ReleaseRecord, revision: int, flow_run_id: str, leaving: ReleaseRecord | None = None) -> ReleaseRecord:
    """A record that takes `old`'s manifests up again as a new revision.

    Args:
        old: What runs again.
        revision: The new number.
        flow_run_id: Of the run that goes back.
        leaving: What somebody rolls back from, by hand; None when a rollout undoes itself.
    """
    left = (*leaving.rolled_back_from, leaving.release_key) if leaving else old.rolled_back_from
    return replace(
        old,
        revision=revision,
        state="pending",
        manifests=stamp(old.manifests, revision, flow_run_id=flow_run_id),
        cause="",
        started=utc_now(),
        finished="",
        flow_run_id=flow_run_id,
        rollback_of=old.revision,
        rolled_back_from=tuple(key for key in dict.fromkeys(left) if key != old.release_key),
    )


def utc_now() -> str:
    """The time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
