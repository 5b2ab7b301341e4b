import base64
import json

from tasks.rollout.descriptor import resolve
from tasks.rollout.manifest import (
    Origin,
    RegistryLogin,
    namespace,
    pull_secret,
    stamp,
    without_replicas,
    without_secrets,
    workload,
)
from tasks.rollout.names import Identity

IDENTITY = Identity("shop", "apps", "staging", "group/shop")
ORIGIN = Origin("c0ffee" * 6 + "abcd", "main", "build-1", "release-1", "run-1")
IMAGE = "registry.example.com/group/shop@sha256:" + "0" * 64
LABELS = {
    "app.kubernetes.io/name": "shop",
    "app.kubernetes.io/managed-by": "smartclide",
    "smartclide.eu/environment": "staging",
    "smartclide.eu/project": "group-shop",
    "smartclide.eu/revision": "4",
}


def made(text="", has_login=False):
    return stamp(workload(resolve(text, {}, "group/shop"), IMAGE, IDENTITY, ORIGIN, has_login=has_login), 4)


def test_the_whole_of_a_default_deployment():
    deployment, service = made()
    assert service == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "shop",
            "namespace": "apps",
            "labels": LABELS,
            "annotations": {"smartclide.eu/project-path": "group/shop"},
        },
        "spec": {
            "type": "ClusterIP",
            "selector": {"app.kubernetes.io/name": "shop", "app.kubernetes.io/managed-by": "smartclide"},
            "ports": [{"name": "http", "port": 8080, "targetPort": 8080, "protocol": "TCP"}],
        },
    }
    assert deployment["metadata"]["labels"] == LABELS
    assert deployment["metadata"]["annotations"] == {
        "smartclide.eu/project-path": "group/shop",
        "smartclide.eu/commit": ORIGIN.commit_sha,
        "smartclide.eu/ref": "main",
        "smartclide.eu/build-key": "build-1",
        "smartclide.eu/release-key": "release-1",
        "smartclide.eu/image": IMAGE,
        "smartclide.eu/flow-run-id": "run-1",
    }
    template = deployment["spec"].pop("template")
    assert deployment["spec"] == {
        "replicas": 1,
        "revisionHistoryLimit": 2,
        "minReadySeconds": 0,
        "progressDeadlineSeconds": 300,
        "selector": {"matchLabels": {"app.kubernetes.io/name": "shop", "app.kubernetes.io/managed-by": "smartclide"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
    }
    assert template["metadata"]["labels"] == LABELS
    assert template["spec"] == {
        "automountServiceAccountToken": False,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "shop",
                "image": IMAGE,
                "imagePullPolicy": "IfNotPresent",
                "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": False},
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "readinessProbe": {
                    "tcpSocket": {"port": 8080},
                    "initialDelaySeconds": 0,
                    "periodSeconds": 5,
                    "timeoutSeconds": 2,
                    "failureThreshold": 3,
                },
            }
        ],
    }


def test_everything_the_descriptor_can_say():
    deployment, service = made(
        """
port: 3000
replicas: 2
service_account: robot
command: [./run]
args: [--port, 3000]
labels: {team: blue}
annotations: {note: hi}
resources: {requests: {cpu: 100m}, limits: {memory: 64Mi}}
probes:
  readiness: {path: /ready, period_seconds: 1}
  liveness: {command: [test, -f, /alive]}
  startup: {tcp: true, port: 3001, failure_threshold: 30}
variables: {A: 1, B: {secret: db, key: password}}
strategy: {type: recreate, min_ready_seconds: 3, progress_deadline_seconds: 60}
security: {run_as_user: 1000, run_as_non_root: true, read_only_root_filesystem: true, drop_capabilities: [ALL]}
""",
        has_login=True,
    )
    pod = deployment["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["imagePullSecrets"] == [{"name": "shop-pull"}]
    assert pod["serviceAccountName"] == "robot"
    assert "automountServiceAccountToken" not in pod
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (2, {"type": "Recreate"})
    assert (container["command"], container["args"]) == (["./run"], ["--port", "3000"])
    assert container["resources"] == {"requests": {"cpu": "100m"}, "limits": {"memory": "64Mi"}}
    assert container["env"] == [
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
    ]
    assert container["readinessProbe"]["httpGet"] == {"path": "/ready", "port": 3000, "scheme": "HTTP"}
    assert container["livenessProbe"]["exec"] == {"command": ["test", "-f", "/alive"]}
    assert container["startupProbe"]["tcpSocket"] == {"port": 3001}
    assert container["startupProbe"]["failureThreshold"] == 30
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsUser": 1000,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert deployment["spec"]["template"]["metadata"]["annotations"]["note"] == "hi"
    assert deployment["spec"]["template"]["metadata"]["labels"]["team"] == "blue"
    assert service["spec"]["ports"] == [{"name": "http", "port": 3000, "targetPort": 3000, "protocol": "TCP"}]
    assert service["metadata"]["labels"]["team"] == "blue"


def test_the_pull_secret_holds_the_login_and_shows_it_nowhere_else():
    login = RegistryLogin("registry.example.com:5000", "robot", "s3cret")
    secret = pull_secret(IDENTITY, login)
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert json.loads(base64.b64decode(secret["data"][".dockerconfigjson"])) == {
        "auths": {"registry.example.com:5000": {"username": "robot", "password": "s3cret", "auth": "cm9ib3Q6czNjcmV0"}}
    }
    assert "s3cret" not in repr(login)
    (recorded,) = without_secrets((secret,))
    assert "data" not in recorded
    assert recorded["metadata"]["name"] == "shop-pull"


def test_the_pull_secret_names_docker_hub_as_docker_does():
    secret = pull_secret(IDENTITY, RegistryLogin("docker.io", "robot", "s3cret"))
    assert list(json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"]) == [
        "https://index.docker.io/v1/"
    ]


def test_stamping_again_leaves_the_original_alone():
    first = made()
    second = stamp(first, 9, flow_run_id="run-9")
    assert first[0]["metadata"]["labels"]["smartclide.eu/revision"] == "4"
    assert second[0]["metadata"]["labels"]["smartclide.eu/revision"] == "9"
    assert second[0]["spec"]["template"]["metadata"]["labels"]["smartclide.eu/revision"] == "9"
    assert second[0]["metadata"]["annotations"]["smartclide.eu/flow-run-id"] == "run-9"


def test_an_autoscaler_keeps_the_number_of_pods():
    deployment, service = without_replicas(made())
    assert "replicas" not in deployment["spec"]
    assert service == made()[1]


def test_a_namespace_is_not_ours():
    assert namespace("apps") == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "apps"}}
