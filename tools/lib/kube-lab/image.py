"""Writes a one-layer OCI image that `ctr images import` takes, without any container tool.

usage: image.py OUT.tar NAME:TAG ENTRYPOINT-JSON WORD...
A word is SOURCE:DESTINATION (a file), DESTINATION->TARGET (a symbolic link) or DIRECTORY/.
The same words give the same bytes.
"""
import hashlib
import io
import json
import sys
import tarfile


class Layer:
    """A tar whose members all belong to root and bear no time."""

    def __init__(self):
        self.bytes = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.bytes, mode="w")
        self.directories = {""}

    def directory(self, path):
        path = path.strip("/")
        if path in self.directories:
            return
        self.directories.add(path)
        self.parent_of(path)
        info = tarfile.TarInfo(path)
        info.type, info.mode = tarfile.DIRTYPE, 0o1777 if path == "tmp" else 0o755
        self.tar.addfile(info)

    def parent_of(self, path):
        self.directory(path.strip("/").rpartition("/")[0])

    def link(self, path, target):
        self.parent_of(path)
        info = tarfile.TarInfo(path.strip("/"))
        info.type, info.linkname = tarfile.SYMTYPE, target
        self.tar.addfile(info)

    def file(self, source, path):
        self.parent_of(path)
        info = tarfile.TarInfo(path.strip("/"))
        with open(source, "rb") as f:
            content = f.read()
        info.mode, info.size = 0o755, len(content)
        self.tar.addfile(info, io.BytesIO(content))

    def finish(self):
        self.tar.close()
        return self.bytes.getvalue()


def read_words(words):
    layer = Layer()
    for word in words:
        if "->" in word:
            layer.link(*word.split("->", 1))
        elif word.endswith("/"):
            layer.directory(word)
        else:
            layer.file(*word.split(":", 1))
    return layer.finish()


class Blobs:
    def __init__(self):
        self.content = {}

    def put(self, content, media_type):
        """The descriptor of a blob."""
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        digest = hashlib.sha256(content).hexdigest()
        self.content[digest] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def archive(layer, name, entrypoint, out):
    blobs = Blobs()
    kind = "application/vnd.oci.image."
    layer_at = blobs.put(layer, kind + "layer.v1.tar")
    config_at = blobs.put({
        "architecture": "amd64", "os": "linux", "config": {"Entrypoint": entrypoint, "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [layer_at["digest"]]}}, kind + "config.v1+json")
    manifest_at = blobs.put({
        "schemaVersion": 2, "mediaType": kind + "manifest.v1+json", "config": config_at, "layers": [layer_at],
    }, kind + "manifest.v1+json")
    manifest_at["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    files = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [manifest_at]}).encode(),
        **{f"blobs/sha256/{digest}": content for digest, content in blobs.content.items()},
    }
    with tarfile.open(out, "w") as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def main():
    out, name, entrypoint, *words = sys.argv[1:]
    archive(read_words(words), name, json.loads(entrypoint), out)


main()
