"""The certificates and the key that a kubeconfig holds, in an SSL context and in no file.

The Kubernetes client writes each into a file of the temporary folder, where a worker that is killed leaves them: what
the text holds is therefore taken out before the client looks. What a credential plugin gives it still writes there.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from urllib3.util.ssl_ import create_urllib3_context

from errors import InputError

_CERTIFICATE, _KEY, _AUTHORITY = "client-certificate", "client-key", "certificate-authority"


@dataclass(frozen=True)
class Held:
    """What was taken out.

    Attributes:
        certificate: In PEM; empty where the kubeconfig's text has no pair.
        key: In PEM.
        authority: The cluster's own certificate authority, in PEM, or empty.
    """

    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    authority: bytes = b""

    def context(self, *, verify: bool, own_authority: bool) -> ssl.SSLContext:
        """The context for connections.

        Args:
            verify: Whether the server's certificate is verified.
            own_authority: Whether the client will load an authority's file by itself.

        Raises:
            InputError: A certificate or the key cannot be used, or they belong not together.
        """
        made = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if verify else ssl.CERT_NONE)
        # Python 3.13 asks more of certificates than kubectl; those of many clusters name no key of their authority
        made.verify_flags &= ~ssl.VERIFY_X509_STRICT
        try:
            if self.authority:
                made.load_verify_locations(cadata=self.authority.decode("ascii", "replace"))
            elif not own_authority:
                made.load_default_certs()
            if self.certificate:
                with _file(self.certificate + b"\n" + self.key) as path:
                    made.load_cert_chain(path, password="")  # an encrypted key would ask at the terminal
        except (ssl.SSLError, ValueError):
            message = "A certificate or key of the cluster's kubeconfig cannot be used."
            remedy = "They are PEM, the key without a passphrase and the certificate's own; copy both again."
            raise InputError(message, remedy=remedy) from None
        return made


def take_out(document: dict[str, Any], context: str | None) -> Held | None:
    """Take what a context's user and cluster hold as text out of a parsed kubeconfig, in place.

    Returns:
        None where they hold nothing so, or the server is spoken to in plain HTTP.

    Raises:
        InputError: It is not base64, or its other half is in a file that cannot be read.
    """
    names = _entry(document, "contexts", context or document.get("current-context"), "context")
    user = _entry(document, "users", names.get("user"), "user")
    cluster = _entry(document, "clusters", names.get("cluster"), "cluster")
    if not str(cluster.get("server")).startswith("https"):
        return None
    has_pair = not user.keys().isdisjoint((f"{_CERTIFICATE}-data", f"{_KEY}-data"))
    certificate, key = (_text(user, _CERTIFICATE), _text(user, _KEY)) if has_pair else (b"", b"")
    # a plugin may be told the authority: then it stays, being no secret
    authority = _text(cluster, _AUTHORITY) if f"{_AUTHORITY}-data" in cluster and "exec" not in user else b""
    return Held(certificate, key, authority) if certificate or authority else None


def _entry(document: Mapping[str, Any], section: str, name: Any, key: str) -> dict[str, Any]:
    entries = document.get(section)
    for one in entries if isinstance(entries, list) else ():
        if isinstance(one, dict) and one.get("name") == name and isinstance(one.get(key), dict):
            found: dict[str, Any] = one[key]
            return found
    return {}  # the client says what is wrong


def _text(entry: dict[str, Any], name: str) -> bytes:
    file, data = entry.pop(name, None), entry.pop(f"{name}-data", None)
    try:
        if data:
            return base64.standard_b64decode(data)
        return Path(file).read_bytes() if file else b""
    except (binascii.Error, TypeError, ValueError):
        message = "A certificate or key of the cluster's kubeconfig is not base64."
        raise InputError(message, remedy="Copy it again.") from None
    except OSError as error:
        remedy = "It must be there on every machine that runs a worker, too; better put its text into the kubeconfig."
        raise InputError(f"The kubeconfig's {name} {file} cannot be read: {error.strerror}.", remedy=remedy) from error


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    """A path for who reads from files only: in memory on Linux, elsewhere in a private folder for that moment."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("pair"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pair")
        path.touch(mode=0o600)
        path.write_bytes(content)
        yield str(path)
