"""Addresses of folders and jobs: create, configure, delete, build."""

from __future__ import annotations

import re
from typing import Any, cast

from starlette.responses import Response

from sandbox.jenkins import pages, parameters, wfapi
from sandbox.jenkins.builds import Order
from sandbox.jenkins.calls import Call, Site, plain_json
from sandbox.jenkins.items import (
    EMPTY_FOLDER,
    FOLDER_TAG,
    BadNameError,
    BadXmlError,
    Folder,
    Item,
    Job,
    check_name,
    parse,
)
from sandbox.jenkins.queueing import QueueItem, started_by

_XML = ("application/xml", "text/xml")


def folder_route(site: Site, call: Call, folder: Folder, rest: list[str]) -> Response | None:
    """What the root and folders share; None when it is nothing of that."""
    if rest == ["api", "json"]:
        return site.export(call, site.views.folder(folder) if folder.parent is not None else site.views.root())
    if not rest:
        return pages.page(site.session, 200, f"<h1>{folder.full_name or 'Jenkins'}</h1><p>A stand-in for Jenkins.</p>")
    if rest == ["createItem"]:
        site.require_post(call)
        return _create(site, call, folder)
    return _item_route(site, call, folder, rest) if folder.parent is not None else None


def _create(site: Site, call: Call, folder: Folder) -> Response:
    name = call.given.get("name")
    if name is None:
        raise site.refused("Query parameter 'name' is required")
    try:
        check_name(name)
    except BadNameError as error:
        raise site.refused(str(error)) from error
    if name in folder.children:
        raise site.refused(f"A job already exists with the name ‘{name}’")
    if call.content_type in _XML:
        try:
            folder.create(name, call.body)
        except BadXmlError as error:
            raise site.oops() from error
        return Response(b"", 200)
    return _create_by_mode(site, call, folder, name)


def _create_by_mode(site: Site, call: Call, folder: Folder, name: str) -> Response:
    mode = call.given.get("mode")
    if not call.content_type:
        raise site.refused("No Content-Type header set")
    if mode is None:
        raise site.refused("No mode given")
    if mode == "copy":
        source = site.controller.root.find(call.given.get("from", "").strip("/")) or folder.find(
            call.given.get("from", "")
        )
        if source is None:
            raise site.refused(f"No such job: {call.given.get('from')}")
        folder.create(name, source.config().encode())
    elif mode == FOLDER_TAG:
        folder.create(name, EMPTY_FOLDER.encode())
    else:
        raise site.refused(f"No such item type: {mode}")
    return site.redirect(f"{folder.children[name].url_path}configure")


def _item_route(site: Site, call: Call, item: Item, rest: list[str]) -> Response | None:
    """What folders and jobs share."""
    if rest == ["config.xml"] and call.method == "GET":
        return Response(item.config(), 200, media_type="application/xml")
    if rest == ["config.xml"]:
        site.require_post(call)
        return _reconfigure(site, call, item)
    if rest == ["configure"]:
        return pages.page(site.session, 200, f"<h1>Configuration of {item.full_name}</h1>")
    if rest == ["doDelete"]:
        site.require_post(call)
        site.controller.delete(item, call.user)
        return site.redirect(cast(Item, item.parent).url_path)
    return None


def _reconfigure(site: Site, call: Call, item: Item) -> Response:
    try:
        text, root = parse(call.body)
    except BadXmlError as error:
        raise site.oops() from error
    if (root.tag == FOLDER_TAG) != isinstance(item, Folder):
        raise site.oops()
    item.store(text)
    return Response(b"", 200)


def job_route(site: Site, call: Call, job: Job, rest: list[str]) -> Response:
    """One request to a job."""
    if rest == ["api", "json"]:
        return site.export(call, site.views.job(job))
    if not rest:
        return pages.page(site.session, 200, f"<h1>{job.full_name}</h1>")
    if rest in (["build"], ["buildWithParameters"]):
        return _build(site, call, job, rest[0])
    if rest in (["enable"], ["disable"]):
        site.require_post(call)
        job.set_disabled(rest == ["disable"])
        return site.redirect(job.url_path)
    if rest == ["wfapi", "runs"]:
        full = call.query.get("fullStages") == "true"
        return plain_json([wfapi.run(build, full=full) for build in site.controller.builds.of(job)])
    common = _item_route(site, call, job, rest)
    if common is None:
        raise site.not_found()
    return common


def _build(site: Site, call: Call, job: Job, how: str) -> Response:
    if call.method != "POST":
        raise pages.HttpError(pages.page(site.session, 405, "<p>You must use POST method to trigger builds.</p>"))
    if job.disabled:
        raise site.oops(409)
    definitions = job.definitions()
    if how == "buildWithParameters":
        if not definitions:
            raise site.oops()  # Jenkins: IllegalStateException, "The build is not parameterized"
        item, new = _schedule(site, call, job, call.given)
        return site.redirect(f"queue/item/{item.id}/", 201 if new else 303)
    if not definitions:
        item, _new = _schedule(site, call, job, {})
        return site.redirect(f"queue/item/{item.id}/", 201)
    submitted = call.submitted()
    if submitted is None:
        return pages.jetty(400, "Nothing is submitted", call.raw_path)
    _schedule(site, call, job, _from_json(submitted))
    return site.redirect(job.url_path, 201)


def _from_json(submitted: dict[str, Any]) -> dict[str, str]:
    """The values of a submitted form, as text."""
    listed = submitted.get("parameter", [])
    listed = [listed] if isinstance(listed, dict) else listed
    return {
        each["name"]: str(each["value"]).lower() if isinstance(each["value"], bool) else str(each["value"])
        for each in listed
        if "value" in each
    }


def _schedule(site: Site, call: Call, job: Job, given: dict[str, str]) -> tuple[QueueItem, bool]:
    try:
        values = parameters.values(job.definitions(), given)
    except parameters.WrongValueError as error:
        raise site.oops() from error
    order = Order(values, (started_by(call.user),))
    return site.controller.queue.schedule(job, order, _delay(site, call))


def _delay(site: Site, call: Call) -> float:
    """``delay=4sec``; the quiet period without one."""
    match = re.match(r"\d+", call.given.get("delay", ""))
    return float(match.group()) if match else site.controller.settings.quiet_period
