"""CI/CD variables of projects and groups. Reading them needs a member's ``api`` token, as on GitLab."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from sandbox.gitlab.access import READ, WRITE, ApiError, need_scope, not_found
from sandbox.gitlab.call import Call

Variables = list[dict[str, Any]]
DEFAULTS: Mapping[str, Any] = {
    "variable_type": "env_var",
    "protected": False,
    "masked": False,
    "hidden": False,
    "raw": False,
    "environment_scope": "*",
    "description": None,
}


def put(variables: Variables, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Set a variable; key and environment scope name it."""
    new = {**DEFAULTS, **entry}
    name = (new["key"], new["environment_scope"])
    variables[:] = [old for old in variables if (old["key"], old["environment_scope"]) != name]
    variables.append(new)
    return new


def _of(call: Call) -> Variables:
    scopes = READ if call.method == "GET" else WRITE
    if "project" in call.values:
        call.user()
        return call.project(scopes, member=True).variables
    need_scope(call.user(), scopes)
    group = call.state.group(call.values["group"])
    if group is None:
        raise not_found("Group")
    return call.state.group_variables.setdefault(group[0], [])


def _named(call: Call, variables: Variables) -> dict[str, Any]:
    scope = call.query.get("filter[environment_scope]")
    for entry in variables:
        if entry["key"] == call.values["key"] and scope in (None, entry["environment_scope"]):
            return entry
    raise not_found("Variable")


def _shown(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, "value": None if entry["hidden"] else entry["value"]}


def variables(call: Call) -> Response:
    """``GET`` and ``POST .../variables``."""
    entries = _of(call)
    if call.method == "GET":
        return call.page(entries, _shown)
    key, value = call.needed("key"), call.needed("value")
    scope = call.body.get("environment_scope", "*")
    if any((entry["key"], entry["environment_scope"]) == (key, scope) for entry in entries):
        raise ApiError(400, {"message": {"key": [f"({key}) has already been taken"]}})
    given = {name: call.body[name] for name in DEFAULTS if name in call.body}
    return JSONResponse(_shown(put(entries, {**given, "key": key, "value": value})), 201)


def variable(call: Call) -> Response:
    """``GET``, ``PUT`` and ``DELETE .../variables/:key``."""
    entries = _of(call)
    entry = _named(call, entries)
    if call.method == "DELETE":
        entries.remove(entry)
        return Response(status_code=204)
    if call.method == "PUT":
        entry.update({name: call.body[name] for name in ("value", *DEFAULTS) if name in call.body})
    return JSONResponse(_shown(entry))
