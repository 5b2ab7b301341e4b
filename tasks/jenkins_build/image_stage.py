"""The last stage: build the image from the Dockerfile at the commit, push it, and tell its digest."""

from __future__ import annotations

from collections.abc import Iterable

from docker_hub import DOCKER_HUB
from tasks.jenkins_build.groovy import Block, Code, Lines, Source, Statement, Step, Text, literal
from tasks.jenkins_build.job_script import word
from tasks.jenkins_build.settings import ImageBuild

PUSH_FUNCTION = "pushImage"


def script_lines(image: ImageBuild, commit: str, before: Iterable[str] = ()) -> list[str]:
    """The stage's shell text; `commit` is a shell word, `before` comes first."""
    reference = word(image.repository) + ":" + (word(image.tag) if image.tag else commit)
    arguments = [
        f'--label "org.opencontainers.image.revision=$COMMIT" -f {word(f"./{image.dockerfile}")}',
        *(f"--build-arg={word(f'{name}={value}')}" for name, value in image.build_args.items()),
    ]
    return [
        "#!/bin/sh",
        "set -e",
        *before,
        f"IMAGE={reference}",
        f"COMMIT={commit}",
        'PLUGINS="${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins"',
        'export DOCKER_CONFIG="$WORKSPACE_TMP/docker"  # a login must not reach the home of the agent\'s user',
        "trap 'rm -rf \"$DOCKER_CONFIG\"' EXIT",
        'mkdir -p "$DOCKER_CONFIG"',
        'if test -d "$PLUGINS"; then ln -sfn "$PLUGINS" "$DOCKER_CONFIG/cli-plugins"; fi  # buildx, maybe',
        *_login(image),
        f'docker build {" ".join(arguments)} -t "$IMAGE" .',
        "tries=0  # a registry that drops a connection must not cost the whole build",
        'until docker push "$IMAGE"; do',
        "  tries=$((tries + 1))",
        '  test "$tries" -lt 4 || exit 1',
        "  sleep $((tries * 2))",
        "done",
        "digest=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' \"$IMAGE\""
        f" | {_of_repository(image.repository)} | head -n 1)",
        'test -n "$digest"',
        'printf \'{"image": "%s", "digest": "%s", "commit": "%s"}\\n\' "$IMAGE" "${digest#*@}" "$COMMIT" > image.json',
    ]


def _of_repository(repository: str) -> str:
    """The command that keeps the digests of the repository; Docker leaves out Docker Hub's name, podman does not."""
    host, _, path = repository.partition("/")
    if host != DOCKER_HUB:
        return 'grep -F "${IMAGE%:*}@"'
    return f"grep -E {word(f'^(docker[.]io/)?{path}@')}"


def _login(image: ImageBuild) -> list[str]:
    if image.registry_credentials_id is None:
        return []
    registry = word(image.repository.partition("/")[0])
    return [f'printf %s "$REGISTRY_PASSWORD" | docker login -u "$REGISTRY_USER" --password-stdin {registry}']


def function(image: ImageBuild, commit: str, before: Iterable[str] = ()) -> Block:
    """The function that holds the shell text."""
    lines = tuple(map(Text, script_lines(image, commit, before)))
    return Block(f"@NonCPS\nString {PUSH_FUNCTION}()", (Lines(lines),))


def steps(image: ImageBuild) -> tuple[Statement, ...]:
    """Build and push, with the login where there is one; then hand back what was pushed."""
    push: Statement = Step("sh", (), (("label", Text("build and push")), ("script", Code(f"{PUSH_FUNCTION}()"))))
    if image.registry_credentials_id is not None:
        binding = Step("withCredentials", (Code(_binding(image.registry_credentials_id)),), body=(push,))
        push = binding
    return (
        push,
        Step("archiveArtifacts", (), (("artifacts", Text("image.json")), ("fingerprint", Code("true")))),
        Block("script", (Source("currentBuild.description = readFile('image.json').trim()"),)),
    )


def _binding(credentials_id: str) -> str:
    names = "usernameVariable: 'REGISTRY_USER', passwordVariable: 'REGISTRY_PASSWORD'"
    return f"[usernamePassword(credentialsId: {literal(credentials_id)}, {names})]"


def post(image: ImageBuild) -> tuple[Statement, ...]:
    """Forget the login, also after an abort, which leaves the script's own trap no time."""
    if image.registry_credentials_id is None:
        return ()
    return (Block("post", (Block("always", (forget_login(),)),)),)


def forget_login() -> Step:
    """Remove what `docker login` kept."""
    script = Text('#!/bin/sh\nrm -rf "$WORKSPACE_TMP/docker"')
    return Step("sh", (), (("label", Text("forget the login")), ("script", script)))
