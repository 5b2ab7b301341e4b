"""Image references: the grammar of github.com/distribution/reference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import InputError
from tasks.image.reference import ImageReference, parse

DIGEST = "sha256:" + "0123456789abcdef" * 4

_component = st.from_regex(r"[a-z0-9]{1,8}(?:(?:\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
_registries = st.one_of(
    st.sampled_from(["docker.io", "localhost", "127.0.0.1:5000", "ghcr.io"]),
    st.from_regex(r"[a-z0-9]{1,10}\.[a-z]{2,5}(?::[1-9][0-9]{0,4})?", fullmatch=True),
    st.from_regex(r"[a-z0-9]{1,10}:[1-9][0-9]{0,4}", fullmatch=True),
)
_repositories = st.lists(_component, min_size=2, max_size=4).map("/".join)
_tags = st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
_digests = st.none() | st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)


@given(st.builds(ImageReference, _registries, _repositories, _tags, _digests))
def test_what_is_written_is_read_again(reference: ImageReference) -> None:
    assert parse(str(reference)) == reference


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("python", ("docker.io", "library/python", None, None)),
        ("python:3.12-slim", ("docker.io", "library/python", "3.12-slim", None)),
        ("index.docker.io/python", ("docker.io", "library/python", None, None)),
        ("registry-1.docker.io/acme/app:1", ("docker.io", "acme/app", "1", None)),
        ("bitnami/redis", ("docker.io", "bitnami/redis", None, None)),
        ("localhost/app", ("localhost", "app", None, None)),
        ("host:5000/app", ("host:5000", "app", None, None)),
        ("127.0.0.1:5000/a/b/c:x", ("127.0.0.1:5000", "a/b/c", "x", None)),
        (f"r.example.com/a@{DIGEST}", ("r.example.com", "a", None, DIGEST)),
        (f"r.example.com/a:1@{DIGEST}", ("r.example.com", "a", "1", DIGEST)),
    ],
)
def test_parts(text: str, parts: tuple[str | None, ...]) -> None:
    found = parse(text)
    assert (found.registry, found.repository, found.tag, found.digest) == parts


MALFORMED = (
    """: / a: Group/App r.example.com/ r.example.com/A a:b:c a@sha256:12 a@ a@md5:x -a a- a//b http://r.example.com/a"""
)


@pytest.mark.parametrize("text", [*MALFORMED.split(), "", "a b", "a:" + "t" * 129])
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(InputError):
        parse(text)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        reference = parse(text)
    except InputError:
        return
    assert parse(str(reference)) == reference


def test_pinning() -> None:
    image = parse("r.example.com/a/b:1")
    with pytest.raises(InputError, match=r"has no digest"):
        _ = image.pinned
    assert image.with_digest(DIGEST).pinned == f"r.example.com/a/b@{DIGEST}"
    assert image.name == "r.example.com/a/b"
