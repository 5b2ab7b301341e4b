"""Addresses of one build."""

from __future__ import annotations

import io
import mimetypes
import zipfile
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from sandbox.jenkins import graph, junit, pages, wfapi
from sandbox.jenkins.builds import PERMALINKS, Build, Cause, Order, PendingInput, permalink
from sandbox.jenkins.calls import Call, Site, plain_json
from sandbox.jenkins.items import Job
from sandbox.jenkins.queueing import started_by

TEXT = "text/plain;charset=utf-8"
Route = Callable[[Site, Call, Build, list[str]], Response]


def find(site: Site, job: Job, name: str) -> Build | None:
    """The build of a number or permalink; None when the word is neither, 404 when there is no such build."""
    if name in PERMALINKS:
        found = permalink(site.controller.builds.of(job), name)
    elif name.isdigit():
        found = site.controller.builds.get(job, int(name))
    else:
        return None
    if found is None:
        raise site.not_found()
    return found


def route(site: Site, call: Call, build: Build, rest: list[str]) -> Response:
    """One request to a build."""
    if not rest:
        return pages.page(site.session, 200, f"<h1>{build.job.full_name} #{build.number}</h1>")
    handler = _ROUTES.get(rest[0])
    if handler is None:
        raise site.not_found()
    return handler(site, call, build, rest[1:])


def _api(site: Site, call: Call, build: Build, rest: list[str]) -> Response:
    if rest != ["json"]:
        raise site.not_found()
    return site.export(call, site.views.build(build))


def _number(_site: Site, _call: Call, build: Build, _rest: list[str]) -> Response:
    answer = Response(str(build.number), 200)
    answer.headers["Content-Type"] = "text/plain;charset=US-ASCII"
    return answer


def _console_text(_site: Site, _call: Call, build: Build, _rest: list[str]) -> Response:
    return Response(build.console.text(), 200, media_type=TEXT)


def _log_text(site: Site, call: Call, build: Build, rest: list[str]) -> Response:
    """Progressive text or HTML: CR LF ends, hidden annotations counted in ``X-Text-Size``."""
    if rest not in (["progressiveText"], ["progressiveHtml"]):
        raise site.not_found()
    try:
        start = int(call.given.get("start") or 0)
    except ValueError as error:
        raise site.oops() from error
    if start < 0:
        raise site.oops()
    running = build.running  # asked before reading: what is written later comes with the next piece
    html = rest == ["progressiveHtml"]
    text, size = (build.console.html if html else build.console.read)(start, complete=not running)
    headers = {"X-Text-Size": str(size)} | ({"X-More-Data": "true"} if running else {})
    if html:
        return Response(text, 200, headers, media_type="text/html;charset=utf-8")
    return Response(text.replace(b"\n", b"\r\n"), 200, headers, media_type=TEXT)


def _stop(how: str) -> Route:
    def stop(site: Site, call: Call, build: Build, _rest: list[str]) -> Response:
        site.require_post(call)
        site.controller.stop(build, call.user, how)
        return site.redirect(build.url_path)

    return stop


def _delete(site: Site, call: Call, build: Build, _rest: list[str]) -> Response:
    site.require_post(call)
    site.controller.builds.forget(build.job, build.number)
    (build.folder / "build.json").unlink(missing_ok=True)
    return site.redirect(build.job.url_path)


def _toggle_log_keep(site: Site, call: Call, build: Build, _rest: list[str]) -> Response:
    """Turns "keep this build forever" over; nothing says which way."""
    site.require_post(call)
    with build.changed:
        build.keep_log = not build.keep_log
        build.save()
    return site.redirect(build.url_path)


def _submit_description(site: Site, call: Call, build: Build, _rest: list[str]) -> Response:
    site.require_post(call)
    with build.changed:
        build.description = call.given.get("description") or None
        build.save()
    return site.redirect(build.url_path)


def _wfapi(site: Site, call: Call, build: Build, rest: list[str]) -> Response:
    pending = [wfapi.pending_input(build, each) for each in list(build.inputs.values())]
    answers: dict[str, Callable[[], Any]] = {
        "describe": lambda: wfapi.run(build),
        "pendingInputActions": lambda: pending,
        "nextPendingInputAction": lambda: pending[0] if pending else None,
        "changesets": list,
        "artifacts": lambda: wfapi.artifacts(build),
    }
    if rest == ["inputSubmit"]:
        site.require_post(call)
        if call.query.get("inputId", "") not in build.inputs:
            raise site.oops()  # as the plugin does it: its exception is no 404
        return _answer_input(site, call, build, (call.query.get("inputId", ""), "submit"))
    if len(rest) != 1 or rest[0] not in answers:
        raise site.not_found()
    return plain_json(answers[rest[0]]())


def _input(site: Site, call: Call, build: Build, rest: list[str]) -> Response:
    if len(rest) != 2 or rest[1] not in ("proceedEmpty", "abort", "submit", "proceed"):
        raise site.not_found()
    site.require_post(call)
    return _answer_input(site, call, build, (rest[0], rest[1]))


def _answer_input(site: Site, call: Call, build: Build, what: tuple[str, str]) -> Response:
    input_id, how = what
    with build.changed:
        pending = build.inputs.pop(input_id, None)
        if pending is None:
            raise site.not_found()
        if how == "abort":
            cls = "org.jenkinsci.plugins.workflow.support.steps.input.Rejection"
            build.interruption = (cls, f"Rejected by {call.user}")
            build.console.write(f"Rejected by {call.user}\n")
            pending.answer = ("abort", {})
        else:
            build.approver = call.user
            build.console.write(f"Approved by {call.user}\n")
            pending.answer = ("proceed", {} if how == "proceedEmpty" else _input_values(call, pending))
        build.changed.notify_all()
    return Response(b"", 200)


