"""The shell text of a GitLab job: its variables exported, its commands echoed and run, as GitLab Runner would.

All functions give lines (of shell, not of Groovy). User text is quoted by `word` wherever it is data; commands are
code of the user's own and stay byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping
from types import MappingProxyType

from errors import InputError
from tasks.interpretation.pipeline import Job
from tasks.interpretation.predefined import environment_slug, environment_tier, group_name, slug
from tasks.interpretation.runner_text import is_predefined, with_own_text, without_nothing

# The job's commands want bash, as on GitLab; `sh` must do where there is none (small images).
START = (
    "#!/bin/sh",
    'if [ -n "${BASH_VERSION-}" ]; then set +o posix; set -eo pipefail',
    'elif command -v bash >/dev/null 2>&1; then exec bash "$0"',
    "else",
    "  (set -o pipefail) 2>/dev/null && set -o pipefail",
    "  set -e",
    "fi",
)
_ARCHITECTURE = "uname -sm | sed 's/x86_64/amd64/; s/aarch64/arm64/' | tr 'A-Z ' 'a-z/'"
# What only the agent knows, by GitLab's name: written as shell, in double quotes.
AGENT_VARIABLES: Mapping[str, str] = {
    "CI": "true",
    "GITLAB_CI": "true",
    "CI_SERVER": "yes",
    "CI_SERVER_NAME": "GitLab",
    "CI_TEMPLATE_REGISTRY_HOST": "registry.gitlab.com",
    "CI_PROJECT_DIR": "$WORKSPACE",
    "CI_PIPELINE_ID": "$BUILD_NUMBER",
    "CI_PIPELINE_IID": "$BUILD_NUMBER",
    "CI_PIPELINE_URL": "$BUILD_URL",
    "CI_JOB_URL": "${BUILD_URL}console",
    "CI_CONCURRENT_ID": "${EXECUTOR_NUMBER:-0}",
    "CI_CONCURRENT_PROJECT_ID": "${EXECUTOR_NUMBER:-0}",
    "CI_JOB_STATUS": "${CI_JOB_STATUS:-running}",
    "CI_RUNNER_DESCRIPTION": "${NODE_NAME-}",
    "CI_RUNNER_EXECUTABLE_ARCH": f"$({{ {_ARCHITECTURE}; }} 2>/dev/null)",
    "CI_BUILDS_DIR": "${WORKSPACE%/*}",
    "CI_JOB_STARTED_AT": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
}
_REF = "${CI_COMMIT_TAG:-${CI_COMMIT_BRANCH:-${CI_MERGE_REQUEST_SOURCE_BRANCH_NAME-}}}"
# One dash a character, of which UTF-8's later bytes are none.
_AS_SLUG = (
    "LC_ALL=C tr -d '\\200-\\277' | LC_ALL=C tr A-Z a-z | LC_ALL=C tr -c a-z0-9 - | cut -c1-63 | sed 's/^-*//; s/-*$//'"
)
# The commit's, where the build's parameters say which it is.
COMMIT_VARIABLES: Mapping[str, str] = {
    "CI_COMMIT_SHA": "$COMMIT_SHA",
    "CI_COMMIT_SHORT_SHA": "${COMMIT_SHA%${COMMIT_SHA#????????}}",
    "CI_COMMIT_REF_NAME": _REF,
    "CI_COMMIT_REF_SLUG": f'$(printf %s "{_REF}" | {_AS_SLUG})',
}
# The address that is cloned in parts, each made of those before it.
_PARTS = {
    "gl_scheme": "case $REPO_URL in (http://*) gl_scheme=http ;; (*) gl_scheme=https ;; esac",
    "gl_host": (
        "gl_host=${REPO_URL#*://}; gl_host=${gl_host#*@}; gl_host=${gl_host%%/*}; "
        "case $REPO_URL in (http*) ;; (*) gl_host=${gl_host%%:*} ;; esac"
    ),
    "gl_port": (
        "case $gl_scheme:$gl_host in (*:*:*) gl_port=${gl_host##*:} ;; (https:*) gl_port=443 ;; (*) gl_port=80 ;; esac"
    ),
    "gl_path": (
        "gl_path=${REPO_URL%/}; gl_path=${gl_path%.git}; case $gl_path in "
        "(*://*) gl_path=${gl_path#*://}; gl_path=${gl_path#*/} ;; (*) gl_path=${gl_path#*:} ;; esac"  # or host:path
    ),
}
# The project's and its server's, made of these.
_OF_PARTS: Mapping[str, str] = {
    "CI_API_GRAPHQL_URL": "$gl_scheme://$gl_host/api/graphql",
    "CI_API_V4_URL": "$gl_scheme://$gl_host/api/v4",
    "CI_PROJECT_NAME": "${gl_path##*/}",
    "CI_PROJECT_NAMESPACE": "${gl_path%/*}",
    "CI_PROJECT_NAMESPACE_SLUG": f'$(printf %s "${{gl_path%/*}}" | {_AS_SLUG})',
    "CI_PROJECT_PATH": "$gl_path",
    "CI_PROJECT_PATH_SLUG": f'$(printf %s "$gl_path" | {_AS_SLUG})',
    "CI_PROJECT_ROOT_NAMESPACE": "${gl_path%%/*}",
    "CI_PROJECT_URL": "$gl_scheme://$gl_host/$gl_path",
    "CI_SERVER_FQDN": "$gl_host",
    "CI_SERVER_HOST": "${gl_host%%:*}",
    "CI_SERVER_PORT": "$gl_port",
    "CI_SERVER_PROTOCOL": "$gl_scheme",
    "CI_SERVER_URL": "$gl_scheme://$gl_host",
}


def _by_itself(text: str) -> str:
    return f'$({"; ".join(_PARTS.values())}; printf %s "{text}")'


# The same by themselves, wherever one of them is asked for.
_BY_ITSELF = {name: _by_itself(text) for name, text in _OF_PARTS.items()}
ADDRESS_VARIABLES: Mapping[str, str] = {**_BY_ITSELF, "CI_REPOSITORY_URL": "$REPO_URL"}
# The registry's login, under the names GitLab gives it.
LOGIN_VARIABLES = ("CI_REGISTRY_USER", "CI_REGISTRY_PASSWORD")
_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z0-9@%+:,./_-]+")
_DOLLAR = "$"
_URL = "CI_ENVIRONMENT_URL"
SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"\$\$|\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
# Git refuses a workspace of another user, as a container's root finds it, unless it is told otherwise.
_SAFE_WORKSPACE = 'export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="$WORKSPACE"'
# bash refuses to set these, and ends the script.
_READONLY = frozenset({"BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID"})


def quoted(text: str) -> str:
    r"""The text as one shell word, with nothing expanded.

    >>> print(quoted("plain"), quoted("it's $5"), quoted(""))
    plain 'it'\''s $5' ''
    """
    if _NEEDS_NO_QUOTES.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def word(text: str, known: Mapping[str, str] = MappingProxyType({})) -> str:
    r"""The text as one shell word; references to variables in `known` become the shell text that stands there.

    >>> print(word("it's $HOME in $CI_PROJECT_DIR/x", AGENT_VARIABLES))
    'it'\''s $HOME in '"$WORKSPACE"/x
    """
    return _word(text, lambda match: known.get(_name_of(match)))


def open_word(text: str, known: Mapping[str, str] | None = None) -> str:
    r"""The same for a text that the interpreter left unresolved: there, ``$$`` stands for a dollar.

    Args:
        text: The text.
        known: As for `word`; None = every name, as the shell that sets it finds it (nothing when it is not there).

    >>> print(open_word("$PATH:${CI_PROJECT_DIR}/it's $$5"))
    "${PATH-}":"${CI_PROJECT_DIR-}"'/it'\''s $5'
    """

    def shell(match: re.Match[str]) -> str | None:
        name = _name_of(match)
        if not name:
            return _DOLLAR
        return f"${{{name}-}}" if known is None else known.get(name)

    return _word(text, shell)


def _word(text: str, shell: Callable[[re.Match[str]], str | None]) -> str:
    if "\0" in text:
        raise InputError(f"{text[:40]!r} holds a NUL character, which no shell can pass on.", remedy="Remove it.")
    if "$" not in text:
        return quoted(text)
    parts, literal = [], ""
    end = 0
    for match in _REFERENCE.finditer(text):
        found = shell(match)
        literal += text[end : match.start()]
        end = match.end()
        if found == _DOLLAR:
            literal += _DOLLAR
        elif found is None:
            literal += match[0]
        else:
            parts += [quoted(literal) if literal else "", f'"{found}"']
            literal = ""
    rest = literal + text[end:]
    return "".join([*parts, quoted(rest) if rest or not parts else ""])


def _name_of(match: re.Match[str]) -> str:
    return match[1] or match[2] or ""


def agent_exports(variables: Mapping[str, str]) -> list[str]:
    """What only the build knows, under GitLab's names; what is not there at all stays unset."""
    own = {name: value for name, value in variables.items() if value != f"${{{name}-}}" and SHELL_NAME.fullmatch(name)}
    parted = {name: _OF_PARTS[name] for name, value in own.items() if value == _BY_ITSELF.get(name)}
    lines = [f'export {name}="{value}"' for name, value in own.items() if name not in parted]
    if parted:
        lines += [*_PARTS.values(), *(f'export {name}="{text}"' for name, text in parted.items())]
        lines.append(f"unset {' '.join(_PARTS)}")
    return lines


