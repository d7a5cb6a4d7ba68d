"""Writes an OCI archive of layers that are tar files, as `ctr images import` and `skopeo copy oci-archive:` take it.

usage: archive.py OUT.tar NAME:TAG ENTRYPOINT LAYER.tar...
"""
import hashlib
import io
import json
import os
import sys
import tarfile

KIND = "application/vnd.oci.image."
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def file_digest(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while part := f.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def descriptor(kind, digest, size):
    return {"mediaType": KIND + kind, "digest": f"sha256:{digest}", "size": size}


class Archive:
    def __init__(self, path):
        self.tar = tarfile.open(path, "w")

    def add(self, name, content):
        info = tarfile.TarInfo(name)
        info.size = len(content)
        self.tar.addfile(info, io.BytesIO(content))

    def document(self, kind, value):
        content = json.dumps(value).encode()
        digest = hashlib.sha256(content).hexdigest()
        self.add(f"blobs/sha256/{digest}", content)
        return descriptor(kind, digest, len(content))

    def layer(self, path):
        digest = file_digest(path)
        info = tarfile.TarInfo(f"blobs/sha256/{digest}")
        info.size = os.path.getsize(path)
        with open(path, "rb") as f:
            self.tar.addfile(info, f)
        return descriptor("layer.v1.tar", digest, info.size)


def main():
    out, name, entrypoint, *paths = sys.argv[1:]
    archive = Archive(out + ".new")
    archive.add("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    layers = [archive.layer(path) for path in paths]
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    configuration = archive.document("config.v1+json", {
        "architecture": architecture, "os": "linux", "config": {"Entrypoint": [entrypoint], "Env": [f"PATH={PATH}"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}})
    manifest = archive.document("manifest.v1+json", {
        "schemaVersion": 2, "mediaType": KIND + "manifest.v1+json", "config": configuration, "layers": layers})
    manifest["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    archive.add("index.json", json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode())
    archive.tar.close()
    os.rename(out + ".new", out)


main()
