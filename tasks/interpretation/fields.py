"""Reads the checked keywords of one job into the values of the model, with variables put in where GitLab does so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

from tasks.interpretation.expansion import references
from tasks.interpretation.pipeline import Artifacts, Cache, Image, JobEnvironment, Retry, Secret, Service
from tasks.interpretation.rules import integers
from tasks.interpretation.shapes import flattened
from tasks.interpretation.variables import read_variables
from tasks.source.durations import seconds
from tasks.source.nodes import Mapping_, Node, Scalar, Sequence, is_null

Expand = Callable[[str], str]


def text_of(node: Node | None) -> str | None:
    """The text of a scalar, or None."""
    return node.text if isinstance(node, Scalar) and node.kind != "null" else None


def texts_of(node: Node | None) -> tuple[str, ...]:
    """One text or several."""
    if isinstance(node, Sequence):
        return tuple(i.text for i in node.items if isinstance(i, Scalar))
    return (node.text,) if isinstance(node, Scalar) and node.kind != "null" else ()


def filled_of(node: Node | None) -> tuple[str, ...]:
    """One text or several, without the empty ones, which say nothing."""
    return tuple(filter(None, texts_of(node)))


def needs_of(node: Node | None) -> list[Node] | None:
    """The items of `needs`: a list, lists in it, or a single mapping; None = there is no such keyword."""
    if isinstance(node, Mapping_):
        return [node]
    return [item for item in flattened(node) if not is_null(item)] if isinstance(node, Sequence) else None


def flag_of(node: Node | None, default: bool = False) -> bool:
    """A boolean, or the default."""
    return node.text == "true" if isinstance(node, Scalar) else default


def commands_of(node: Node | None) -> tuple[str, ...]:
    """The commands of a script: a text, a list, lists in lists."""
    if isinstance(node, Sequence):
        return tuple(i.text for i in flattened(node) if isinstance(i, Scalar))
    return (node.text,) if isinstance(node, Scalar) and node.text else ()


def hook_of(node: Node | None) -> tuple[str, ...]:
    """The commands of `hooks:pre_get_sources_script`."""
    return commands_of(node.get("pre_get_sources_script")) if isinstance(node, Mapping_) else ()


def image_of(node: Node | None, expand: Expand) -> Image | None:
    """The value of `image`."""
    if isinstance(node, Scalar):
        return Image(expand(node.text))
    if not isinstance(node, Mapping_):
        return None
    name, entrypoint = expand(text_of(node.get("name")) or ""), _words(node.get("entrypoint")) or None
    return Image(name, entrypoint, *_docker(node, expand), texts_of(node.get("pull_policy")))


def _docker(node: Mapping_, expand: Expand) -> tuple[str | None, str | None]:
    """User and platform of a container."""
    docker = node.get("docker")
    options = docker if isinstance(docker, Mapping_) else Mapping_({}, node.span)
    user, platform = text_of(options.get("user")), text_of(options.get("platform"))
    return expand(user) if user else None, expand(platform) if platform else None


def _words(node: Node | None) -> tuple[str, ...] | None:
    return None if node is None else texts_of(node)


def services_of(node: Node | None, expand: Expand) -> tuple[Service, ...]:
    """The value of `services`."""
    if not isinstance(node, Sequence):
        return ()
    return tuple(_service(item, expand) for item in flattened(node) if not is_null(item))


def _service(node: Node, expand: Expand) -> Service:
    if not isinstance(node, Mapping_):
        name = expand(text_of(node) or "")
        return Service(name, _hosts(name))
    name = expand(text_of(node.get("name")) or "")
    given = tuple(expand(text_of(node.get("alias")) or "").replace(",", " ").split())
    variables = read_variables(node.get("variables"))
    user, platform = _docker(node, expand)
    return Service(
        name=name,
        aliases=(*given, *(a for a in _hosts(name) if a not in given)),
        entrypoint=_words(node.get("entrypoint")),
        command=_words(node.get("command")),
        variables={k: v.replace("$", "$$") if k in variables.raw else expand(v) for k, v in variables.values.items()},
        user=user,
        platform=platform,
        pull_policy=texts_of(node.get("pull_policy")),
    )


def _hosts(name: str) -> tuple[str, ...]:
    """Those of a name with variables that only the build has are made there."""
    return () if references(name) else service_aliases(name)


def service_aliases(image: str) -> tuple[str, ...]:
    """The host names GitLab derives from an image: ``a/b/c:tag`` -> ``a__b__c`` and ``a-b-c``.

    https://docs.gitlab.com/ci/services/#accessing-the-services
    """
    path = image.partition("@")[0]
    head, slash, tail = path.rpartition("/")
    path = head + slash + tail.partition(":")[0]
    first, slash, rest = path.partition("/")
    path = first.partition(":")[0] + slash + rest
    return tuple(dict.fromkeys((path.replace("/", "__"), path.replace("/", "-"))))


def artifacts_of(node: Node | None, expand: Expand, published: str | None = None) -> Artifacts:
    """The value of `artifacts`, with the folder that is published, where there is one, among the paths."""
    paths = tuple(expand(p) for p in filled_of(node.get("paths") if isinstance(node, Mapping_) else None))
    folder = expand(published) if published else None
    if folder is not None and folder.rstrip("/") not in {path.rstrip("/") for path in paths}:
        paths += (folder,)
    if not isinstance(node, Mapping_):
        return Artifacts(paths=paths)
    name = text_of(node.get("name"))
    return Artifacts(
        paths=paths,
        exclude=tuple(expand(p) for p in filled_of(node.get("exclude"))),
        name=expand(name) if name else None,
        when=cast(Literal["on_success", "on_failure", "always"], text_of(node.get("when")) or "on_success"),
        untracked=flag_of(node.get("untracked")),
        expire_in=text_of(node.get("expire_in")),
        reports=_reports(node.get("reports"), expand),
    )


def published_of(name: str, node: Mapping_) -> str | None:
    """The folder a job publishes to GitLab Pages, which GitLab puts among its artifacts; None for other jobs.

    https://docs.gitlab.com/ci/yaml/#pagespublish
    """
    pages = node.get("pages")
    asked = isinstance(pages, Mapping_) or text_of(pages) == "true" or (name == "pages" and pages is None)
    if not asked:
        return None
    own = pages.get("publish") if isinstance(pages, Mapping_) else None
    return text_of(own) or text_of(node.get("publish")) or "public"


def _reports(node: Node | None, expand: Expand) -> Mapping[str, tuple[str, ...]]:
    reports: dict[str, tuple[str, ...]] = {}
    for entry in node if isinstance(node, Mapping_) else ():
        value: Node | None = entry.value
        if isinstance(value, Mapping_):
            value = value.get("path")
        files = tuple(expand(path) for path in filled_of(value))
        if files:
            reports[entry.key] = files
    return reports


def caches_of(node: Node | None, expand: Expand) -> tuple[Cache, ...]:
    """The value of `cache`: one, or several. One that names no files keeps nothing and is left out."""
    listed = flattened(node) if isinstance(node, Sequence) else [node]
    caches = (_cache(item, index, expand) for index, item in enumerate(listed) if isinstance(item, Mapping_))
    return tuple(cache for cache in caches if cache.paths or cache.untracked)


def _cache(node: Mapping_, index: int, expand: Expand) -> Cache:
    key = node.get("key")
    return Cache(
        **_cache_key(key, index, expand) if isinstance(key, Mapping_) else {"key": expand(text_of(key) or "default")},
        paths=tuple(expand(path) for path in filled_of(node.get("paths"))),
        untracked=flag_of(node.get("untracked")),
        policy=expand(text_of(node.get("policy")) or "pull-push"),
        when=cast(Literal["on_success", "on_failure", "always"], text_of(node.get("when")) or "on_success"),
        fallback_keys=tuple(expand(other) for other in filled_of(node.get("fallback_keys"))),
        unprotect=flag_of(node.get("unprotect")),
    )


def _cache_key(node: Mapping_, index: int, expand: Expand) -> dict[str, Any]:
    """The key made of files. Without a prefix, GitLab puts the cache's place in the list and the files' stems there.

    Source: GitLab's ``Gitlab::Ci::Build::Cache`` and ``Gitlab::Ci::Pipeline::Seed::Build::Cache``.
    """
    files = texts_of(node.get("files")) or texts_of(node.get("files_commits"))
    prefix = expand(text_of(node.get("prefix")) or "")
    if not files:
        return {"key": prefix or "default"}
    stems = "_".join(name.partition(".")[0] for name in files)
    return {"key_files": files, "key_prefix": prefix or f"{index}_{stems}"}


def retry_of(node: Node | None) -> Retry:
    """The value of `retry`: a number, or a mapping whose `max` is 2 where it does not say."""
    if isinstance(node, Scalar):
        return Retry(max=int(node.text))
    if not isinstance(node, Mapping_):
        return Retry()
    most = text_of(node.get("max"))
    return Retry(int(most) if most else 2, texts_of(node.get("when")), integers(node.get("exit_codes")))


def environment_of(node: Node | None, expand: Expand) -> JobEnvironment | None:
    """The value of `environment`."""
    if isinstance(node, Scalar):
        return JobEnvironment(expand(node.text))
    if not isinstance(node, Mapping_):
        return None
    url = text_of(node.get("url"))
    return JobEnvironment(
        name=expand(text_of(node.get("name")) or ""),
        url=expand(url) if url else None,
        action=text_of(node.get("action")) or "start",
        tier=expand(text_of(node.get("deployment_tier")) or "") or None,
    )


def seconds_of(node: Node | None) -> int | None:
    """A duration in seconds, or None."""
    text = text_of(node)
    return None if text is None else seconds(text)


def secrets_of(node: Node | None) -> tuple[Secret, ...]:
    """The value of `secrets`."""
    entries = node if isinstance(node, Mapping_) else ()
    files = ((e.key, e.value.get("file") if isinstance(e.value, Mapping_) else None) for e in entries)
    return tuple(Secret(name, flag_of(file, True)) for name, file in files)
