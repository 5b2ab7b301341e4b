"""The shell text of jobs with ``image:`` and ``services:``: plain ``docker`` commands, no Jenkins plugin.

The job's script lies in WORKSPACE_TMP/job.sh. Every user value is one quoted word behind ``--option=``, so it can be
neither shell nor an option of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct

from errors import InputError
from tasks.interpretation.expansion import references
from tasks.interpretation.pipeline import Image, Job, Service
from tasks.jenkins_build.job_script import SHELL_NAME, agent_exports, open_word, word

FUNCTIONS = Path(__file__).with_name("containers.sh").read_text(encoding="ascii").splitlines()
PORT = "HEALTHCHECK_TCP_PORT"  # GitLab Runner looks at this port of a service instead of those its image exposes
SCRIPT = '"$WORKSPACE_TMP/job.sh"'
_FROM_AGENT = ("WORKSPACE", "WORKSPACE_TMP", "BUILD_NUMBER", "BUILD_URL", "BUILD_TAG", "EXECUTOR_NUMBER", "NODE_NAME")
_SCRIPT_PART = "--label gl-part=script"
_PULL = {"always": "always", "if-not-present": "missing", "never": "never"}
# Names that would change what Docker's client, or its loader, does.
_OF_THE_CLIENT = re.compile(
    r"(?i)(DOCKER|BUILD|LD_|XDG_|SSL_|GO|LC_).*|.*(PATH|HOME|_PROXY)|IFS|TMPDIR|LANG|USER|SHELL"
)
_PREDEFINED = re.compile(r"CI_|GITLAB_")
# Names of images that hold variables which only the build has: found out in its shell, and kept for what comes later.
GIVEN = "given"
_NAMED = (
    "named() {",
    """  case $1 in -* | '') echo "'$1' is not an image name" >&2; return 1 ;; esac""",
    """  printf %s "$1\"""",
    "}",
    # The image's name, what stands for the slash: as `aliases` does it.
    """host() { printf %s "${1%%@*}" | sed -e 's#:[0-9]*/#/#' -e 's#:[^/]*$##' -e "s#/#$2#g"; }""",
)
_KEPT = '"$WORKSPACE_TMP/image"'


def aliases(service: Service) -> tuple[str, ...]:
    """Host names of a service: GitLab's default ones, then its own.

    Source: https://docs.gitlab.com/ci/services/#accessing-the-services

    >>> aliases(Service("registry.example:5000/tutum/wordpress:latest", ("blog",)))
    ('registry.example__tutum__wordpress', 'registry.example-tutum-wordpress', 'blog')
    """
    name = re.sub(r":\d+(?=/)", "", service.name.partition("@")[0])
    name = re.sub(r":[^/]*$", "", name)
    return tuple(dict.fromkeys([name.replace("/", "__"), name.replace("/", "-"), *service.aliases]))


def is_engine(service: Service) -> bool:
    """Whether a service is Docker in Docker, which needs a privileged container and hands certificates to the job.

    Source: https://docs.gitlab.com/ci/docker/using_docker_build/#use-docker-in-docker

    >>> [is_engine(Service(name)) for name in ("docker:dind", "mirror.example/docker:27-dind", "postgres:15")]
    [True, True, False]
    """
    return "dind" in service.name.rpartition("/")[2]


def agent_word(text: str, known: Mapping[str, str]) -> str:
    """A text with references as a word of the agent's shell: what the agent does not have either is empty."""
    return open_word(text, {name: known.get(name, f"${{{name}-}}") for name in references(text)})


class Secret(Struct, frozen=True):
    """Variables of the agent with secret values: all `names`, and the `files` among them, which hold paths."""

    names: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        """Docker's options that hand them on; the values are in no command line."""
        return [f"-e {name}" for name in self.names if SHELL_NAME.fullmatch(name)]

    @property
    def opened(self) -> list[str]:
        """Lines that let a user of the image's own read the files; Jenkins removes them when the job ends."""
        names = [name for name in self.files if SHELL_NAME.fullmatch(name)]
        return [f'chmod a+rX "${{{name}%/*/*}}" "${{{name}%/*}}" "${name}"' for name in names]


