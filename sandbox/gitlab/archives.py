"""The repository at a commit as one archive: ``GET /projects/:id/repository/archive[.format]``.

Source: docs.gitlab.com/api/repositories/#get-file-archive. Everything lies below ``NAME-REF-SHA/``; what
``.gitattributes`` marks ``export-ignore`` is left out, by git itself.
"""

from __future__ import annotations

from starlette.responses import Response

from sandbox.gitlab.access import not_found
from sandbox.gitlab.call import Call
from sandbox.gitlab.repository import GitError

_GIT_FORMATS = {"": "tar.gz", "tar.gz": "tar.gz", "tgz": "tar.gz", "tar": "tar", "zip": "zip"}
FORMATS = tuple(f".{name}" if name else "" for name in _GIT_FORMATS)


def archive(call: Call) -> Response:
    """Archive the commit that ``sha`` names (a branch or tag will do), or the default branch; ``path`` narrows it."""
    project, repository = call.repository()
    ref = call.query.get("sha") or project.default_branch
    sha = repository.resolve(ref)
    ending = call.path.rpartition("/archive")[2].lstrip(".")
    if sha is None:
        raise not_found("File")
    path = call.query.get("path", "").strip("/")
    parts = [project.path.rpartition("/")[2], ref.replace("/", "-"), sha, *([path.replace("/", "-")] if path else [])]
    name = "-".join(parts)
    options = [f"--format={_GIT_FORMATS[ending]}", f"--prefix={name}/", sha, *(["--", path] if path else [])]
    try:
        data = repository.run("archive", *options)
    except GitError as error:
        raise not_found("File") from error
    filename = f"{name}.{ending or 'tar.gz'}"
    headers = {"Content-Disposition": f'attachment; filename="{filename}"', "Content-Transfer-Encoding": "binary"}
    return Response(data, headers=headers, media_type="application/octet-stream")
