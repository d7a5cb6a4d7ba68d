"""A stand-in for the API server that has many volumes and claims, all bound, and nothing ever happening to them."""
import base64
import http.server
import json
import os
import ssl
import subprocess
import threading
import time
import urllib.parse
import uuid


def identity(number):
    return str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128)))


class StandIn:
    """Serves HTTPS on loopback within `with`."""

    def __init__(self, work, driver, count):
        self.work, self.driver, self.count = work, driver, count

    def volume(self, number):
        uid = identity(number)
        return {"metadata": {"name": f"pvc-{uid}", "uid": identity(number + 10**7), "resourceVersion": str(number + 1),
                             "creationTimestamp": "2026-01-01T00:00:00Z",
                             "finalizers": ["external-provisioner.volume.kubernetes.io/finalizer",
                                            "kubernetes.io/pv-protection"],
                             "annotations": {"pv.kubernetes.io/provisioned-by": self.driver,
                                             "volume.kubernetes.io/provisioner-deletion-secret-name": "rook-csi-rbd",
                                             "volume.kubernetes.io/provisioner-deletion-secret-namespace": "rook-ceph"}},
                "spec": {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"],
                         "persistentVolumeReclaimPolicy": "Delete", "storageClassName": "rook-ceph-block-replicated",
                         "claimRef": {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "uid": uid,
                                      "namespace": f"a-team-namespace-{number % 500}", "name": f"pgdata-cluster-{number}",
                                      "resourceVersion": "1"},
                         "flexVolume": {"driver": "nacre.io/rbd", "fsType": "ext4", "options": {
                             "schema": "1", "volumeHandle": f"ceph-cluster-a/replicapool//csi-vol-{uid}",
                             "pool": "replicapool", "clusterID": "ceph-cluster-a", "image": f"csi-vol-{uid}"}}},
                "status": {"phase": "Bound"}}

    def claim(self, number):
        uid = identity(number)
        return {"metadata": {"name": f"pgdata-cluster-{number}", "namespace": f"a-team-namespace-{number % 500}",
                             "uid": uid, "resourceVersion": str(number + 1),
                             "annotations": {"pv.kubernetes.io/bind-completed": "yes"},
                             "finalizers": ["kubernetes.io/pvc-protection"]},
                "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "rook-ceph-block-replicated",
                         "volumeName": f"pvc-{uid}", "resources": {"requests": {"storage": "10Gi"}}},
                "status": {"phase": "Bound", "capacity": {"storage": "10Gi"}}}

    def storage_class(self, _):
        return {"metadata": {"name": "rook-ceph-block-replicated", "uid": "class", "resourceVersion": "1"},
                "provisioner": self.driver, "parameters": {}, "reclaimPolicy": "Delete"}

    def page(self, path, query):
        make, count = {"/api/v1/persistentvolumes": (self.volume, self.count),
                       "/api/v1/persistentvolumeclaims": (self.claim, self.count)}.get(path, (self.storage_class, 1))
        begin = int(query.get("continue", ["0"])[0] or 0)
        end = min(count, begin + int(query.get("limit", [count])[0]))
        return {"metadata": {"resourceVersion": str(10**8), "continue": str(end) if end < count else ""},
                "items": [make(number) for number in range(begin, end)]}

    def __enter__(self):
        files = [f"{self.work}/standin.{kind}" for kind in ("key", "crt")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", files[0], "-out", files[1], "-subj", "/CN=standin", "-days", "2",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        standin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, body):
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                query = urllib.parse.parse_qs(url.query)
                if "watch" in query:
                    self.send_response(200)
                    self.send_header("Connection", "close")
                    self.end_headers()
                    time.sleep(900)
                elif "/leases/" in url.path:
                    self.answer(404, {"kind": "Status", "code": 404, "reason": "NotFound"})
                else:
                    self.answer(200, standin.page(url.path, query))

            def echo(self):
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
                body.setdefault("metadata", {})["resourceVersion"] = "1"
                body["status"] = {"allowed": True}
                self.answer(201, body)

            do_POST = do_PUT = do_PATCH = echo

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files[1], files[0])
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        with open(files[1], "rb") as file:
            authority = base64.b64encode(file.read()).decode()
        self.kubeconfig = f"{self.work}/standin.kubeconfig"
        with open(os.open(self.kubeconfig, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            json.dump({"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                       "clusters": [{"name": "c", "cluster": {
                           "server": f"https://127.0.0.1:{self.server.server_address[1]}",
                           "certificate-authority-data": authority}}],
                       "users": [{"name": "u", "user": {"token": "none"}}]}, file)
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
