"""The shell text of jobs with ``image:`` and ``services:``: plain ``docker`` commands, no Jenkins plugin.

The job's script lies in WORKSPACE_TMP/job.sh. Every user value is one quoted word behind ``--option=``, so it can be
neither shell nor an option of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from errors import InputError
from tasks.interpretation.pipeline import Image, Job, Service
from tasks.jenkins_build.job_script import AGENT_VARIABLES, word

SCRIPT = '"$WORKSPACE_TMP/job.sh"'
_FROM_AGENT = ("WORKSPACE", "WORKSPACE_TMP", "BUILD_NUMBER", "BUILD_URL", "BUILD_TAG", "EXECUTOR_NUMBER")
_PREDEFINED = re.compile(r"CI_|GITLAB_")
_NETWORK = "network=$(printf %s \"$BUILD_TAG\" | tr -c 'A-Za-z0-9_.-' '-')-{index}"


def aliases(service: Service) -> tuple[str, ...]:
    """Host names of a service: GitLab's default ones, then its own.

    Source: https://docs.gitlab.com/ci/services/#accessing-the-services

    >>> aliases(Service("registry.example:5000/tutum/wordpress:latest", ("blog",)))
    ('registry.example__tutum__wordpress', 'registry.example-tutum-wordpress', 'blog')
    """
    name = re.sub(r":\d+(?=/)", "", service.name.partition("@")[0])
    name = re.sub(r":[^/]*$", "", name)
    return tuple(dict.fromkeys([name.replace("/", "__"), name.replace("/", "-"), *service.aliases]))


def start(job: Job, image: Image, index: int, variables: Mapping[str, str]) -> list[str]:
    """Run the job's script in its image, beside its services."""
    lines = ["#!/bin/sh", "set -e", 'chmod -R a+rwX "$WORKSPACE"  # for images with a user of their own']
    if job.services:
        lines += [_NETWORK.format(index=index), f'docker network create {_labels(index)} "$network" >/dev/null']
        lines += [_service(service, index, variables) for service in job.services]
    return [*lines, _run(image, index, network=bool(job.services))]


def after(image: Image, index: int) -> list[str]:
    """Run a script in the image without services: for ``after_script``."""
    return ["#!/bin/sh", "set -e", _run(image, index, network=False)]


def clean_up(job: Job, image: Image, index: int) -> list[str]:
    """Remove the job's containers (an abort leaves some) and give files of other users back to the agent's."""
    lines = [
        "#!/bin/sh",
        f'ids=$(docker ps -aq --filter "label=jenkins=$BUILD_TAG" --filter label=gl-job={index})',
        'test -z "$ids" || docker rm -f -v $ids >/dev/null',
    ]
    if job.services:
        lines += [_NETWORK.format(index=index), 'docker network rm "$network" >/dev/null || true']
    chown = f'--entrypoint=chown {_name(image.name)} -R "$(id -u):$(id -g)" "$WORKSPACE"'
    give_back = f'docker run --rm --network=none --user=0 -v "$WORKSPACE:$WORKSPACE" {chown}'
    return [*lines, f'test "$(id -u)" = 0 || {give_back}']


def _labels(index: int) -> str:
    return f'--label "jenkins=$BUILD_TAG" --label gl-job={index}'


def _run(image: Image, index: int, *, network: bool) -> str:
    options = [
        f"docker run --rm --init {_labels(index)}",
        *(['--network="$network"'] if network else []),
        *(f"-e {name}" for name in _FROM_AGENT),
        "-e CI_JOB_STATUS",
        '-v "$WORKSPACE:$WORKSPACE" -v "$WORKSPACE_TMP:$WORKSPACE_TMP:ro" -w "$WORKSPACE"',
        *_image_options(image),
    ]
    entrypoint = [part for part in image.entrypoint or () if part]
    if not entrypoint:
        return " ".join([*options, f"--entrypoint=sh {_name(image.name)} {SCRIPT}"])
    # The shell is the entrypoint's argument and reads its first line from there, as GitLab Runner does it:
    # so `["/bin/bash", "-c"]` works as well as `["tini", "--"]`.
    command = " ".join(word(part) for part in entrypoint[1:])
    line = [*options, "-i", f"--entrypoint={word(entrypoint[0])}", _name(image.name), command, "sh"]
    return f"echo 'exec sh {SCRIPT}' | " + " ".join(filter(None, line))


def _image_options(image: Image) -> list[str]:
    options = []
    if image.user is not None:
        options.append(f"--user={word(image.user)}")
    if image.platform is not None:
        options.append(f"--platform={word(image.platform)}")
    if image.pull_policy and image.pull_policy[0] in {"always", "never"}:
        options.append(f"--pull={image.pull_policy[0]}")
    return options


def _service(service: Service, index: int, variables: Mapping[str, str]) -> str:
    own = {name: value for name, value in variables.items() if not _PREDEFINED.match(name)}
    options = [f'docker run -d {_labels(index)} --network="$network"']
    options += [f"--network-alias={word(alias)}" for alias in aliases(service)]
    options += [f"--env={word(f'{name}={value}')}" for name, value in {**own, **service.variables}.items()]
    return " ".join([*options, *_service_command(service)])


def _service_command(service: Service) -> Sequence[str]:
    entrypoint = service.entrypoint or ()
    arguments = [word(part) for part in (*entrypoint[1:], *(service.command or ()))]
    override = [f"--entrypoint={word(entrypoint[0])}"] if entrypoint else []
    return [*override, _name(service.name), *arguments]


def _name(image: str) -> str:
    if not image or image.startswith("-") or re.search(r"[\s\0]", image):
        raise InputError(f"{image!r} is not an image name.", remedy="Write registry/repository:tag.")
    return word(image, AGENT_VARIABLES)
