"""Addresses below ``credentials/store/...`` of the root and of folders; the default domain ``_`` only."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from sandbox.jenkins import pages
from sandbox.jenkins.calls import Call, Site
from sandbox.jenkins.credentials import Entry, Store, UnknownTypeError, read_entry
from sandbox.jenkins.export import Bean
from sandbox.jenkins.items import Folder

_XML = ("application/xml", "text/xml")
_DOMAIN = "com.cloudbees.plugins.credentials.CredentialsStoreAction$DomainWrapper"


def route(site: Site, call: Call, folder: Folder, rest: list[str]) -> Response:
    """One request to a store."""
    store = site.controller.store_of(folder)
    if rest[:2] == ["store", store.name] and rest[2:] == ["createDomain"]:
        return _create_domain(site, call)
    if rest[:4] != ["store", store.name, "domain", "_"]:
        raise site.not_found()
    rest = rest[4:]
    if rest == ["api", "json"]:
        beans = [replace(entry.bean(store.name), cls=None) for entry in store.all().values()]
        return site.export(call, Bean(_DOMAIN, {"credentials": beans, "urlName": "_"}))
    if rest == ["createCredentials"]:
        return _create(site, call, store)
    if len(rest) >= 3 and rest[0] == "credential":
        return _one(site, call, (folder, store, rest[1]), rest[2:])
    raise site.not_found()


def _create_domain(site: Site, call: Call) -> Response:
    """Named domains are accepted and kept nowhere: entries live in the default domain."""
    site.require_post(call)
    return Response(b"", 200)


def _create(site: Site, call: Call, store: Store) -> Response:
    site.require_post(call)
    if call.content_type not in _XML:
        return pages.jetty(400, "Nothing is submitted", call.raw_path)
    return Response(b"", 200 if store.put(_entry(site, call)) else 409)


def _entry(site: Site, call: Call) -> Entry:
    try:
        return read_entry(call.body)
    except UnknownTypeError as error:
        raise site.oops() from error


def _one(site: Site, call: Call, where: tuple[Folder, Store, str], rest: list[str]) -> Response:
    folder, store, credentials_id = where
    entry = store.get(credentials_id)
    if call.method == "DELETE" and rest == ["config.xml"]:
        return Response(b"", 200 if store.delete(credentials_id) else 404)
    if entry is None:
        raise site.not_found()
    if rest == ["api", "json"]:
        return site.export(call, entry.bean(store.name))
    if rest == ["config.xml"] and call.method == "GET":
        return Response(entry.xml(), 200, media_type="application/xml")
    if rest == ["config.xml"]:
        site.require_post(call)
        store.put(_entry(site, call), replace=credentials_id)
        return Response(b"", 200)
    if rest == ["doDelete"]:
        site.require_post(call)
        store.delete(credentials_id)
        return site.redirect(f"{folder.url_path}credentials/store/{store.name}/domain/_/")
    raise site.not_found()
