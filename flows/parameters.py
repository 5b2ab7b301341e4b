"""Parameters that flows share: the fields of the UI's form, of REST calls and of schedules."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Project = Annotated[
    str,
    Field(min_length=1, title="Project", description="GitLab project, e.g. group/app; its id or address will do too."),
]
Ref = Annotated[str, Field(title="Ref", description="Branch, tag or commit SHA; leave empty for the default branch.")]
EnvironmentName = Annotated[
    str, Field(min_length=1, title="Environment", description="Name of the Environment to deploy to, e.g. staging.")
]
EnvironmentOrAll = Annotated[
    str | None, Field(title="Environment", description="Name of one Environment; leave empty for all of them.")
]
ServiceName = Annotated[
    str, Field(min_length=1, title="Service", description="Name of the service in the Environment.")
]
DescriptorOverrides = Annotated[
    dict[str, Any],
    Field(title="Descriptor", description='Overrides of the project\'s .smartclide.yml, e.g. {"replicas": 3}.'),
]


class DeployOptions(BaseModel):
    """What a deployment may do differently."""

    model_config = ConfigDict(extra="forbid")

    rebuild: bool = Field(False, title="Rebuild", description="Build again although this commit was built already.")
    dry_run: bool = Field(False, title="Dry run", description="Show what would be built and changed; change nothing.")
    run_deploy_jobs: bool = Field(
        False,
        title="Run deploy jobs",
        description="Keep jobs of the pipeline that deploy by themselves (`environment:`).",
    )
    generate_pipeline: bool = Field(
        False, title="Generate pipeline", description="Only build the image where the project has no .gitlab-ci.yml."
    )
    strict: bool = Field(
        False, title="Strict", description="Fail when the interpreter had to approximate or ignore something."
    )
