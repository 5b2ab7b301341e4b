"""What a server's wish for patience comes to."""

import time

import pytest

from tasks.transport import retry_after, tls_fault


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("1.5", 1.5), ("0", 0.0), ("inf", None), ("nan", None), ("-3", None), ("soon", None), ("", None)],
)
def test_seconds_are_taken_and_what_is_none_is_not(header, seconds):
    assert retry_after({"Retry-After": header}) == seconds


@pytest.mark.parametrize("zone", ["GMT", "-0000"])
def test_a_date_is_taken_as_universal_time(monkeypatch, zone):
    monkeypatch.setenv("TZ", "America/Lima")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: 1_000_000_000.0)
    try:
        assert retry_after({"retry-after": f"Sun, 09 Sep 2001 01:47:10 {zone}"}) == 30.0
    finally:
        monkeypatch.undo()
        time.tzset()
    assert retry_after({"Retry-After": "Sun, 09 Sep 2001 01:47:10 GMT"}) == 0.0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)",
            "The TLS certificate of the cluster at h is not trusted. Name its certificate authority in the CA file.",
        ),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1006)",
            "The TLS certificate of the cluster at h is not valid at this time. Renew it there; check this machine's "
            "clock.",
        ),
        (
            "certificate verify failed: Hostname mismatch, certificate is not valid for 'h'. (_ssl.c:1006)",
            "The TLS certificate of the cluster at h is another host's. Write the address with a name that the "
            "certificate holds.",
        ),
        (
            "certificate verify failed: Missing Authority Key Identifier (_ssl.c:1020)",
            "The TLS certificate of the cluster at h lacks what RFC 5280 asks of it or of its authority, on which "
            "Python 3.13 and newer insist. Have it issued anew, with key identifiers and key usage; or run the worker "
            "on Python 3.12.",
        ),
        (
            "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required (_ssl.c:2580)",
            "The cluster at h wants a certificate of this client, or refuses its own. Only a cluster's kubeconfig can "
            "name one; for other servers use an address that wants none.",
        ),
        (
            "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)",
            "The cluster at h and this client find no TLS that both speak. Check whether its address is to begin with "
            "http:// or https://.",
        ),
    ],
)
def test_what_is_wrong_with_tls_is_told_with_its_own_remedy(words, told):
    assert str(tls_fault("The cluster at h", words, "the CA file")) == told
