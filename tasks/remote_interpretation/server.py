"""One request to an interpreter's service: sent, answered or translated into one of our errors."""

from __future__ import annotations

import json

import msgspec
import requests

from blocks.interpreter_server import InterpreterServer
from errors import (
    AccessError,
    InputError,
    InterpretationError,
    NotFoundError,
    ProtocolError,
    SmartClideError,
    UnavailableError,
)
from tasks.hiding import Hider
from tasks.interpretation.diagnostics import Diagnostic
from tasks.remote_interpretation.exchange import ORDER_FIELD, SERVICE, Answer, Order, read_diagnostics
from tasks.source.model import CI_FILE
from tasks.transport import requests_fault, retry_after, whose_fault

PATH = "api/v1/pipeline/jenkins"
_MAX_BYTES = 16 * 2**20
_SHOWN = 2000
_Part = tuple[str | None, bytes]


class Interpreter:
    """A service that speaks the Kairos contract. Not for two threads at once."""

    def __init__(self, server: InterpreterServer) -> None:
        self.url = server.url
        self.name = f"The interpreter at {server.url}"
        self._session = server.get_client()
        self._timeout = server.timeout_seconds
        self._hide = Hider(server.token.get_secret_value() if server.token else None)

    def is_ours(self) -> bool:
        """Whether it says that it is our own service; any other may have no ``/healthz`` at all.

        Raises:
            UnavailableError: It cannot be reached, or has a fault: then nothing is known.
            AccessError: It wants another token.
        """
        response = self._send("GET", "healthz")
        if response.status_code in (401, 403, 408, 429) or response.status_code >= 500:
            raise self._refusal(response, "")
        try:
            found = json.loads(response.content)
        except ValueError:
            return False
        return isinstance(found, dict) and found.get("service") == SERVICE

    def carry_out(self, order: Order) -> Answer:
        """Have our own service interpret a deployment's pipeline.

        Raises:
            InterpretationError: The text has errors; carries all diagnostics.
            SmartClideError: Any other of our errors.
        """
        files: dict[str, _Part] = {
            "file": (CI_FILE, order.files[order.entry].encode()),
            ORDER_FIELD: (None, msgspec.json.encode(order)),
        }
        response = self._send("POST", f"{PATH}?diagnostics=json", files)
        if response.status_code != 200:
            raise self._refusal(response, self._hide(_message(response.content)), read_diagnostics(response.content))
        try:
            return msgspec.json.decode(response.content, type=Answer)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise ProtocolError(f"{self.name} gave an answer that does not fit this version.") from None

    def translate(self, text: str) -> str:
        """Have any service of the contract turn a text into a Jenkinsfile.

        Raises:
            InputError: It refuses the text; with its reason.
            SmartClideError: Any other of our errors.
        """
        response = self._send("POST", PATH, {"file": (CI_FILE, text.encode())})
        if response.status_code != 200:
            raise self._refusal(response, self._hide(_message(response.content)))
        try:
            found = response.content.decode("utf-8-sig")
        except UnicodeDecodeError:
            found = ""
        if not found.strip() or found.lstrip().startswith(("<", "{")):  # a page, or JSON
            raise ProtocolError(f"{self.name} gave no Jenkinsfile.", remedy="Check its address, and for a proxy.")
        return found

    def _send(self, method: str, path: str, files: dict[str, _Part] | None = None) -> requests.Response:
        try:
            with self._session.request(
                method, f"{self.url}/{path}", files=files, timeout=self._timeout, allow_redirects=False, stream=True
            ) as response:
                body = bytearray()
                for chunk in response.iter_content(2**16):
                    body += chunk
                    if len(body) > _MAX_BYTES:
                        raise ProtocolError(f"{self.name} gave an answer of more than {_MAX_BYTES // 2**20} MiB.")
                response._content = bytes(body)
                return response
        except requests.RequestException as error:
            raise requests_fault(error, self.name) from self._hide.cause(error)

    def _refusal(
        self, response: requests.Response, reason: str, diagnostics: tuple[Diagnostic, ...] = ()
    ) -> SmartClideError:
        status = response.status_code
        if status in (401, 403):
            return AccessError(f"{self.name} refused the token ({status}).", remedy="Correct it in its block.")
        if status == 404:
            return NotFoundError(f"{self.name} has no /{PATH}.", remedy="Check its address.")
        if status in (408, 429) or status >= 500:
            message = f"{self.name} failed ({status})."
            return UnavailableError(message, remedy=whose_fault(status), retry_after=retry_after(response.headers))
        if diagnostics:
            return InterpretationError(reason, diagnostics=diagnostics)
        if status in (400, 413, 422):
            return InputError(f"{self.name} refuses the pipeline ({status}): {reason or 'it does not say why'}")
        return ProtocolError(f"{self.name} answered {status}.", remedy="Check its address, and for a proxy.")


def _message(body: bytes) -> str:
    """The reason, as text or as JSON's ``message``; never a whole HTML page."""
    text = body.decode("utf-8", "replace").strip()
    try:
        found = json.loads(text)
    except ValueError:
        return "" if text.startswith("<") else text[:_SHOWN]
    return str(found.get("message", ""))[:_SHOWN] if isinstance(found, dict) else text[:_SHOWN]
