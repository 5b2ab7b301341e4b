"""A small `BuildHost`: one build, its console and its flow graph in memory."""

import threading
import time
from contextlib import contextmanager
from pathlib import Path

from sandbox.jenkins.model import AgentLease, BuildAbortedError, Credential, FlowNode


class FakeHost:
    def __init__(self, folder: Path, script: str, parameters=None, *, job_name="demo/app", credentials=(), path=None):
        self.job_name, self.number, self.script = job_name, 7, script
        self.parameters = dict(parameters or {})
        self.jenkins_url = "http://jenkins.test/"
        self.build_url = f"{self.jenkins_url}job/{'/job/'.join(job_name.split('/'))}/7/"
        self.folder = folder / "build"
        self.folder.mkdir(parents=True)
        self.workspaces = folder / "workspace"
        self.aborted, self.killed = threading.Event(), threading.Event()
        self.description = self.display_name = self.result = None
        self.test_reports = []
        self.variables = {}
        self.scm = None
        self.earlier = None
        self.restart_stage = self.restarted_folder = None
        self.credentials = {credential.id: credential for credential in credentials}
        self.nodes: list[FlowNode] = []
        self.triggered = []
        self.answers = {}
        self.asked = threading.Event()
        self.agent_environment = {"PATH": path} if path else {}
        self._console, self._used, self._lock = [], set(), threading.Lock()

    @property
    def console(self) -> str:
        return "".join(self._console)

    def log(self, text, note=None):
        self._console.append(text)

    def begin(self, kind, name, parents, enclosing=None, node_id=None):
        with self._lock:
            node_id = node_id or str(len(self.nodes) + 3)
            node = FlowNode(node_id, kind, name, parents, int(time.time() * 1000), enclosing=enclosing)
            self.nodes.append(node)
            return node

    def end(self, node, status, error=None):
        assert node.ended is None
        node.ended, node.status, node.error = int(time.time() * 1000), status, error

    def statuses(self, kind="stage"):
        return [(node.name, node.status) for node in self.nodes if node.kind == kind]

    @contextmanager
    def lease(self, label):
        if label == "never":
            self.aborted.wait()
            raise BuildAbortedError
        with self._lock:
            name = self.job_name
            number = 1
            while name in self._used:
                number += 1
                name = f"{self.job_name}@{number}"
            self._used.add(name)
        try:
            yield AgentLease(label or "built-in", self.workspaces / name, self.agent_environment)
        finally:
            with self._lock:
                self._used.discard(name)

    def previous(self):
        return self.earlier

    def credential(self, credentials_id) -> Credential | None:
        return self.credentials.get(credentials_id)

    def input(self, input_id, message, ok, parameters, cancelled):
        self.asked.set()
        while input_id not in self.answers:
            if cancelled():
                raise BuildAbortedError
            time.sleep(0.005)
        return self.answers[input_id]

    def trigger(self, job, parameters):
        self.triggered.append((job, dict(parameters)))
        return self.answers[job]
