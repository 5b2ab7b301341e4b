"""The distribution specification's requests, one by one."""

import json
from pathlib import Path

import httpx

from sandbox.http import AppServer
from sandbox.registry.server import Registry
from tests.sandbox.registry.pushing import DOCKER, DOCKER_LIST, OCI, OCI_INDEX, digest, put_blob, put_image


def code(response: httpx.Response) -> str:
    return str(response.json()["errors"][0]["code"])


def test_the_base_says_what_it_is(url: str) -> None:
    answer = httpx.get(f"{url}/v2/")
    assert answer.status_code == 200
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
    assert answer.headers["x-sandbox"] == "registry stand-in"


def test_blobs(url: str) -> None:
    name = put_blob(url, "team/app", b"0123456789")
    address = f"{url}/v2/team/app/blobs/{name}"
    head = httpx.head(address)
    assert (head.status_code, head.headers["content-length"], head.headers["docker-content-digest"]) == (
        200,
        "10",
        name,
    )
    assert httpx.get(address).content == b"0123456789"
    part = httpx.get(address, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    elsewhere = httpx.get(f"{url}/v2/team/other/blobs/{name}")
    assert (elsewhere.status_code, code(elsewhere)) == (404, "BLOB_UNKNOWN")
    assert httpx.delete(address).status_code == 202
    assert httpx.head(address).status_code == 404


def test_upload_in_chunks(url: str) -> None:
    started = httpx.post(f"{url}/v2/a/blobs/uploads/")
    assert (started.status_code, started.headers["range"]) == (202, "0-0")
    place = url + started.headers["location"]
    first = httpx.patch(place, content=b"hello ", headers={"Content-Range": "0-5"})
    assert (first.status_code, first.headers["range"]) == (202, "0-5")
    wrong = httpx.patch(place, content=b"x", headers={"Content-Range": "9-9"})
    assert (wrong.status_code, wrong.headers["range"]) == (416, "0-5")
    assert httpx.get(place).headers["range"] == "0-5"
    done = httpx.put(place, params={"digest": digest(b"hello world")}, content=b"world")
    assert done.status_code == 201
    assert httpx.get(url + done.headers["location"]).content == b"hello world"
    assert code(httpx.put(place, params={"digest": digest(b"")})) == "BLOB_UPLOAD_UNKNOWN"


def test_a_wrong_digest_is_refused_and_nothing_kept(url: str) -> None:
    place = url + httpx.post(f"{url}/v2/a/blobs/uploads/").headers["location"]
    for stated in (digest(b"other"), "sha256:short", "md5:" + "0" * 64):
        refused = httpx.post(f"{url}/v2/a/blobs/uploads/", params={"digest": stated}, content=b"data")
        assert (refused.status_code, code(refused)) == (400, "DIGEST_INVALID")
    assert httpx.head(f"{url}/v2/a/blobs/{digest(b'data')}").status_code == 404
    assert httpx.delete(place).status_code == 204
    assert httpx.get(place).status_code == 404


def test_mount_from_another_repository(url: str) -> None:
    name = put_blob(url, "a", b"shared")
    mounted = httpx.post(f"{url}/v2/b/blobs/uploads/", params={"mount": name, "from": "a"})
    assert mounted.status_code == 201
    assert httpx.get(f"{url}/v2/b/blobs/{name}").content == b"shared"
    absent = httpx.post(f"{url}/v2/b/blobs/uploads/", params={"mount": digest(b"none"), "from": "a"})
    assert absent.status_code == 202  # an ordinary upload instead


def test_manifests_by_tag_and_digest(url: str) -> None:
    first = put_image(url, "team/app", "1", media_type=OCI)
    head = httpx.head(f"{url}/v2/team/app/manifests/1", headers={"Accept": f"{OCI_INDEX}, {OCI}"})
    assert (head.status_code, head.headers["docker-content-digest"], head.headers["content-type"]) == (200, first, OCI)
    body = httpx.get(f"{url}/v2/team/app/manifests/{first}").content
    assert digest(body) == first
    assert head.headers["content-length"] == str(len(body))
    second = put_image(url, "team/app", "1", b"newer", OCI)
    assert httpx.head(f"{url}/v2/team/app/manifests/1").headers["docker-content-digest"] == second
    assert httpx.head(f"{url}/v2/team/app/manifests/{first}").status_code == 200
    assert httpx.delete(f"{url}/v2/team/app/manifests/{second}").status_code == 202
    gone = httpx.get(f"{url}/v2/team/app/manifests/1")
    assert (gone.status_code, code(gone)) == (404, "MANIFEST_UNKNOWN")


def test_content_negotiation(url: str) -> None:
    child = put_image(url, "app", "amd64")
    entry = {"mediaType": DOCKER, "size": 1, "digest": child, "platform": {"os": "linux", "architecture": "amd64"}}
    body = json.dumps({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [entry]}).encode()
    put = httpx.put(f"{url}/v2/app/manifests/all", content=body, headers={"Content-Type": DOCKER_LIST})
    assert put.status_code == 201
    asked = {accept: httpx.get(f"{url}/v2/app/manifests/all", headers={"Accept": accept}) for accept in
             (DOCKER_LIST, DOCKER, OCI, "*/*")}  # fmt: skip
    assert asked[DOCKER_LIST].headers["docker-content-digest"] == digest(body)
    assert asked["*/*"].headers["docker-content-digest"] == digest(body)
    assert asked[DOCKER].headers["docker-content-digest"] == child
    assert code(asked[OCI]) == "MANIFEST_UNKNOWN"


def test_bad_manifests(url: str) -> None:
    address = f"{url}/v2/app/manifests/1"
    config = {"mediaType": "x", "size": 1, "digest": digest(b"none")}
    absent = json.dumps({"schemaVersion": 2, "config": config, "layers": []})
    assert code(httpx.put(address, content=absent, headers={"Content-Type": DOCKER})) == "MANIFEST_BLOB_UNKNOWN"
    for content, media_type in (
        (b"no json", DOCKER),
        (b"{}", DOCKER),
        (b"[]", DOCKER),
        (absent.encode(), "text/plain"),
    ):
        refused = httpx.put(address, content=content, headers={"Content-Type": media_type})
        assert (refused.status_code, code(refused)) == (400, "MANIFEST_INVALID")
    assert code(httpx.get(f"{url}/v2/app/manifests/.bad")) == "TAG_INVALID"
    assert code(httpx.get(f"{url}/v2/BAD/manifests/1")) == "NAME_INVALID"
    assert httpx.get(f"{url}/v2/app/nothing").status_code == 404


def test_tags_and_catalog_in_pages(url: str) -> None:
    for tag in ("c", "a", "b"):
        put_image(url, "team/app", tag)
    put_image(url, "team/app/nested", "1")
    assert httpx.get(f"{url}/v2/team/app/tags/list").json() == {"name": "team/app", "tags": ["a", "b", "c"]}
    page = httpx.get(f"{url}/v2/team/app/tags/list?n=2")
    assert page.json()["tags"] == ["a", "b"]
    assert page.headers["link"] == '</v2/team/app/tags/list?last=b&n=2>; rel="next"'
    rest = httpx.get(url + page.headers["link"].partition(">")[0].removeprefix("<"))
    assert rest.json()["tags"] == ["c"] and "link" not in rest.headers
    assert httpx.get(f"{url}/v2/_catalog").json() == {"repositories": ["team/app", "team/app/nested"]}
    unknown = httpx.get(f"{url}/v2/none/tags/list")
    assert (unknown.status_code, code(unknown)) == (404, "NAME_UNKNOWN")


def test_images_survive_a_restart(tmp_path: Path) -> None:
    with AppServer(Registry(tmp_path).app) as server:
        pushed = put_image(server.url, "app", "1")
    with AppServer(Registry(tmp_path).app) as server:
        assert httpx.head(f"{server.url}/v2/app/manifests/1").headers["docker-content-digest"] == pushed
