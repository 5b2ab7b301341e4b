"""``smartclide interpret``: a .gitlab-ci.yml on disk to a Jenkinsfile. Imports neither Prefect nor pandas."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from console.deciding import decided_by
from console.including import Allowed, fetchers
from errors import InputError, InterpretationError
from tasks.hiding import shown
from tasks.interpretation.compiler import Examined, examine, include_options
from tasks.interpretation.context import Context
from tasks.interpretation.diagnostics import Diagnostic, Findings, Span
from tasks.interpretation.pipeline import Pipeline
from tasks.jenkins_build.jenkinsfile import render
from tasks.jenkins_build.settings import ImageBuild, RenderSettings
from tasks.source.gathering import gather

_MAX_BYTES = 10 * 2**20


class InterpretOptions(Struct, frozen=True):
    """What the command line says.

    Attributes:
        branch: Decide rules for this branch.
        tag: Decide rules for this tag.
        merge_request: Decide rules for a merge request of this branch into the default branch.
        changed: Files that changed, for `rules:changes`; none = not known.
        default_branch: CI_DEFAULT_BRANCH.
        variables: ``KEY=VALUE`` each.
        run_deploy_jobs: Keep jobs that deploy by themselves, which a deployment leaves out.
        image: ``registry/repository`` to build the Dockerfile for, as a last stage; None = no such stage.
        image_credentials: Id of the registry's credentials in Jenkins.
        git_credentials: Id of GitLab's credentials in Jenkins.
        gitlab_url: The GitLab that includes of projects, components and templates are read from; None = none.
        gitlab_token: Its token.
        templates: A folder of GitLab's templates.
        allow_remote: Whether `include:remote` may be fetched.
        inputs: ``NAME=VALUE`` each, for the file's own ``spec:inputs``.
        manual_jobs: Whether builds ask about optional manual jobs, for an hour, or skip them.
        rendering: ``auto``, ``stages`` or ``graph``; see `tasks.jenkins_build.settings.RenderSettings`.
    """

    branch: str | None = None
    tag: str | None = None
    merge_request: str | None = None
    default_branch: str = "main"
    variables: Sequence[str] = ()
    changed: Sequence[str] = ()
    run_deploy_jobs: bool = True
    image: str | None = None
    image_credentials: str | None = None
    git_credentials: str | None = None
    gitlab_url: str | None = None
    gitlab_token: str | None = None
    templates: Path | None = None
    allow_remote: bool = False
    inputs: Sequence[str] = ()
    rendering: Literal["auto", "stages", "graph"] = "auto"
    manual_jobs: Literal["ask", "skip"] = "ask"

    def __repr__(self) -> str:
        return shown(self, "gitlab_token")


class Interpreted(Struct, frozen=True):
    """The outcome: the text (None when there are errors), the jobs, and everything there is to say."""

    jenkinsfile: str | None
    diagnostics: tuple[Diagnostic, ...]
    pipeline: Pipeline | None

    @property
    def errors(self) -> list[Diagnostic]:
        """Those that make the input invalid."""
        return [d for d in self.diagnostics if d.severity == "error"]

    @property
    def warnings(self) -> list[Diagnostic]:
        """Those that say what was approximated or ignored."""
        return [d for d in self.diagnostics if d.severity == "warning"]

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        jobs = [{"name": j.name, "stage": j.stage, "when": j.when} for j in self.pipeline.jobs] if self.pipeline else []
        return {
            "jenkinsfile": self.jenkinsfile,
            "stages": list(self.pipeline.stages) if self.pipeline else [],
            "jobs": jobs,
            "diagnostics": to_builtins(self.diagnostics),
        }


def interpret_file(file: Path, options: InterpretOptions) -> Interpreted:
    """Interpret a file; its local includes are read from its folder, others as far as the options allow.

    With a branch or a tag every rule is decided; without, what depends on it becomes a condition.

    Raises:
        InputError: The file cannot be read, or an option is malformed.
        UnavailableError: A server that includes are fetched from failed.
    """
    return interpret_text(_read(file), file, options, paths_below(file.parent))


def interpret_text(text: str, file: Path, options: InterpretOptions, tree: frozenset[str] | None) -> Interpreted:
    """Interpret a text as if it were that of `file`.

    Args:
        text: A .gitlab-ci.yml.
        file: Where it stands: local includes are read from its folder.
        options: See `interpret_file`.
        tree: The paths of the repository; None = they are not known.

    Raises:
        InputError: An option is malformed.
        UnavailableError: A server that includes are fetched from failed.
    """
    entry = file.name
    try:
        pipeline = _examined(text, file, options, tree).pipeline
    except InterpretationError as error:
        return Interpreted(None, tuple(d for d in error.diagnostics if isinstance(d, Diagnostic)), None)
    image = ImageBuild(options.image, registry_credentials_id=options.image_credentials) if options.image else None
    settings = RenderSettings(
        source=entry,
        git_credentials_id=options.git_credentials,
        image=image,
        registry_credentials_id=options.image_credentials,
        default_branch=options.default_branch,
        rendering=options.rendering,
        manual=options.manual_jobs,
    )
    if not pipeline.jobs and image is None:
        findings = Findings(list(pipeline.diagnostics))
        message = "No job is left to run, so there is no Jenkinsfile. `smartclide jobs` tells why of each job."
        findings.add("nothing-to-run", message, Span(entry))
        return Interpreted(None, findings.ordered(), pipeline)
    # a Jenkinsfile to keep: repository and commit are the build's parameters, even when every rule is decided
    text = render(replace(pipeline, decided=False), settings)
    return Interpreted(text, pipeline.diagnostics, pipeline)


def examined_file(file: Path, options: InterpretOptions) -> Examined:
    """What there is to know of a file's jobs; see `interpret_file`.

    Raises:
        InterpretationError: The text has errors.
        InputError: The file cannot be read, or an option is malformed.
        UnavailableError: A server that includes are fetched from failed.
    """
    return _examined(_read(file), file, options, paths_below(file.parent))


def _examined(text: str, file: Path, options: InterpretOptions, tree: frozenset[str] | None) -> Examined:
    root, entry = file.parent, file.name
    context = Context(**decided_by(options), run_deploy_jobs=options.run_deploy_jobs, tree=tree, files_later=True)
    own = (context.overrides.get("CI_PROJECT_PATH", ""), context.overrides.get("CI_COMMIT_SHA", ""))
    allowed = Allowed(options.gitlab_url, options.gitlab_token, options.templates, options.allow_remote, own)
    found = gather({entry: text}, entry, include_options(context, Findings()), fetchers(root, _read, allowed))
    return examine(found.files, replace(context, trees=found.trees, absent=found.absent), entry=entry)


def paths_below(root: Path) -> frozenset[str]:
    """Files below the folder, as a repository would list them; without .git and hidden tool folders."""
    skip = {".git", ".venv", "node_modules", "__pycache__"}
    found: set[str] = set()
    pending = [root]
    while pending and len(found) < 100_000:
        try:
            entries = list(pending.pop().iterdir())
        except OSError:  # not ours to read, or gone meanwhile: it is no file of the repository
            continue
        for path in entries:
            if path.is_dir() and not path.is_symlink():
                if path.name not in skip:
                    pending.append(path)
            else:
                found.add(path.relative_to(root).as_posix())
    return frozenset(found)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path} is larger than {_MAX_BYTES // 2**20} MiB.", remedy="Split it with include:local.")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.", remedy="Name the project's .gitlab-ci.yml.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}).", remedy="Save it as UTF-8.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
