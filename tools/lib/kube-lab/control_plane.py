"""etcd, API server, controller manager and scheduler: how each is started, and when they are ready."""
import http.client
import os
import socket
import ssl
import time

import daemons
from layout import Failure, write_file

LOOPBACK = "127.0.0.1"


def argv(lab, name):
    return {
        "etcd": etcd, "kube-apiserver": api_server, "kube-controller-manager": controller_manager,
        "kube-scheduler": scheduler,
    }[name](lab)


def etcd(lab):
    client, peer = (f"http://{LOOPBACK}:{lab.port(p)}" for p in ("etcd", "etcd-peer"))
    return [
        lab.program_path("etcd"), "--name=lab", f"--data-dir={lab.path('etcd')}",
        f"--listen-client-urls={client}", f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=lab={peer}", "--log-level=warn",
    ]


def gates(lab):
    return [f"--feature-gates={lab.state['gates']}"] if lab.state["gates"] else []


def api_server(lab):
    pki = lab.path("pki")
    issuer = "https://kubernetes.default.svc"
    command = [
        lab.program_path("kube-apiserver"), f"--etcd-servers=http://{LOOPBACK}:{lab.port('etcd')}",
        f"--bind-address={lab.address}", f"--advertise-address={lab.address}",
        f"--secure-port={lab.port('kube-apiserver')}",
        *(["--insecure-port=0"] if lab.version < (1, 24) else []),
        # The kubernetes Service would otherwise want an address that is not loopback.
        "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=Node,RBAC", f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/kube-apiserver.crt", f"--tls-private-key-file={pki}/kube-apiserver.key",
        f"--service-account-key-file={pki}/service-accounts.pub",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
        f"--service-account-issuer={issuer}", f"--api-audiences={issuer}",
        f"--kubelet-client-certificate={pki}/admin.crt", f"--kubelet-client-key={pki}/admin.key",
        "--allow-privileged=true", "--profiling=false", *gates(lab), *lab.state["api_args"],
    ]
    if lab.guests:
        return [*command, "--kubelet-preferred-address-types=InternalIP"]
    if not lab.nodes:
        return command
    # Node names are looked up for `kubectl logs` and `exec`; this process alone sees them, in a mount namespace of its own.
    with open("/etc/hosts", encoding="utf-8") as f:
        hosts = f.read()
    write_file(lab.path("hosts"), hosts + "".join(f"{LOOPBACK} {n}\n" for n in lab.nodes))
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c",
            'mount --bind "$0" /etc/hosts && exec "$@"', lab.path("hosts"), *command]


def own_identity(lab, name):
    """Delegated authentication is not looked up: that would fail at start-up while the API server starts too."""
    config = lab.kubeconfig(name)
    return [f"--kubeconfig={config}", f"--authentication-kubeconfig={config}", f"--authorization-kubeconfig={config}",
            "--authentication-skip-lookup=true", f"--bind-address={LOOPBACK}", f"--secure-port={lab.port(name)}",
            *(["--port=0"] if lab.version < (1, 24) else []), "--leader-elect=false"]


def controller_manager(lab):
    name, pki = "kube-controller-manager", lab.path("pki")
    return [
        lab.program_path(name), *own_identity(lab, name),
        # Not kubeadm's --use-service-account-credentials: its forty clients at start-up take seven seconds of a first `up`.
        f"--root-ca-file={pki}/ca.crt",
        f"--service-account-private-key-file={pki}/service-accounts.key",
        f"--cluster-signing-cert-file={pki}/ca.crt", f"--cluster-signing-key-file={pki}/ca.key",
        f"--flex-volume-plugin-dir={lab.path('flexvolume')}", "--attach-detach-reconcile-sync-period=10s",
        *gates(lab), *lab.state["kcm_args"],
    ]


def scheduler(lab):
    name = "kube-scheduler"
    return [lab.program_path(name), *own_identity(lab, name), *gates(lab)]


class API:
    """Single requests as the cluster's administrator."""

    def __init__(self, lab):
        self.lab = lab
        self.context = ssl.create_default_context(cafile=lab.path("pki", "ca.crt"))
        self.context.load_cert_chain(lab.path("pki", "admin.crt"), lab.path("pki", "admin.key"))

    def get(self, path, timeout=5):
        """(status, body); (None, why) if there was no answer."""
        connection = http.client.HTTPSConnection(
            self.lab.address, self.lab.port("kube-apiserver"), timeout=timeout, context=self.context)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException, socket.timeout) as e:
            return None, str(e)
        finally:
            connection.close()


def wait(lab, what, names, is_done, deadline):
    """Until is_done(); fails with the log of one of names that ends meanwhile."""
    while not is_done():
        for name in names:
            if daemons.state(lab, name)[1] == "stopped":
                raise daemons.died(lab, name)
        if time.monotonic() > deadline:
            raise Failure(f"{what} did not come in time; see the logs in {lab.path('log')}",
                          detail=daemons.log_tail(lab, names[-1]))
        time.sleep(0.05)


def wait_ready(lab, deadline, progress):
    api = API(lab)
    wait(lab, "the API server's readiness", ["etcd", "kube-apiserver"],
         lambda: api.get("/readyz")[0] == 200, deadline)
    progress("API server ready")
    # Made by the controller manager's own controllers: with this it works.
    wait(lab, "the default service account", ["etcd", "kube-apiserver", "kube-controller-manager"],
         lambda: api.get("/api/v1/namespaces/default/serviceaccounts/default")[0] == 200, deadline)
    progress("controller manager ready")


def make_directories(lab):
    for name in ("log", "run", "flexvolume"):
        os.makedirs(lab.path(name), mode=0o700, exist_ok=True)
