"""Small images over plain HTTP."""

import hashlib
import json

import httpx

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
USERS = {"robot": "s3cret"}


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def put_blob(url: str, name: str, data: bytes) -> str:
    made = httpx.post(f"{url}/v2/{name}/blobs/uploads/", params={"digest": digest(data)}, content=data)
    assert made.status_code == 201, made.text
    return digest(data)


def put_image(url: str, name: str, tag: str, layer: bytes = b"layer", media_type: str = DOCKER) -> str:
    """Push a small image; its digest."""
    config = put_blob(url, name, b'{"os":"linux"}')
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {"mediaType": "application/octet-stream", "size": 14, "digest": config},
        "layers": [{"mediaType": "application/octet-stream", "size": len(layer), "digest": put_blob(url, name, layer)}],
    }
    body = json.dumps(manifest).encode()
    done = httpx.put(f"{url}/v2/{name}/manifests/{tag}", content=body, headers={"Content-Type": media_type})
    assert done.status_code == 201, done.text
    assert done.headers["docker-content-digest"] == digest(body)
    return digest(body)
