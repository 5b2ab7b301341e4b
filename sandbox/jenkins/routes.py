"""The address space: which object a path names, and what is done there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from starlette.responses import Response

from sandbox.jenkins import pages, routes_builds, routes_credentials, routes_jobs
from sandbox.jenkins.calls import COOKIE, HTML_TEXT, JSON, Call, Site, plain_json
from sandbox.jenkins.export import Bean
from sandbox.jenkins.items import Folder, Item, Job
from sandbox.jenkins.plugins import PLUGINS

_NO_PIPELINE = "did not contain the 'pipeline' step"
MAX_QUERY = 8000  # Jetty refuses request lines over 8 KB
Route = Callable[[Site, Call, list[str]], Response]


def dispatch(site: Site, call: Call) -> Response:
    """Answer one request."""
    if site.controller.starting:
        return pages.starting()
    if call.query_length > MAX_QUERY:
        return pages.jetty(414, "URI Too Long", call.raw_path)
    refused = site.authenticate(call)
    if refused is not None:
        return refused
    try:
        return _route(site, call)
    except pages.HttpError as error:
        return error.response


def _route(site: Site, call: Call) -> Response:
    rest = call.segments
    item: Item = site.controller.root
    while len(rest) > 1 and rest[0] == "job":
        child = item.children.get(rest[1]) if isinstance(item, Folder) else None
        if child is None:
            raise site.not_found()
        item, rest = child, rest[2:]
        while rest[:1] == ["view"] and len(rest) > 1:
            rest = rest[2:]
    if isinstance(item, Job):
        return _job(site, call, item, rest)
    if rest[:1] == ["credentials"] and isinstance(item, Folder):
        return routes_credentials.route(site, call, item, rest[1:])
    common = routes_jobs.folder_route(site, call, item, rest)  # type: ignore[arg-type]
    if common is not None:
        return common
    if item.parent is None and rest and rest[0] in _TOP:
        return _TOP[rest[0]](site, call, rest[1:])
    raise site.not_found()


def _job(site: Site, call: Call, job: Job, rest: list[str]) -> Response:
    build = routes_builds.find(site, job, rest[0]) if rest else None
    if build is not None:
        return routes_builds.route(site, call, build, rest[1:])
    return routes_jobs.job_route(site, call, job, rest)


def _login(site: Site, _call: Call, _rest: list[str]) -> Response:
    return pages.page(site.session, 200, "<h1>Sign in to Jenkins</h1><p>This is a stand-in for Jenkins.</p>")


def _me(site: Site, call: Call, rest: list[str]) -> Response:
    if rest[:2] == ["descriptorByName", "jenkins.security.ApiTokenProperty"] and len(rest) == 3:
        return _tokens(site, call, rest[2])
    if rest != ["api", "json"]:
        raise site.not_found()
    properties = [Bean("jenkins.security.ApiTokenProperty"), Bean("hudson.security.HudsonPrivateSecurityRealm$Details")]
    return site.export(
        call,
        Bean(
            "hudson.model.User",
            {
                "absoluteUrl": site.views.url(f"user/{call.user}"),
                "description": None,
                "fullName": call.user,
                "id": call.user,
                "property": properties,
            },
        ),
    )


def _tokens(site: Site, call: Call, action: str) -> Response:
    site.require_post(call)
    security = site.controller.security
    if action == "generateNewToken":
        token_id, value = security.generate_token(call.user)
        name = call.given.get("newTokenName") or "token"
        return plain_json({"status": "ok", "data": {"tokenName": name, "tokenUuid": token_id, "tokenValue": value}})
    if action == "revoke":
        security.revoke_token(call.user, call.given.get("tokenUuid", ""))
        return Response(b"", 200)
    raise site.not_found()


def _who_am_i(site: Site, call: Call, rest: list[str]) -> Response:
    if rest != ["api", "json"]:
        raise site.not_found()
    return site.export(
        call,
        Bean(
            "hudson.security.WhoAmI",
            {
                "anonymous": False,
                "authenticated": True,
                "authorities": ["authenticated"],
                "name": call.user,
            },
        ),
    )


def _crumb(site: Site, call: Call, rest: list[str]) -> Response:
    security = site.controller.security
    cookie = security.open_session(call.user, call.cookie)
    crumb = security.crumb(call.user, cookie)
    if rest == ["api", "json"]:
        answer = site.export(
            call,
            Bean("hudson.security.csrf.DefaultCrumbIssuer", {"crumb": crumb, "crumbRequestField": "Jenkins-Crumb"}),
        )
    elif rest == ["api", "xml"]:
        text = f"Jenkins-Crumb:{crumb}"
        answer = Response(text, 200, pages.rendered(site.session), media_type="text/plain;charset=utf-8")
    else:
        raise site.not_found()
    answer.set_cookie(COOKIE, cookie, httponly=True)
    return answer


def _queue(site: Site, call: Call, rest: list[str]) -> Response:
    queue = site.controller.queue
    if rest == ["api", "json"]:
        return site.export(call, site.views.queue())
    if rest == ["cancelItem"]:
        site.require_post(call)
        item_id = call.given.get("id", "")
        if not item_id.isdigit() or not queue.cancel(int(item_id)):
            raise site.oops(404)
        return Response(b"", 204)
    if len(rest) == 4 and rest[0] == "item" and rest[1].isdigit() and rest[2:] == ["api", "json"]:
        item = queue.get(int(rest[1]))
        if item is not None:
            return site.export(call, site.views.queue_item(item))
    raise site.not_found()


def _computer(site: Site, call: Call, rest: list[str]) -> Response:
    if rest == ["api", "json"]:
        return site.export(call, site.views.computers())
    if len(rest) == 3 and rest[0] in ("(built-in)", "(master)") and rest[1:] == ["api", "json"]:
        return site.export(call, site.views.computer())
    raise site.not_found()


def _plugins(site: Site, call: Call, rest: list[str]) -> Response:
    if rest != ["api", "json"]:
        raise site.not_found()
    beans = [
        Bean(
            None,
            {
                "active": True,
                "bundled": False,
                "deleted": False,
                "downgradable": False,
                "enabled": True,
                "hasUpdate": False,
                "longName": name,
                "pinned": False,
                "shortName": name,
                "version": version,
            },
        )
        for name, version in PLUGINS
    ]
    return site.export(call, Bean("hudson.LocalPluginManager", {"plugins": beans}))


def _validate(site: Site, call: Call, rest: list[str]) -> Response:
    if rest not in (["validate"], ["validateJenkinsfile"]):
        raise site.not_found()
    site.require_post(call)
    script = call.given.get("jenkinsfile")
    errors = site.controller.validate(script) if script is not None else None
    as_text = rest == ["validate"]
    return _as_text(script, errors) if as_text else _as_json(errors)


def _as_text(script: str | None, errors: list[str] | None) -> Response:
    if script is None or errors is None:
        text = "No Jenkinsfile specified\n"
    elif not errors:
        text = "Jenkinsfile successfully validated.\n"
    elif _NO_PIPELINE in errors[0]:
        text = errors[0] + "\n"
    else:
        text = "Errors encountered validating Jenkinsfile:\n" + "".join(f"{each}\n" for each in errors)
    return Response(text, 200, media_type="text/plain;charset=utf-8")


def _as_json(errors: list[str] | None) -> Response:
    """The JSON form: each error without its heading and its line of the script."""
    if errors is None:
        errors = ["No Jenkinsfile specified"]
    data: dict[str, object] = {"result": "failure" if errors else "success"}
    if errors:
        data["errors"] = [{"error": each if _NO_PIPELINE in each else _bare(each)} for each in errors]
    return Response(json.dumps({"status": "ok", "data": data}), 200, media_type=JSON)


def _bare(error: str) -> str:
    return re.sub(r"^WorkflowScript: \d+: ", "", error).partition("\n")[0]


def _quiet(site: Site, call: Call, down: bool) -> Response:
    site.require_post(call)
    site.controller.quieting_down = down
    with site.controller.queue.changed:
        site.controller.queue.changed.notify_all()
    return site.redirect("")


def _check_name(site: Site, call: Call, _rest: list[str]) -> Response:
    name = call.query.get("value", "")
    taken = name in site.controller.root.children
    text = f'<div class="error">A job already exists with the name ‘{name}’</div>' if taken else "<div/>"
    return Response(text, 200, media_type=HTML_TEXT)


_TOP: dict[str, Route] = {
    "login": _login,
    "me": _me,
    "whoAmI": _who_am_i,
    "crumbIssuer": _crumb,
    "queue": _queue,
    "computer": _computer,
    "pluginManager": _plugins,
    "pipeline-model-converter": _validate,
    "checkJobName": _check_name,
    "quietDown": lambda site, call, rest: _quiet(site, call, down=True),
    "cancelQuietDown": lambda site, call, rest: _quiet(site, call, down=False),
}
