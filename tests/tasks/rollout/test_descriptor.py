import pytest

from errors import InputError
from tasks.rollout.descriptor import SecretKey, merge, resolve


def test_without_a_file_the_defaults_hold():
    descriptor = resolve(None, {}, "group/sub/My_Shop")
    assert descriptor.name == "my-shop"
    assert (descriptor.port, descriptor.replicas, descriptor.image.builder) == (8080, 1, "jenkins")
    assert descriptor.probes.readiness
    assert descriptor.probes.liveness is None
    assert descriptor.security.allow_privilege_escalation is False


def test_numbers_and_booleans_become_text_where_kubernetes_wants_text():
    text = "variables: {PORT: 8080, DEBUG: true, KEY: {secret: db, key: password}}\nresources: {limits: {cpu: 1}}\n"
    descriptor = resolve(text, {}, "g/app")
    assert descriptor.variables == {"PORT": "8080", "DEBUG": "true", "KEY": SecretKey(secret="db", key="password")}
    assert descriptor.resources.limits.cpu == "1"


def test_a_command_as_text_is_a_shell_command():
    assert resolve("command: ./run --all", {}, "g/app").command == ("/bin/sh", "-c", "./run --all")
    assert resolve("command: [./run, --all]", {}, "g/app").command == ("./run", "--all")


def test_overrides_merge_and_null_takes_away():
    text = "replicas: 3\nvariables: {A: a, B: b}\nstrategy: {type: recreate}\n"
    descriptor = resolve(text, {"variables": {"B": "c", "A": None}, "strategy": None}, "g/app")
    assert descriptor.replicas == 3
    assert descriptor.variables == {"B": "c"}
    assert descriptor.strategy.type == "rolling"


def test_merge_never_changes_its_arguments():
    base = {"a": {"b": 1}}
    assert merge(base, {"a": {"c": [1]}, "d": {"e": None}}) == {"a": {"b": 1, "c": [1]}, "d": {}}
    assert base == {"a": {"b": 1}}


def test_readiness_can_be_turned_off():
    assert resolve("probes: {readiness: false}", {}, "g/app").probes.readiness is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot: 80", ".smartclide.yml:1:1: unknown key 'prot'; did you mean 'port'?"),
        (
            "probes:\n  readiness:\n    pth: /health",
            ".smartclide.yml:3:5: unknown key 'probes.readiness.pth'; did you mean 'path'?",
        ),
        (
            "resources:\n  requests: {cpu: lots}",
            ".smartclide.yml:2:14: resources.requests.cpu: 'lots' is not a Kubernetes quantity; "
            "write e.g. 250m (CPU) or 128Mi (memory).",
        ),
        (
            "resources:\n  requests: {memory: 1Gi}\n  limits: {memory: 512Mi}",
            ".smartclide.yml:1:1: resources: requests.memory 1Gi is more than limits.memory 512Mi.",
        ),
        ("variables:\n  A: {secret: x}", ".smartclide.yml:2:3: variables.A.key: Field required."),
        ("variables:\n  1A: x", ".smartclide.yml:1:1: variables: '1A' is not the name of an environment variable."),
        ("port: 0", ".smartclide.yml:1:1: port: Input should be greater than or equal to 1."),
        ("port: 80\nport: 81", ".smartclide.yml:2:1: 'port' is given twice."),
        ("a: [1", ".smartclide.yml:1:6: not valid YAML: expected ',' or ']', but got '<stream end>'."),
        ("- a", ".smartclide.yml:1:1: a mapping is expected."),
        ("name: Shop", ".smartclide.yml:1:1: name: a name is a lower-case letter, then at most 62"),
        ("labels: {smartclide.eu/x: y}", ".smartclide.yml:1:1: labels: 'smartclide.eu/x' is kept for the deployment"),
        ("probes: {liveness: {path: /, tcp: true}}", "probes.liveness: a probe has one of path, tcp, command."),
        ("strategy: {max_surge: 0, max_unavailable: 0%}", "max_surge and max_unavailable cannot both be 0."),
    ],
)
def test_mistakes_name_the_place(text, message):
    with pytest.raises(InputError) as caught:
        resolve(text, {}, "g/app")
    assert message in str(caught.value)


def test_all_mistakes_at_once_and_those_of_the_parameter_named_as_such():
    with pytest.raises(InputError) as caught:
        resolve("prot: 80\nstrategy: {type: rolling}", {"replicas": -1, "strategy": {"typ": "x"}}, "g/app")
    assert caught.value.message.splitlines() == [
        "descriptor parameter: replicas: Input should be greater than or equal to 0.",
        "descriptor parameter: unknown key 'strategy.typ'; did you mean 'type'?",
        ".smartclide.yml:1:1: unknown key 'prot'; did you mean 'port'?",
    ]


def test_the_value_of_a_wrong_secret_is_not_repeated():
    with pytest.raises(InputError) as caught:
        resolve(None, {"variables": {"TOKEN": ["hunter2"]}}, "g/app")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