def exports(variables: Mapping[str, str], unresolved: Container[str] = (), *, lent: bool = False) -> list[str]:
    """One ``export`` a variable, empty ones too: Jenkins would drop those. Names no shell takes are named and left.

    Args:
        variables: Texts by name.
        unresolved: Names whose text refers to what only the build knows; all others are literal.
        lent: Those may refer to variables that a function ``lent`` sets, and that the job itself must not get.
    """
    result = []
    for name, value in variables.items():
        if lent and name in unresolved and SHELL_NAME.fullmatch(name) and name not in _READONLY:
            result += [f'{name}="{_lent_word(name, value)}"', f'export {name}="${{{name}%.}}"']
        elif name in unresolved and _refers_to_itself(value, name) and SHELL_NAME.fullmatch(name):
            result += [f'test -n "${{{name}+x}}" || {name}={open_word(own_put_in(name, value))}', f"export {name}"]
        elif SHELL_NAME.fullmatch(name) and name not in _READONLY:
            result.append(f"export {name}={open_word(value) if name in unresolved else word(value)}")
        else:
            result.append(f"printf '%s\\n' {quoted(f'variable {name!a} is not exported: no shell sets it')} >&2")
    return result


def _lent_word(name: str, value: str) -> str:
    """What gives the value, and a dot that keeps line ends at its end; one that refers to itself may have been lent."""
    itself = f'test -n "${{{name}+x}}" || {name}={word(value)}; ' if _refers_to_itself(value, name) else ""
    return f"$(lent; {itself}printf %s. {open_word(without_nothing(value) if itself else value)})"