class Docker(Struct, frozen=True, dict=True):
    """The docker commands of one job.

    Attributes:
        job: The job.
        image: Its image.
        index: Its place in the pipeline: a label tells its containers from those of jobs beside it.
        known: Shell text of variables that only the build knows, for image names and services.
        passed: Further names of the agent's environment that are handed on to the container.
        secret: Those with secret values. Services get what their own or the job's variables make of them, not them:
            https://docs.gitlab.com/ci/variables/#in-service-containers
    """

    job: Job
    image: Image
    index: int
    known: Mapping[str, str]
    passed: tuple[str, ...] = ()
    secret: Secret = Secret()

    @cached_property
    def open_names(self) -> dict[str, str]:
        """Names of images with variables that only the build has, and the shell's variable for each.

        `start` calls a function ``given`` for them, which sets what the job's script sees.
        """
        names = dict.fromkeys((self.image.name, *(service.name for service in self.job.services)))
        late = [name for name in names if any(found not in self.known for found in references(name))]
        return {name: f"image{number}" for number, name in enumerate(late, start=1)}

    def _find_names(self) -> list[str]:
        """Sets those variables."""
        if not self.open_names:
            return []
        lines = ["known() {", *agent_exports(self.known), "}", *_NAMED]
        for name, variable in self.open_names.items():
            lines.append(f"{variable}=$(known; {GIVEN}; named {open_word(name)})")
        own = self.open_names.get(self.image.name)
        return [*lines, f'printf %s "${own}" >{_KEPT}'] if own else lines

    def _found_name(self) -> list[str]:
        """Sets the variable of the job's own image, after `start`."""
        own = self.open_names.get(self.image.name)
        return [f"{own}=$(cat {_KEPT} 2>/dev/null)"] if own else []

    def start(self, variables: Mapping[str, str] = MappingProxyType({})) -> list[str]:
        """Run the job's script in its image, beside its services, which see `variables`.

        Args:
            variables: The variables of pipeline and job, each as a word of shell.
        """
        lines = ["#!/bin/sh", "set -e", 'chmod -R a+rwX "$WORKSPACE"  # for images with a user of their own']
        lines += [*self.secret.opened, *self._find_names(), *self._pull(self.image)]
        if self.job.services:
            lines += [self._network(), f'docker network create {self._labels()} "$network" >/dev/null']
            for number, service in enumerate(self.job.services, start=1):
                lines += [*self._pull(service), f"service{number}=$({self._service(service, variables)})"]
            lines += [self._wait(*numbered, variables) for numbered in enumerate(self.job.services, start=1)]
            lines.append("wait")
        return [*lines, self._run(network=bool(self.job.services))]

    def after(self) -> list[str]:
        """Run a script in the image, beside the services that are still there: for ``after_script``."""
        lines = ["#!/bin/sh", "set -e", *self._found_name(), 'chmod -R a+rwX "$WORKSPACE"', *self.secret.opened]
        lines += [self._network()] if self.job.services else []
        return [*lines, self._run(network=bool(self.job.services))]

    def clean_up(self, *, services: bool = True) -> list[str]:
        """Remove the job's containers (an abort leaves some) and give files of other users back to the agent's.

        Args:
            services: Also remove its services, which ``after_script`` still uses.
        """
        only = "" if services else " --filter label=gl-part=script"
        lines = [
            "#!/bin/sh",
            *self._found_name(),
            f'ids=$(docker ps -aq --filter "label=jenkins=$BUILD_TAG" --filter label=gl-job={self.index}{only})',
            'test -z "$ids" || docker rm -f -v $ids >/dev/null',
        ]
        if self.job.services and services:
            lines += [self._network(), 'docker network rm "$network" >/dev/null || true']
            lines += ['docker volume rm "$network-certs" >/dev/null || true'] if self._has_engine() else []
        chown = f'--entrypoint=chown {self._name(self.image.name)} -R "$(id -u):$(id -g)" "$WORKSPACE"'
        give_back = f'docker run --rm --network=none --user=0 -v "$WORKSPACE:$WORKSPACE" {chown}'
        return [*lines, f'test "$(id -u)" = 0 || {give_back} || echo "files of other users stay in the workspace" >&2']

    def _network(self) -> str:
        return f"network=$(printf %s \"$BUILD_TAG\" | tr -c 'A-Za-z0-9_.-' '-')-{self.index}"

    def _pull(self, what: Image | Service) -> list[str]:
        """Look for the image by several policies; a single one is an option of ``docker run``."""
        if len(what.pull_policy) < 2:
            return []
        return [
            " ".join(("image_pull", self._name(what.name), word(what.platform or ""), *map(word, what.pull_policy)))
        ]

    def _wait(self, number: int, service: Service, variables: Mapping[str, str]) -> str:
        port = service.variables.get(PORT)
        looked_at = self._value(port) if port is not None else variables.get(PORT, "''")
        run = " ".join([self._labels(), _SCRIPT_PART, *_options(self.image), self._name(self.image.name)])
        return f'service_wait {self._name(service.name)} "$service{number}" {looked_at} {run} &'

    def _has_engine(self) -> bool:
        return any(map(is_engine, self.job.services))

    def _certificates(self, mode: str) -> str:
        """Where an engine in a container leaves the certificates that its clients need."""
        return f'-v "$network-certs:/certs/client:{mode}"'

    def _labels(self) -> str:
        return f'--label "jenkins=$BUILD_TAG" --label gl-job={self.index}'

    def _run(self, *, network: bool) -> str:
        names = (*_FROM_AGENT, *self.passed, "CI_JOB_STATUS")
        options = [
            f"docker run --rm --init {self._labels()} {_SCRIPT_PART}",
            *(['--network="$network"'] if network else []),
            *(f"-e {name}" for name in names if SHELL_NAME.fullmatch(name)),
            *self.secret.options,
            '-v "$WORKSPACE:$WORKSPACE" -v "$WORKSPACE_TMP:$WORKSPACE_TMP:ro" -w "$WORKSPACE"',
            *_options(self.image),
        ]
        options += [self._certificates("ro")] if self._has_engine() else []
        image = self._name(self.image.name)
        entrypoint = [part for part in self.image.entrypoint or () if part]
        if self.image.entrypoint is not None and not entrypoint:
            return " ".join([*options, f"--entrypoint=sh {image} {SCRIPT}"])
        # The shell is the argument of the entrypoint, the job's or else the image's own, and reads its first line from
        # standard input, as GitLab Runner does it: so `["/bin/bash", "-c"]` works as well as `["tini", "--"]`.
        override = [f"--entrypoint={word(entrypoint[0])}"] if entrypoint else []
        line = [*options, "-i", *override, image, *map(word, entrypoint[1:]), "sh"]
        return f"echo 'exec sh {SCRIPT}' | " + " ".join(line)

    def _service(self, service: Service, variables: Mapping[str, str]) -> str:
        own = [(name, value) for name, value in variables.items() if not _PREDEFINED.match(name)]
        given = [(name, self._value(value)) for name, value in service.variables.items()]
        options = [f'docker run -d {self._labels()} --network="$network"', *_options(service)]
        options += ["--privileged", self._certificates("rw")] if is_engine(service) else []
        options += [f"--network-alias={alias}" for alias in self._aliases(service)]
        values = dict([*own, *given])
        handed = [name for name, value in values.items() if "$" in value and _is_handed_on(name)]
        options += [f"-e {n}" if n in handed else f"--env={word(n)}={value}" for n, value in values.items()]
        options = [*(f"{name}={values[name]}" for name in handed), *options]
        entrypoint = service.entrypoint or ()
        override = [f"--entrypoint={word(entrypoint[0])}"] if entrypoint else []
        arguments = [word(part) for part in (*entrypoint[1:], *(service.command or ()))]
        return " ".join([*options, *override, self._name(service.name), *arguments])

    def _value(self, text: str) -> str:
        return agent_word(text, self.known)

    def _aliases(self, service: Service) -> list[str]:
        late = self.open_names.get(service.name)
        if late is None:
            return [word(alias) for alias in aliases(service)]
        return [*(f'"$(host "${late}" {slash})"' for slash in ("__", "-")), *map(word, service.aliases)]

    def _name(self, image: str) -> str:
        if not image or image.startswith("-") or re.search(r"[\s\0]", image):
            raise InputError(f"{image!r} is not an image name.", remedy="Write registry/repository:tag.")
        late = self.open_names.get(image)
        return f'"${late}"' if late else word(image, self.known)


def _is_handed_on(name: str) -> bool:
    """Whether a variable may be in the environment of Docker's client: what it refers to may be secret.

    Arguments of a command are shown to every user of the agent; its environment is not.
    """
    return bool(SHELL_NAME.fullmatch(name)) and not _OF_THE_CLIENT.fullmatch(name)


def _options(what: Image | Service) -> list[str]:
    """What is said of the container. Without a policy the agent's engine pulls what it does not have."""
    options = []
    if what.user is not None:
        options.append(f"--user={word(what.user)}")
    if what.platform is not None:
        options.append(f"--platform={word(what.platform)}")
    if what.pull_policy:
        options.append(f"--pull={_PULL[what.pull_policy[0]] if len(what.pull_policy) == 1 else 'never'}")
    return options
