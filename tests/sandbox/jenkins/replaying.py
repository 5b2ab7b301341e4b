"""Replays recorded exchanges against the stand-in and says how the answers differ in shape."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from sandbox.http import AppServer
from sandbox.jenkins.server import Jenkins

RECORDINGS = Path(__file__).parent / "recordings"
JSON = "application/json"
PASSWORD, TOKEN = "correct horse", "0123456789abcdef0123456789abcdef"
COMPARED = ("Content-Type", "X-Error", "WWW-Authenticate", "X-Jenkins", "X-Hudson", "X-More-Data")

# Objects other plugins of the recorded server add; no client of ours reads them.
FOREIGN = {
    "com.cloudbees.plugins.credentials.UserCredentialsProvider$UserCredentialsProperty",
    "hudson.model.MyViewsProperty",
    "hudson.model.PaneStatusProperties",
    "hudson.model.TimeZoneProperty",
    "hudson.plugins.emailext.watching.EmailExtWatchAction$UserProperty",
    "hudson.search.UserSearchProperty",
    "hudson.tasks.Mailer$UserProperty",
    "io.jenkins.plugins.thememanager.ThemeUserProperty",
    "jenkins.console.ConsoleUrlProviderUserProperty",
    "jenkins.model.experimentalflags.UserExperimentalFlagsProperty",
    "jenkins.security.seed.UserSeedProperty",
    "org.jenkinsci.plugins.displayurlapi.user.PreferredProviderUserProperty",
    "org.jenkinsci.plugins.workflow.cps.EnvActionImpl",
}


@dataclass
class Replay:
    """One stand-in with what a scenario shares: gates its builds wait at, and the placeholders learned so far."""

    home: Path
    runs: Mapping[str, Callable[[Any], str]]
    executors: int = 8
    quiet_period: float = 0.3
    gates: dict[str, threading.Event] = field(default_factory=lambda: defaultdict(threading.Event))
    items: dict[str, str] = field(default_factory=dict)
    token: str = ""
    tokens: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Replay:
        self.server: AppServer
        self.jenkins = Jenkins(
            self.home,
            lambda: self.server.url,
            {"admin": TOKEN},
            "/usr/bin:/bin",
            self.executors,
            self.quiet_period,
            run=self._run,
            passwords={"admin": PASSWORD},
            still_waiting=0.1,
        )
        self.server = AppServer(self.jenkins.app, name="jenkins").start()
        self.session = requests.Session()
        self.session.auth = ("admin", TOKEN)
        self.crumb = ""
        self.log_in()
        return self

    def __exit__(self, *_exc: object) -> None:
        for gate in self.gates.values():
            gate.set()
        self.jenkins.close()
        self.server.stop()

    def _run(self, host: Any) -> Any:
        host.gates = self.gates
        return self.runs[host.job_name](host)

    def log_in(self) -> None:
        """A session by password with its crumb."""
        self.browser = requests.Session()
        found = self.browser.get(f"{self.server.url}/crumbIssuer/api/json", auth=("admin", PASSWORD), timeout=5)
        self.crumb = found.json()["crumb"]

    def create(self, name: str, config: str) -> None:
        """A job or folder the recording expects to be there."""
        folder, _, short = name.rpartition("/")
        prefix = "".join(f"/job/{part}" for part in folder.split("/") if part)
        answer = self.session.post(
            f"{self.server.url}{prefix}/createItem",
            params={"name": short},
            data=config.encode(),
            headers={"Content-Type": "application/xml"},
            timeout=5,
        )
        assert answer.status_code == 200, answer.text

    def json(self, path: str) -> Any:
        """What an address shows now."""
        return self.session.get(self.server.url + path, timeout=5).json()

    def build(self, job: str, **parameters: str) -> int:
        """Start a build and wait until it has begun; its number."""
        action = "buildWithParameters" if parameters else "build"
        path = "".join(f"/job/{part}" for part in job.split("/"))
        answer = self.session.post(
            f"{self.server.url}{path}/{action}", params={"delay": "0sec"}, data=parameters, timeout=5
        )
        item = answer.headers["Location"].split("/queue/")[1]
        self.until(lambda: self.json(f"/queue/{item}api/json").get("executable"))
        return int(self.json(f"/queue/{item}api/json")["executable"]["number"])

    def finished(self, job: str, number: int) -> None:
        """Wait for the end of a build."""
        path = "".join(f"/job/{part}" for part in job.split("/"))
        self.until(lambda: not self.json(f"{path}/{number}/api/json?tree=building")["building"])

    def until(self, condition: Callable[[], Any], seconds: float = 5) -> None:
        """Poll."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "did not happen"
            time.sleep(0.01)

    def send(self, recorded: Mapping[str, Any]) -> requests.Response:
        """The recorded request, with placeholders filled in."""
        path = re.sub(r"queue/item/(\d+)", self._item, recorded["path"])
        path = re.sub(r"execution/node/(\d+)", self._node, path)
        query = re.sub(r"\bid=(\d+)", lambda found: f"id={self.items.get(found[1], found[1])}", recorded["query"])
        query = re.sub(r"start=(\d{2,})", lambda found: f"start={self.sizes.get(found[1], found[1])}", query)
        headers = {"Accept": "*/*", **recorded["headers"]}
        secret = headers.get("Authorization", "").removeprefix("Basic {admin:").removesuffix("}")
        if secret:
            known = {"password": PASSWORD, "wrong": "no", "{token}": self.token}
            headers["Authorization"] = "Basic " + base64.b64encode(f"admin:{known[secret]}".encode()).decode()
        if "Jenkins-Crumb" in headers:
            headers["Jenkins-Crumb"] = self.crumb
        session = self.browser if "Jenkins-Crumb" in headers else requests.Session()
        body = recorded["body"]
        for placeholder, value in self.tokens.items():
            body = body.replace(placeholder, value) if body else body
        request = requests.Request(
            recorded["method"],
            f"{self.server.url}{path}",
            headers=headers,
            data=body.encode() if body is not None else None,
        )
        prepared = session.prepare_request(request)
        prepared.url = f"{self.server.url}{path}{'?' + query if query else ''}"
        return session.send(prepared, allow_redirects=False, timeout=10)

    def _item(self, found: re.Match[str]) -> str:
        return f"queue/item/{self.items.get(found[1], found[1])}"

    def _node(self, found: re.Match[str]) -> str:
        return f"execution/node/{self.nodes.get(found[1], found[1])}"

    def compare(self, recorded: Mapping[str, Any], answer: requests.Response) -> list[str]:
        """Differences in status, headers and the keys of JSON; learns ids on the way."""
        found = []
        if answer.status_code != recorded["status"]:
            return [f"status {answer.status_code}, recorded {recorded['status']}: {answer.text[:300]}"]
        for name in COMPARED:
            had, has = recorded["headers"].get(name), answer.headers.get(name)
            had = had.strip() if had else had  # h11 sends no trailing blank
            if had != has:
                found.append(f"{name}: {has!r}, recorded {had!r}")
        found += self._location(recorded["headers"].get("Location"), answer.headers.get("Location"))
        if "X-Text-Size" in recorded["headers"]:
            self.sizes[recorded["headers"]["X-Text-Size"]] = answer.headers["X-Text-Size"]
        if "pipeline-model-converter" in answer.url and answer.headers["Content-Type"].startswith(("text/plain", JSON)):
            same = (
                answer.json() == recorded["body"]
                if JSON in answer.headers["Content-Type"]
                else (answer.text == recorded["body"])
            )
            found += [] if same else [f"{answer.text!r}, recorded {recorded['body']!r}"]
        if isinstance(recorded["body"], dict | list):
            found += differences(recorded["body"], answer.json(), "$")
            self._learn(recorded["body"], answer.json())
        return found

    def _location(self, had: str | None, has: str | None) -> list[str]:
        if had is None or has is None:
            return [] if had == has else [f"Location: {has!r}, recorded {had!r}"]
        item = re.search(r"queue/item/(\d+)", had)
        if item:
            now = re.search(r"queue/item/(\d+)", has)
            if now is None or self.items.setdefault(item[1], now[1]) != now[1]:
                return [f"Location: {has!r}, recorded {had!r} is {self.items.get(item[1])}"]
            return []
        expected = re.sub(r"execution/node/(\d+)", self._node, had.replace("{jenkins}", self.server.url))
        return [] if has == expected else [f"Location: {has!r}, recorded {expected!r}"]

    def _learn(self, had: Any, has: Any) -> None:
        """Node ids by the names of stages and steps; the values of generated tokens; ids in the queue."""
        if isinstance(had, list) and isinstance(has, list):
            for one, other in zip(had, has, strict=False):
                self._learn(one, other)
        if not isinstance(had, dict) or not isinstance(has, dict):
            return
        if "execNode" in had and had.get("name") == has.get("name"):
            self.nodes[had["id"]] = has["id"]
        if "tokenValue" in had:
            self.token = has["tokenValue"]
            self.tokens[had["tokenUuid"]] = has["tokenUuid"]
        if str(had.get("_class", "")).startswith("hudson.model.Queue$"):
            self.items[str(had["id"])] = str(has["id"])
        for key in had.keys() & has.keys():
            self._learn(had[key], has[key])


