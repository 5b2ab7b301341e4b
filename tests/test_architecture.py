"""What may import what, checked file by file; the layers themselves are import-linter's (pyproject.toml)."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NETWORK = {
    "httpx",
    "requests",
    "urllib3",
    "urllib",
    "http",
    "socket",
    "gitlab",
    "jenkins",
    "docker",
    "kubernetes",
    "aiohttp",
}
HEAVY = {"pandas", "numpy", "pydantic", "pyarrow", "matplotlib", "jinja2"}
# [n] one network adapter a step, in as many files as it needs; [p] files that import Prefect
ADAPTERS = {
    "tasks/source/repository.py", "tasks/source/gitlab_fault.py", "tasks/source/remote.py",
    "tasks/jenkins_build/connection.py", "tasks/jenkins_build/server.py", "tasks/jenkins_build/jobs.py",
    "tasks/remote_interpretation/server.py",
    "tasks/image/registry.py", "tasks/image/engine.py", "tasks/image/context.py",
    "tasks/rollout/cluster.py", "tasks/rollout/kinds.py", "tasks/rollout/refusals.py",
    "tasks/metrics/kubelet.py", "tasks/metrics/metrics_api.py",
    "tasks/transport.py", "tasks/turns.py",
    # to Prefect alone: they name the errors of its client
    "tasks/jenkins_build/progress.py", "tasks/jenkins_build/leftovers.py",
}  # fmt: skip
PREFECT_NAMES = {
    "task.py", "publication.py", "logs.py", "rollout.py", "turns.py", "mirrors.py", "progress.py", "leftovers.py",
}  # fmt: skip
FAST = [
    "tasks/source/model.py",
    "tasks/interpretation",
    "tasks/jenkins_build/groovy.py",
    "tasks/jenkins_build/jenkinsfile.py",
]


def imports(path):
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module or "")
    return names


def tops(path):
    allowed = {"urllib.parse"}  # string work, no network
    return {name.split(".")[0] for name in imports(path) if name not in allowed}


FILES = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "tasks").rglob("*.py"))


@pytest.mark.parametrize("path", FILES)
def test_a_pure_file_imports_neither_prefect_nor_a_network_client(path):
    found = tops(ROOT / path)
    if Path(path).name not in PREFECT_NAMES:
        assert "prefect" not in found
    if path not in ADAPTERS:
        assert not found & NETWORK


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.startswith(tuple(FAST)) and not p.endswith(tuple(PREFECT_NAMES))]
)
def test_what_interpret_imports_stays_light(path):
    assert not tops(ROOT / path) & HEAVY


@pytest.mark.parametrize("path", sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("*/**/__init__.py")
                                        if ".venv" not in p.parts))  # fmt: skip
def test_init_files_are_empty_of_imports_but_the_blocks(path):
    if path != "blocks/__init__.py":
        assert imports(ROOT / path) == set()


@pytest.mark.parametrize(
    "path",
    sorted(
        p.relative_to(ROOT).as_posix()
        for top in ("cli.py", "docker_hub.py", "errors.py", "flows", "tasks", "blocks", "console", "sandbox")
        for p in ((ROOT / top).rglob("*.py") if (ROOT / top).is_dir() else [ROOT / top])
    ),
)
def test_no_file_is_longer_than_400_lines(path):
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= 400


def test_no_flow_or_block_file_is_named_like_a_library():
    from importlib.util import find_spec

    names = [p.stem for top in ("flows", "blocks") for p in (ROOT / top).glob("*.py") if p.stem != "__init__"]
    installed = [name for name in names if (spec := find_spec(name)) and "site-packages" in str(spec.origin)]
    assert installed == []