def own_put_in(name: str, value: str) -> str:
    """The unresolved text of a variable; for one that refers to itself with its own text, as no stronger one is there.

    >>> own_put_in("V", "$V:$1"), own_put_in("V", "$W")
    ('$$V:$$1:', '$W')
    """
    return with_own_text(value, name) if _refers_to_itself(value, name) else value


def _refers_to_itself(text: str, name: str) -> bool:
    return not is_predefined(name) and any(_name_of(match) == name for match in _REFERENCE.finditer(text))


def job_variables(job: Job, index: int, timeout_seconds: int) -> list[str]:
    """Predefined variables of one job; `index` makes its CI_JOB_ID unique in the build."""
    name = job.own_name or job.name
    known = {
        "CI_JOB_NAME": name,
        "CI_JOB_GROUP_NAME": group_name(name),
        "CI_JOB_NAME_SLUG": slug(name),
        "CI_JOB_STAGE": job.own_stage or job.stage,
        "CI_JOB_TIMEOUT": str(timeout_seconds),
        "CI_NODE_TOTAL": "1",
        "CI_SHARED_ENVIRONMENT" if job.image is None else "CI_DISPOSABLE_ENVIRONMENT": "true",
    }
    if job.image is not None:
        known["CI_JOB_IMAGE"] = job.image.name
    if job.when == "manual":
        known["CI_JOB_MANUAL"] = "true"
    lines = [*exports(known), f'export CI_JOB_ID="${{BUILD_NUMBER}}{index:03d}"']
    return lines if job.image is None else [*lines, _SAFE_WORKSPACE]


def own_variables(job: Job, *, lent: bool = False, told: bool = False) -> list[str]:
    """What the job sets over the pipeline's variables.

    Args:
        job: The job.
        lent: As for `exports`.
        told: Whether it gets variables of reports: those that refer to others are then among `late_variables`.
    """
    late = job.unresolved_variables if told else frozenset[str]()
    own = {name: value for name, value in job.variables.items() if name not in late}
    known = {name: value for name, value in _environment(job).items() if not (told and name == _URL and "$" in value)}
    # a name may hold what only the build knows, an address the slug too
    return [*exports(known, ("CI_ENVIRONMENT_NAME", _URL)), *exports(own, job.unresolved_variables, lent=lent)]


def late_variables(job: Job, *, lent: bool = False) -> list[str]:
    """The variables that refer to others, for a job that gets reports: these have come to their values by then."""
    late = {name: value for name, value in job.variables.items() if name in job.unresolved_variables}
    known = {name: value for name, value in _environment(job).items() if name == _URL and "$" in value}
    if job.image is not None and "$" in job.image.name:
        known["CI_JOB_IMAGE"] = job.image.name
    return [*exports(late, job.unresolved_variables, lent=lent), *exports(known, known)]


def _environment(job: Job) -> dict[str, str]:
    known: dict[str, str] = {}
    if job.environment is not None:
        name = job.environment.name
        known = {"CI_ENVIRONMENT_NAME": name, "CI_ENVIRONMENT_ACTION": job.environment.action}
        known |= {} if "$" in name else {"CI_ENVIRONMENT_SLUG": environment_slug(name)}
        tier = job.environment.tier or (None if "$" in name else environment_tier(name))
        known |= {"CI_ENVIRONMENT_TIER": tier} if tier else {}
        known |= {_URL: job.environment.url} if job.environment.url else {}
    return known


def commands(items: Iterable[str]) -> list[str]:
    """Each command after a line that shows it, as in GitLab's job log."""
    result = []
    for item in items:
        if "\0" in item:
            raise InputError(f"The command {item[:40]!r} holds a NUL character.", remedy="Remove it.")
        first, newline, _ = item.strip().partition("\n")
        shown = f"$ {first}" + (" # collapsed multi-line command" if newline else "")
        result += [f"printf '%s\\n' {quoted(shown)}", item]
    return result
