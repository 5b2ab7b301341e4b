"""A cluster that is spoken to over TLS with a certificate, as on-premises kubeconfigs have it."""

import base64
import json
import os
import ssl
import tempfile
import traceback
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr
from urllib3.exceptions import InsecureRequestWarning

from blocks.cluster import Cluster
from errors import InputError
from tasks.rollout.cluster import ClusterClient


def certificate(name, issuer=None):
    """A pair in PEM, and what signs with it; without the key identifiers that many clusters do not have either."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signer, by = issuer or (key, subject)
    day, now = timedelta(days=1), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    encoding, no = serialization.Encoding.PEM, serialization.NoEncryption()
    return (
        made.public_bytes(encoding),
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no),
        (key, subject),
    )


@pytest.fixture(scope="module")
def authority():
    return certificate("authority")


@pytest.fixture(scope="module")
def member(authority):
    return certificate("member", authority[2])


@pytest.fixture(scope="module")
def port(authority, member, tmp_path_factory):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            names = dict(pair[0] for pair in self.connection.getpeercert()["subject"])
            self.wfile.write(json.dumps({"gitVersion": f"for {names['commonName']}"}).encode())

        def log_message(self, *_args):
            pass

    folder = tmp_path_factory.mktemp("tls")
    (folder / "pair").write_bytes(member[0] + member[1])
    (folder / "authority").write_bytes(authority[0])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "authority"))
    context.load_cert_chain(folder / "pair")
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    with HTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
        thread = Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield listener.server_port
        listener.shutdown()
        thread.join()


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def text(pem):
    return base64.b64encode(pem).decode()


def cluster(port, user, **target):
    config = {
        "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": f"https://127.0.0.1:{port}", **target}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    }
    return Cluster(kubeconfig=SecretStr(json.dumps(config)), timeout_seconds=5)


def version(block):
    client = ClusterClient(block)
    try:
        return client.version()
    finally:
        client.close()


@pytest.mark.parametrize("in_memory", [True, False])
def test_key_and_certificates_are_in_no_file(port, authority, member, temporary, monkeypatch, in_memory):
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    user = {"client-certificate-data": text(member[0]), "client-key-data": text(member[1])}
    block = cluster(port, user, **{"certificate-authority-data": text(authority[0])})
    assert version(block) == "for member"
    assert list(temporary.iterdir()) == []


def test_a_part_may_be_in_a_file(port, authority, member, temporary, tmp_path):
    (tmp_path / "pem").write_bytes(member[0])
    (tmp_path / "ca").write_bytes(authority[0])
    user = {"client-certificate": str(tmp_path / "pem"), "client-key-data": text(member[1])}
    assert version(cluster(port, user, **{"certificate-authority": str(tmp_path / "ca")})) == "for member"
    assert list(temporary.iterdir()) == []
    (tmp_path / "pem").unlink()
    with pytest.raises(InputError, match=r"client-certificate /.*/pem cannot be read: No such file"):
        version(cluster(port, user))


def test_a_server_that_is_not_to_be_verified_is_not(port, member):
    user = {"client-certificate-data": text(member[0]), "client-key-data": text(member[1])}
    with pytest.warns(InsecureRequestWarning):
        assert version(cluster(port, user, **{"insecure-skip-tls-verify": True})) == "for member"
    told = r"certificate of the cluster at .* is not trusted. .* in the kubeconfig \(certificate-authority-data"
    with pytest.raises(InputError, match=told):
        version(cluster(port, user))


def test_a_key_that_is_another_ones_or_has_a_passphrase_is_told_without_it(port, authority, member):
    _, other, (key, _) = certificate("other", authority[2])
    kind, lock = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    locked = key.private_bytes(serialization.Encoding.PEM, kind, lock)
    for wrong in (other, locked):
        user = {"client-certificate-data": text(member[0]), "client-key-data": text(wrong)}
        with pytest.raises(InputError, match=r"cannot be used\. They are PEM") as caught:
            version(cluster(port, user))
        shown = "".join(traceback.format_exception(caught.value))
        assert not any(line in shown for line in (text(wrong), wrong.decode().splitlines()[1]))
