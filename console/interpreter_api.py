"""The interpreter's service described: its OpenAPI document, and a page of it that needs nothing from elsewhere."""

from __future__ import annotations

from html import escape
from importlib.metadata import version
from typing import Any

from console.interpreter_requests import FLAGS, LISTS, OPTIONS

PATH = "/api/v1/pipeline/jenkins"
_TEXT = {"type": "string"}
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100% }
td, th { border-bottom: 1px solid #ddd; padding: .3rem .6rem; text-align: left }
code, pre { background: #f4f4f4; border-radius: 3px; padding: .1rem .3rem } pre { padding: .8rem; overflow: auto }
form { border: 1px solid #ddd; border-radius: 6px; padding: 1rem } label { margin-right: 1.5rem }
"""


def describe(max_bytes: int, max_seconds: float) -> dict[str, Any]:
    """The OpenAPI document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SmartCLIDE interpreter",
            "version": version("smartclide-deployment"),
            "description": "GitLab CI to Jenkins: a .gitlab-ci.yml in, a Jenkinsfile out.",
        },
        "paths": {
            PATH: {"post": _operation(max_bytes, max_seconds)},
            "/healthz": {
                "get": {
                    "summary": "Whether the service is up, and that it is this one.",
                    "responses": {"200": _content("It is.", "application/json", {"type": "object"})},
                }
            },
        },
        "components": {"schemas": {"Interpreted": _interpreted()}},
    }


def _operation(max_bytes: int, max_seconds: float) -> dict[str, Any]:
    fields: dict[str, dict[str, Any]] = {n: {**_TEXT, "description": text} for n, text in OPTIONS.items()}
    fields["rendering"] = {**fields["rendering"], "enum": ["auto", "stages", "graph"]}
    fields |= {n: {"type": "array", "items": _TEXT, "description": f"{t} Repeatable."} for n, t in LISTS.items()}
    fields |= {n: {"type": "boolean", "description": text} for n, text in FLAGS.items()}
    file = {**_TEXT, "contentMediaType": "application/yaml", "description": "The .gitlab-ci.yml, UTF-8."}
    form = {"type": "object", "required": ["file"], "properties": {"file": file, **fields}}
    diagnostics = {
        "name": "diagnostics", "in": "query", "schema": {**_TEXT, "enum": ["text", "json"], "default": "text"},
        "description": "json: the answer is JSON with the Jenkinsfile and all diagnostics.",
    }  # fmt: skip
    limits = {
        "408": f"It took over {max_seconds:g} s to arrive.",
        "413": f"It is larger than {max_bytes:,} bytes.",
        "422": f"It took over {max_seconds:g} s to interpret.",
        "503": "Too many at once; try again.",
    }
    json = {"application/json": {"schema": {"$ref": "#/components/schemas/Interpreted"}}}
    good = _content("The Jenkinsfile.", "application/octet-stream", {**_TEXT, "format": "binary"})
    good["content"] |= json
    bad = _content("Why it cannot be interpreted, a line each, with file:line:column.", "text/plain", _TEXT)
    bad["content"] |= json
    return {
        "summary": "Turn a .gitlab-ci.yml into a Jenkinsfile.",
        "parameters": [diagnostics],
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}},
        "responses": {"200": good, "400": bad, **{c: _content(t, "text/plain", _TEXT) for c, t in limits.items()}},
    }


def _content(description: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _interpreted() -> dict[str, Any]:
    number = {"type": "integer"}
    span = {"type": "object", "properties": {"file": _TEXT, "line": number, "column": number}}
    severity = {**_TEXT, "enum": ["error", "warning", "info"]}
    diagnostic = {"code": _TEXT, "severity": severity, "message": _TEXT, "span": span}
    job = {"name": _TEXT, "stage": _TEXT, "when": _TEXT}
    return {
        "type": "object",
        "properties": {
            "message": {**_TEXT, "description": "Only of a refusal."},
            "jenkinsfile": {"type": ["string", "null"]},
            "stages": {"type": "array", "items": _TEXT},
            "jobs": {"type": "array", "items": {"type": "object", "properties": job}},
            "diagnostics": {"type": "array", "items": {"type": "object", "properties": diagnostic}},
        },
    }


def page(document: dict[str, Any]) -> str:
    """The document as HTML, with a form to try it."""
    info, operation = document["info"], document["paths"][PATH]["post"]
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    rows = [(f"<code>{name}</code>", escape(field["description"])) for name, field in form.items()]
    query = [(f"<code>?{p['name']}=</code>", escape(p["description"])) for p in operation["parameters"]]
    answers = [(code, escape(answer["description"])) for code, answer in operation["responses"].items()]
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title><style>{_STYLE}</style></head><body>
<h1>{escape(info["title"])} {escape(info["version"])}</h1>
<p>{escape(info["description"])} As OpenAPI: <a href="openapi.json">openapi.json</a>.</p>
<h2><code>POST {PATH}</code></h2>
<p>{escape(operation["summary"])}</p>
<pre>curl -F file=@.gitlab-ci.yml -OJ http://HOST:PORT{PATH}</pre>
<h3>Multipart fields</h3>{_table([*rows, *query])}
<h3>Answers</h3>{_table(answers)}
<h3>Try it</h3>
<form method="post" enctype="multipart/form-data" action="{PATH.lstrip("/")}">
<label>.gitlab-ci.yml <input type="file" name="file" required></label>
<label>branch <input name="branch"></label> <label>var <input name="var" placeholder="KEY=VALUE"></label>
<label>diagnostics <select name="diagnostics"><option>text<option>json</select></label>
<button>Interpret</button></form>
<h2><code>GET /healthz</code></h2><p>{escape(document["paths"]["/healthz"]["get"]["summary"])}</p>
</body></html>
"""


def _table(rows: list[tuple[str, str]]) -> str:
    return "<table>" + "".join(f"<tr><td>{a}</td><td>{b}</td></tr>" for a, b in rows) + "</table>"