def _input_values(call: Call, pending: PendingInput) -> dict[str, Any]:
    """Submitted values of declared parameters."""
    listed = (call.submitted() or {}).get("parameter", [])
    listed = [listed] if isinstance(listed, dict) else listed
    declared = {each.get("name") for each in pending.parameters}
    return {each["name"]: each.get("value") for each in listed if each.get("name") in declared}


def _execution(site: Site, call: Call, build: Build, rest: list[str]) -> Response:
    """``execution/node/ID/...``."""
    node = build.node(rest[1]) if len(rest) > 2 and rest[0] == "node" else None
    if node is None:
        raise site.not_found()
    log = build.step_logs.get(node.id)
    if rest[2:] == ["wfapi", "describe"]:
        return plain_json(wfapi.describe(build, node))
    if rest[2:] == ["wfapi", "log"]:
        return plain_json(wfapi.node_log(build, node))
    if rest[2:] == ["log"] and log is not None and not call.raw_path.endswith("/"):
        return site.redirect(f"{build.url_path}execution/node/{node.id}/log/")
    if rest[2:] == ["log"] and log is not None:
        return pages.page(site.session, 200, f"<pre>{log.text}</pre>")
    raise site.not_found()


def _restart(site: Site, call: Call, build: Build, rest: list[str]) -> Response:
    """Declarative restart from a stage: a form, no query parameter, no queue id in the answer."""
    if rest == ["api", "json"]:
        return site.export(call, site.views.restart(build))
    if not rest:
        return pages.page(site.session, 200, f"<h1>Restart #{build.number} from Stage</h1>")
    if rest != ["restart"]:
        raise site.not_found()
    site.require_post(call)
    submitted = call.submitted()
    if submitted is None:
        reason = "This page expects a form submission" if call.query else "Nothing is submitted"
        return pages.jetty(400, reason, call.raw_path)
    stage = str(submitted.get("stageName"))
    if build.running or stage not in graph.restartable(build):
        where = f"{build.job.full_name} #{build.number}"
        raise site.refused(
            f"Failure restarting from stage: java.lang.IllegalStateException: Stage {stage} is not present in the "
            f"top-level stages for {where}, so cannot be restarted."
        )
    cause = Cause(
        "org.jenkinsci.plugins.pipeline.modeldefinition.causes.RestartDeclarativePipelineCause",
        f"Restarted from build #{build.number}, stage {stage}",
    )
    order = Order(build.order.parameters, (started_by(call.user), cause), build.order.script, (build.number, stage))
    site.controller.queue.schedule(build.job, order, 0)
    return site.redirect(build.job.url_path)


def _replay(site: Site, call: Call, build: Build, rest: list[str]) -> Response:
    if not rest:
        return pages.page(site.session, 200, f"<h1>Replay #{build.number}</h1>")
    site.require_post(call)
    if rest == ["run"]:
        submitted = call.submitted()
        if submitted is None:
            return pages.jetty(400, "Nothing is submitted", call.raw_path)
        script = str(submitted.get("mainScript", ""))
    elif rest == ["rebuild"]:
        script = build.order.script if build.order.script is not None else build.job.script()
    else:
        raise site.not_found()
    cause = Cause("org.jenkinsci.plugins.workflow.cps.replay.ReplayCause", f"Replayed #{build.number}")
    site.controller.queue.schedule(build.job, Order(build.order.parameters, (started_by(call.user), cause), script), 0)
    return site.redirect(build.job.url_path)


def _artifact(site: Site, call: Call, build: Build, rest: list[str]) -> Response:
    """A file, the page that lists them, or all of them zipped."""
    base = build.artifacts
    if not rest:
        links = "".join(f'<a href="{quote(path.name)}">{path.name}</a>' for path in sorted(base.glob("*")))
        return pages.page(site.session, 200, f"<h1>Artifacts of {build.job.full_name} #{build.number}</h1>{links}")
    if rest[0] == "*zip*":
        return Response(_zipped(build), 200, media_type="application/zip")
    path = base.joinpath(*rest)
    if ".." in rest or not path.is_file():
        raise site.not_found()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    answer = Response(path.read_bytes(), 200)
    answer.headers["Content-Type"] = "application/octet-stream" if path.suffix == ".bin" else kind
    return answer


def _zipped(build: Build) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(build.artifacts.rglob("*")):
            if path.is_file():
                archive.write(path, "archive/" + path.relative_to(build.artifacts).as_posix())
    return buffer.getvalue()


def _test_report(site: Site, call: Call, build: Build, rest: list[str]) -> Response:
    if rest != ["api", "json"]:
        raise site.not_found()
    if not build.test_reports:
        text = "<html><head><meta http-equiv='refresh' content='1;url=..'/></head><body>\nNot found\n</body></html>"
        return Response(text, 404, media_type="text/html;charset=utf-8")
    return site.export(call, junit.report(build.test_reports))


_ROUTES: dict[str, Route] = {
    "api": _api,
    "buildNumber": _number,
    "consoleText": _console_text,
    "logText": _log_text,
    "stop": _stop("stop"),
    "term": _stop("term"),
    "kill": _stop("kill"),
    "doDelete": _delete,
    "toggleLogKeep": _toggle_log_keep,
    "submitDescription": _submit_description,
    "wfapi": _wfapi,
    "input": _input,
    "execution": _execution,
    "restart": _restart,
    "replay": _replay,
    "artifact": _artifact,
    "testReport": _test_report,
}
