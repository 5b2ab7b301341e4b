"""What Jenkins leaves of a project's secrets in a log is masked; what stands in many logs is not."""

import base64
import json

import pytest

from tasks.masking import masking

ENVIRONMENT = """\
# the database
DEBUG=true
DATABASE_PASSWORD='p$ss"w0rd=%41'
export API_TOKEN=abc-12345
MODE=production
PORT=5432
"""
ACCOUNT = json.dumps(
    {"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\nBgkqhkiG\n", "id": 1},
    indent=2,
)
KUBECONFIG = "apiVersion: v1\nclusters:\n- name: c\nusers:\n  user:\n    token: abcdefgh\n[default]\n"


@pytest.mark.parametrize(
    ("secret", "line", "shown"),
    [
        (ENVIRONMENT, "DATABASE_PASSWORD='p$ss\"w0rd=%41'", "****"),
        (ENVIRONMENT, 'psql: p$ss"w0rd=%41 is wrong', "psql: **** is wrong"),
        (ENVIRONMENT, "curl -H token=abc-12345", "curl -H token=****"),
        (ENVIRONMENT, "abc-123456", "abc-123456"),  # another word
        (ENVIRONMENT, "+ DEBUG=true make production on port 5432", "+ DEBUG=true make production on port 5432"),
        (ENVIRONMENT, "MODE=production", "****"),
        (ACCOUNT, "MIIEvQIBADAN", "****"),  # as jq -r prints it
        (ACCOUNT, "  BgkqhkiG", "****"),
        (ACCOUNT, "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----"),
        (ACCOUNT, '  "id": 1', '  "id": 1'),
        (ACCOUNT, base64.b64encode(ACCOUNT.encode()).decode(), "****"),
        (ACCOUNT, base64.encodebytes(ACCOUNT.encode()).decode().splitlines()[1], "****"),
        (KUBECONFIG, "    token: abcdefgh", "****"),
        (KUBECONFIG, "Bearer abcdefgh", "Bearer ****"),
        (KUBECONFIG, "abcdefghi", "abcdefghi"),
        (KUBECONFIG, "apiVersion: v1", "apiVersion: v1"),
        (KUBECONFIG, "clusters:", "clusters:"),
        (KUBECONFIG, "[default]", "[default]"),
        ("pin_password: 12345\n{\n", "pin_password: 12345", "****"),
        ("a\r\nline of it\r\n", "say 'line of it'", "say '****'"),
        ("short\nx", "short", "short"),
    ],
)
def test_lines_and_values_that_tell_are_masked(secret, line, shown):
    assert masking([secret])(line) == shown
