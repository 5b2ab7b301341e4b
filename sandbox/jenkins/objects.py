"""The objects every pipeline finds: ``env``, ``params``, ``currentBuild``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sandbox.jenkins.context import Build
from sandbox.jenkins.groovy import values
from sandbox.jenkins.groovy.values import HostObject, UnsupportedError, throw, to_string
from sandbox.jenkins.model import EarlierBuild

_RAW_BUILD = "method org.jenkinsci.plugins.workflow.support.steps.build.RunWrapper getRawBuild"


class Env(HostObject):
    """``env``: what is set; an empty value counts as unset."""

    def __init__(self, build: Build) -> None:
        self.build = build

    def get(self, name: str) -> Any:
        """A variable's value, None if it is unset or empty."""
        return self.build.environment().get(name)

    def set(self, name: str, value: Any) -> None:
        """Set a variable for the rest of the build."""
        with self.build.lock:
            self.build.global_env[name] = "" if value is None else to_string(value)

    def call(self, name: str, arguments: list[Any]) -> Any:
        """``getEnvironment()`` and ``getProperty(name)``."""
        if name == "getEnvironment":
            return self.build.environment()
        if name == "getProperty":
            return self.get(to_string(arguments[0]))
        return super().call(f"env.{name}", arguments)


class Params(HostObject):
    """``params``: the build's parameters, typed."""

    is_map = True

    def __init__(self, build: Build) -> None:
        self.build = build

    def get(self, name: str) -> Any:
        """A parameter; None if there is none."""
        return self.build.parameters.get(name)

    def set(self, name: str, value: Any) -> None:
        """Parameters do not change."""
        raise throw("UnsupportedOperationException")

    def call(self, name: str, arguments: list[Any]) -> Any:
        """The methods of a map."""
        return values_of_map(dict(self.build.parameters), name, arguments)


def values_of_map(found: dict[str, Any], name: str, arguments: list[Any]) -> Any:
    """A method of a map."""
    from sandbox.jenkins.groovy.methods import call_method

    return call_method(found, name, arguments)


def _earlier(build: EarlierBuild | None) -> PreviousBuild | None:
    return None if build is None else PreviousBuild(build)


class PreviousBuild(HostObject):
    """``currentBuild.previousBuild``: a build that is over or still runs."""

    def __init__(self, build: EarlierBuild) -> None:
        self.build = build

    def get(self, name: str) -> Any:
        """A property."""
        if name == "rawBuild":
            raise values.rejected(_RAW_BUILD)
        known: dict[str, Callable[[], Any]] = {
            "number": lambda: self.build.number,
            "id": lambda: str(self.build.number),
            "result": lambda: self.build.result,
            "currentResult": lambda: self.build.result or "SUCCESS",
            "buildVariables": lambda: dict(self.build.variables),
            "previousBuild": lambda: _earlier(self.build.previous()),
        }
        if name not in known:
            raise UnsupportedError(f"previousBuild.{name} is not supported by the Jenkins stand-in")
        return known[name]()


class CurrentBuild(HostObject):
    """``currentBuild``."""

    def __init__(self, build: Build) -> None:
        self.build = build
        self.started = time.time()

    def get(self, name: str) -> Any:
        """A property."""
        if name == "rawBuild":
            raise values.rejected(_RAW_BUILD)
        host = self.build.host
        milliseconds = int((time.time() - self.started) * 1000)
        known: dict[str, Any] = {
            "result": host.result,
            "currentResult": host.result or "SUCCESS",
            "description": host.description,
            "displayName": host.display_name or f"#{host.number}",
            "fullDisplayName": f"{host.job_name.replace('/', ' » ')} {host.display_name or f'#{host.number}'}",
            "number": host.number,
            "id": str(host.number),
            "projectName": host.job_name.rsplit("/", 1)[-1],
            "fullProjectName": host.job_name,
            "absoluteUrl": host.build_url,
            "duration": milliseconds,
            "durationString": f"{milliseconds / 1000:.1f} sec and counting",
            "startTimeInMillis": int(self.started * 1000),
            "timeInMillis": int(self.started * 1000),
            "previousBuild": _earlier(host.previous()),
            "buildVariables": dict(self.build.global_env),
            "keepLog": False,
            "changeSets": [],
        }
        if name not in known:
            raise throw("MissingPropertyException", f"No such property: {name} for class: RunWrapper")
        return known[name]

    def set(self, name: str, value: Any) -> None:
        """``result``, ``description`` or ``displayName``."""
        host = self.build.host
        if name == "result":
            if value not in ("SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED"):
                raise throw("IllegalArgumentException", f"Result {to_string(value)} is invalid")
            self.build.set_result(value)
        elif name == "description":
            host.description = None if value is None else to_string(value)
        elif name == "displayName":
            host.display_name = None if value is None else to_string(value)
        else:
            raise UnsupportedError(f"currentBuild.{name} = ... is not supported by the Jenkins stand-in")

    def call(self, name: str, arguments: list[Any]) -> Any:
        """Getters, setters, ``resultIsBetterOrEqualTo`` and ``resultIsWorseOrEqualTo``."""
        order = ["SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED"]
        current = order.index(self.build.host.result or "SUCCESS")
        if name == "resultIsBetterOrEqualTo":
            return current <= order.index(to_string(arguments[0]))
        if name == "resultIsWorseOrEqualTo":
            return current >= order.index(to_string(arguments[0]))
        if name == "getBuildCauses":
            return []
        if name.startswith("get") and not arguments:
            return self.get(name[3:4].lower() + name[4:])
        if name.startswith("set") and len(arguments) == 1:
            return self.set(name[3:4].lower() + name[4:], arguments[0])
        return super().call(f"currentBuild.{name}", arguments)
