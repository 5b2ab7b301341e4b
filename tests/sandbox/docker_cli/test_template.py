"""``--format``."""

import pytest

from sandbox.docker_cli.errors import DockerError
from sandbox.docker_cli.template import render

IMAGE = {
    "Id": "sha256:1",
    "RepoDigests": ["a@1", "b@2"],
    "Empty": [],
    "Config": {"Labels": {"x.y": "1", "a": "2"}, "User": "", "Env": None},
    "Big": True,
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("{{.Id}} {{ .Config.User }}!", "sha256:1 !"),
        ("{{range .RepoDigests}}{{println .}}{{end}}", "a@1\nb@2\n"),
        ("{{range .Empty}}{{println .}}{{end}}x", "x"),
        ("{{range .RepoDigests}}<{{.}}>{{end}} {{.Big}}", "<a@1><b@2> true"),
        ("{{json .Config.Labels}}", '{"x.y":"1","a":"2"}'),
        ('{{index .Config.Labels "x.y"}}{{index .Config.Labels "none"}}', "1"),
        ("{{index .RepoDigests 0}}", "a@1"),
        ("{{.RepoDigests}} {{.Config.Labels}} {{.Config.Env}}", "[a@1 b@2] map[a:2 x.y:1] <nil>"),
        ("{{len .RepoDigests}}", "2"),
    ],
)
def test_known_templates(template: str, expected: str) -> None:
    assert render(template, IMAGE) == expected


@pytest.mark.parametrize(
    ("template", "code", "words"),
    [
        ("{{if .Id}}x{{end}}", 125, "'if .Id' is not known"),
        ("{{.Id | upper}}", 125, "is not known"),
        ("{{end}}", 125, "'end' is not known"),
        ("{{.None}}", 1, "can't evaluate field None"),
        ("{{index .RepoDigests 7}}", 1, "out of range"),
        ("{{range .RepoDigests}}x", 1, "range without end"),
        ("{{range .Id}}x{{end}}", 1, "can't iterate"),
    ],
)
def test_refused_templates(template: str, code: int, words: str) -> None:
    with pytest.raises(DockerError, match=words) as caught:
        render(template, IMAGE)
    assert caught.value.code == code
