"""Types of parameters that flows share. Their descriptions are in the flows' docstrings: the UI's form shows those."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1)]
# A clone address with a login is refused before the run is made: Prefect keeps and shows what a run was given.
Project = Annotated[str, Field(min_length=1, pattern=r"^(https?://[^/@]*(/.*)?|[^:]*|(ssh://)?[\w.-]+@.*)$")]
DescriptorOverrides = dict[str, Any]
AS_ENVIRONMENT: Literal["as the Environment says"] = "as the Environment says"


def run_name() -> str:
    """Name of a run of `monitor` or `report`: after the Environment it is about."""
    return f"{flow_run.flow_name}-{flow_run.parameters.get('environment') or 'all'}"


class DeployOptions(BaseModel):
    """What a deployment may do differently."""

    model_config = ConfigDict(extra="forbid")

    rebuild: bool = Field(False, title="Rebuild", description="Build again although this commit was built already.")
    from_failed_stage: bool = Field(
        False,
        title="Retry from the failed stage",
        description="Take a build that failed up again where it failed, if Jenkins can; else build afresh.",
    )
    dry_run: bool = Field(False, title="Dry run", description="Show what would be built and changed; change nothing.")
    redeploy: bool = Field(
        False, title="Redeploy", description="Deploy although just this release was rolled back by hand."
    )
    run_deploy_jobs: bool = Field(
        False,
        title="Run deploy jobs",
        description="Keep jobs of the pipeline that deploy by themselves (environment:).",
    )
    manual_jobs: Literal["as the Environment says", "skip", "ask"] = Field(
        AS_ENVIRONMENT,
        title="Optional manual jobs",
        description="skip: leave them out. ask: pause until somebody says yes or no.",
    )
    generate_pipeline: bool = Field(
        False, title="Generate pipeline", description="Only build the image where the project has no .gitlab-ci.yml."
    )
    strict: bool = Field(
        False, title="Strict", description="Fail when the interpreter had to approximate or ignore something."
    )
    on_conflict: Literal["wait", "auto_cancel", "newest", "fail"] = Field(
        "wait",
        title="On conflict",
        description="While another run deploys this service to this Environment: wait for it. auto_cancel: stop it if "
        "it is older, of the same ref, and its pipeline's interruptible and workflow:auto_cancel let it; else wait. "
        "newest: stop it unless it is rolling out already. fail: fail.",
    )
