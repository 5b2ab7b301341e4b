"""The declarative linter against the texts recorded from a real Jenkins."""

import json
import urllib.parse
from pathlib import Path

import pytest

from sandbox.jenkins.executor import validate

HERE = Path(__file__).parent
GOLDEN = Path(__file__).parents[2] / "tasks" / "jenkins_build" / "golden"


def _recorded():
    exchanges = json.loads((HERE / "recordings" / "53-validate.json").read_text())["exchanges"]
    for exchange in exchanges:
        request, body = exchange["request"], exchange["response"]["body"]
        if request["path"].endswith("/validate") and (request["body"] or "").startswith("jenkinsfile="):
            script = urllib.parse.parse_qs(request["body"], keep_blank_values=True)["jenkinsfile"][0]
            yield pytest.param(script, body, id=exchange["note"])


def page(script):
    """What the server makes of the errors."""
    errors = validate(script)
    if not errors:
        return "Jenkinsfile successfully validated.\n"
    heading = "" if "did not contain" in errors[0] else "Errors encountered validating Jenkinsfile:\n"
    return heading + "".join(error + "\n" for error in errors)


@pytest.mark.parametrize(("script", "body"), list(_recorded()))
def test_the_recorded_texts(script, body):
    assert page(script) == body


@pytest.mark.parametrize("path", sorted((HERE / "examples").iterdir()), ids=lambda path: path.stem)
def test_the_examples_are_valid(path):
    assert validate(path.read_text()) == []


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.Jenkinsfile")), ids=lambda path: path.stem)
def test_the_rendered_pipelines_are_valid(path):
    assert validate(path.read_text()) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("agent any", 'Missing required section "stages" @ line 1, column 1.'),
        ("agent any\nfoo { }\nstages { stage('a') { steps { echo 'x' } } }",
         'Undefined section "foo" @ line 3, column 1.'),
        ("agent any\nstages { stage('a') { foo { }\nsteps { echo 'x' } } }",
         'Unknown stage section "foo". Starting with version 0.5'),
        ("agent any\nstages { stage('a') { steps { if (true) { echo 'x' } } } }",
         "Expected a step @ line 3, column 31."),
        ("agent any\nstages { stage('a') { parallel { stage('b') { parallel {"
         " stage('c') { steps { echo 'x' } } } } } } }",
         "Parallel stages or branches can only be included in a top-level stage."),
        ("agent any\nstages { stage('a') { matrix { } } }",
         'Section "matrix" is not supported by the Jenkins stand-in @ line 3, column 23.'),
        ("agent any\nstages { stage('a') { when { never() }\nsteps { echo 'x' } } }", "Unknown conditional never."),
    ],
)  # fmt: skip
def test_other_errors(body, message):
    assert message in "\n".join(validate(f"pipeline {{\n{body}\n}}"))
