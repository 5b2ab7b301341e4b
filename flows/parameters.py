"""Types of parameters that flows share. Their descriptions are in the flows' docstrings: the UI's form shows those."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1)]
DescriptorOverrides = dict[str, Any]


class DeployOptions(BaseModel):
    """What a deployment may do differently."""

    model_config = ConfigDict(extra="forbid")

    rebuild: bool = Field(False, title="Rebuild", description="Build again although this commit was built already.")
    dry_run: bool = Field(False, title="Dry run", description="Show what would be built and changed; change nothing.")
    redeploy: bool = Field(
        False, title="Redeploy", description="Deploy although just this release was rolled back by hand."
    )
    run_deploy_jobs: bool = Field(
        False,
        title="Run deploy jobs",
        description="Keep jobs of the pipeline that deploy by themselves (environment:).",
    )
    generate_pipeline: bool = Field(
        False, title="Generate pipeline", description="Only build the image where the project has no .gitlab-ci.yml."
    )
    strict: bool = Field(
        False, title="Strict", description="Fail when the interpreter had to approximate or ignore something."
    )
