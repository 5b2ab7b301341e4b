"""The shell text of jobs with ``image:`` and ``services:``: plain ``docker`` commands, no Jenkins plugin.

The job's script lies in WORKSPACE_TMP/job.sh. Every user value is one quoted word behind ``--option=``, so it can be
neither shell nor an option of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from errors import InputError
from tasks.interpretation.pipeline import Image, Job, Service
from tasks.jenkins_build.job_script import SHELL_NAME, word

SCRIPT = '"$WORKSPACE_TMP/job.sh"'
_FROM_AGENT = ("WORKSPACE", "WORKSPACE_TMP", "BUILD_NUMBER", "BUILD_URL", "BUILD_TAG", "EXECUTOR_NUMBER")
_PREDEFINED = re.compile(r"CI_|GITLAB_")


def aliases(service: Service) -> tuple[str, ...]:
    """Host names of a service: GitLab's default ones, then its own.

    Source: https://docs.gitlab.com/ci/services/#accessing-the-services

    >>> aliases(Service("registry.example:5000/tutum/wordpress:latest", ("blog",)))
    ('registry.example__tutum__wordpress', 'registry.example-tutum-wordpress', 'blog')
    """
    name = re.sub(r":\d+(?=/)", "", service.name.partition("@")[0])
    name = re.sub(r":[^/]*$", "", name)
    return tuple(dict.fromkeys([name.replace("/", "__"), name.replace("/", "-"), *service.aliases]))


@dataclass(frozen=True)
class Secret:
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


@dataclass(frozen=True)
class Docker:
    """The docker commands of one job.

    Attributes:
        job: The job.
        image: Its image.
        index: Its place in the pipeline: a label tells its containers from those of jobs beside it.
        known: Shell text of variables that only the build knows, for image names and services.
        passed: Further names of the agent's environment that are handed on to the container.
        secret: Those with secret values; services get them too, but for files, which are not mounted there.
    """

    job: Job
    image: Image
    index: int
    known: Mapping[str, str]
    passed: tuple[str, ...] = ()
    secret: Secret = Secret()

    def start(self, variables: Mapping[str, str] = MappingProxyType({})) -> list[str]:
        """Run the job's script in its image, beside its services, which see `variables`.

        Args:
            variables: The variables of pipeline and job, each as a word of shell.
        """
        lines = ["#!/bin/sh", "set -e", 'chmod -R a+rwX "$WORKSPACE"  # for images with a user of their own']
        lines += self.secret.opened
        if self.job.services:
            lines += [self._network(), f'docker network create {self._labels()} "$network" >/dev/null']
            lines += [self._service(service, variables) for service in self.job.services]
        return [*lines, self._run(network=bool(self.job.services))]

    def after(self) -> list[str]:
        """Run a script in the image without services: for ``after_script``."""
        lines = ["#!/bin/sh", "set -e", 'chmod -R a+rwX "$WORKSPACE"', *self.secret.opened]
        return [*lines, self._run(network=False)]

    def clean_up(self) -> list[str]:
        """Remove the job's containers (an abort leaves some) and give files of other users back to the agent's."""
        lines = [
            "#!/bin/sh",
            f'ids=$(docker ps -aq --filter "label=jenkins=$BUILD_TAG" --filter label=gl-job={self.index})',
            'test -z "$ids" || docker rm -f -v $ids >/dev/null',
        ]
        if self.job.services:
            lines += [self._network(), 'docker network rm "$network" >/dev/null || true']
        chown = f'--entrypoint=chown {self._name(self.image.name)} -R "$(id -u):$(id -g)" "$WORKSPACE"'
        give_back = f'docker run --rm --network=none --user=0 -v "$WORKSPACE:$WORKSPACE" {chown}'
        return [*lines, f'test "$(id -u)" = 0 || {give_back} || echo "files of other users stay in the workspace" >&2']

    def _network(self) -> str:
        return f"network=$(printf %s \"$BUILD_TAG\" | tr -c 'A-Za-z0-9_.-' '-')-{self.index}"

    def _labels(self) -> str:
        return f'--label "jenkins=$BUILD_TAG" --label gl-job={self.index}'

    def _run(self, *, network: bool) -> str:
        names = (*_FROM_AGENT, *self.passed, "CI_JOB_STATUS")
        options = [
            f"docker run --rm --init {self._labels()}",
            *(['--network="$network"'] if network else []),
            *(f"-e {name}" for name in names if SHELL_NAME.fullmatch(name)),
            *self.secret.options,
            '-v "$WORKSPACE:$WORKSPACE" -v "$WORKSPACE_TMP:$WORKSPACE_TMP:ro" -w "$WORKSPACE"',
            *_image_options(self.image),
        ]
        image = self._name(self.image.name)
        entrypoint = [part for part in self.image.entrypoint or () if part]
        if not entrypoint:
            return " ".join([*options, f"--entrypoint=sh {image} {SCRIPT}"])
        # The shell is the entrypoint's argument and reads its first line from standard input, as GitLab Runner does
        # it: so `["/bin/bash", "-c"]` works as well as `["tini", "--"]`.
        line = [*options, "-i", f"--entrypoint={word(entrypoint[0])}", image, *map(word, entrypoint[1:]), "sh"]
        return f"echo 'exec sh {SCRIPT}' | " + " ".join(line)

    def _service(self, service: Service, variables: Mapping[str, str]) -> str:
        own = [(name, value) for name, value in variables.items() if not _PREDEFINED.match(name)]
        given = [(name, word(value, self.known)) for name, value in service.variables.items()]
        options = [f'docker run -d {self._labels()} --network="$network"']
        options += [f"--network-alias={word(alias)}" for alias in aliases(service)]
        options += [option for option in self.secret.options if option[3:] not in self.secret.files]
        options += [f"--env={word(name)}={value}" for name, value in dict([*own, *given]).items()]
        entrypoint = service.entrypoint or ()
        override = [f"--entrypoint={word(entrypoint[0])}"] if entrypoint else []
        arguments = [word(part) for part in (*entrypoint[1:], *(service.command or ()))]
        return " ".join([*options, *override, self._name(service.name), *arguments, ">/dev/null"])

    def _name(self, image: str) -> str:
        if not image or image.startswith("-") or re.search(r"[\s\0]", image):
            raise InputError(f"{image!r} is not an image name.", remedy="Write registry/repository:tag.")
        return word(image, self.known)


def _image_options(image: Image) -> list[str]:
    options = []
    if image.user is not None:
        options.append(f"--user={word(image.user)}")
    if image.platform is not None:
        options.append(f"--platform={word(image.platform)}")
    if image.pull_policy and image.pull_policy[0] in {"always", "never"}:
        options.append(f"--pull={image.pull_policy[0]}")
    return options