def differences(had: Any, has: Any, where: str) -> list[str]:
    """Where the keys of two JSON values differ; list entries are matched by their class."""
    if isinstance(had, list) and isinstance(has, list):
        return _list_differences(had, has, where)
    if not isinstance(had, dict) or not isinstance(has, dict):
        plain = (had is None or has is None) or type(had) is type(has) or {type(had), type(has)} <= {int, float}
        return [] if plain else [f"{where}: {type(has).__name__}, recorded {type(had).__name__}"]
    found = [f"{where}: no {key}" for key in had.keys() - has.keys()]
    found += [f"{where}: {key} was not recorded" for key in has.keys() - had.keys()]
    if had.get("_class") != has.get("_class"):
        found.append(f"{where}: {has.get('_class')}, recorded {had.get('_class')}")
    for key in had.keys() & has.keys():
        found += differences(had[key], has[key], f"{where}.{key}")
    return found


def _list_differences(had: list[Any], has: list[Any], where: str) -> list[str]:
    """Entries are matched by class and name; what exports nothing (``{}``) is not looked at."""
    found = []
    known = {_key(each): each for each in has if isinstance(each, dict)}
    for each in had:
        if not isinstance(each, dict) or not each or each.get("_class") in FOREIGN:
            continue
        if _key(each) not in known:
            found.append(f"{where}: no {_key(each)}")
        else:
            found += differences(each, known[_key(each)], f"{where}[{_key(each)}]")
    return found


def _key(entry: Mapping[str, Any]) -> tuple[Any, Any]:
    return entry.get("_class"), entry.get("shortName") or entry.get("name") or entry.get("number")


def load(name: str) -> list[dict[str, Any]]:
    """The exchanges of a recording."""
    path = next(RECORDINGS.glob(f"{name}-*.json"))
    return list(json.loads(path.read_text())["exchanges"])
