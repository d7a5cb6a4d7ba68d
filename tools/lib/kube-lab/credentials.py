"""Keys, certificates and kubeconfigs, all by openssl and all of one throw-away authority."""
import os
import subprocess

from layout import Failure, write_file

NODES = "system:nodes"
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: lab
clusters:
- name: lab
  cluster: {{server: "{server}", certificate-authority: "{pki}/ca.crt"}}
contexts:
- name: lab
  context: {{cluster: lab, user: "{user}"}}
users:
- name: "{user}"
  user: {{client-certificate: "{pki}/{user}.crt", client-key: "{pki}/{user}.key"}}
"""


def openssl(*words):
    try:
        subprocess.run(["openssl", *words], check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except FileNotFoundError:
        raise Failure("cannot make certificates: there is no openssl; apt-get install openssl", 69) from None
    except subprocess.CalledProcessError as e:
        raise Failure(f"cannot make certificates: openssl {words[0]} failed", detail=e.stderr) from None


class Authority:
    def __init__(self, lab):
        self.lab = lab
        self.pki = lab.path("pki")

    def file(self, name):
        return os.path.join(self.pki, name)

    def make(self):
        """All that the control plane and the nodes need."""
        os.makedirs(self.pki, mode=0o700, exist_ok=True)
        self.key("ca")
        openssl("req", "-x509", "-new", "-key", self.file("ca.key"), "-subj", "/CN=kube-lab", "-days", "365",
                "-out", self.file("ca.crt"))
        self.key("service-accounts")
        openssl("ec", "-in", self.file("service-accounts.key"), "-pubout", "-out", self.file("service-accounts.pub"))
        self.certificate("kube-apiserver", "/CN=kube-apiserver", [
            f"IP:{self.lab.address}", "IP:10.96.0.1", "DNS:localhost", "DNS:kubernetes", "DNS:kubernetes.default",
            "DNS:kubernetes.default.svc"])
        self.user("admin", "/O=system:masters/CN=admin")
        # It does the work of all its controllers under its own name.
        self.user("kube-controller-manager", "/O=system:masters/CN=system:kube-controller-manager")
        self.user("kube-scheduler", "/CN=system:kube-scheduler")
        for node in self.lab.nodes:
            self.user(node, f"/O={NODES}/CN=system:node:{node}", ["IP:127.0.0.1", f"DNS:{node}"])

    def key(self, name):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.file(name + ".key"))

    def certificate(self, name, subject, names=()):
        self.key(name)
        openssl("req", "-new", "-key", self.file(name + ".key"), "-subj", subject, "-out", self.file(name + ".csr"))
        extensions = "keyUsage=digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\n"
        if names:
            extensions += f"subjectAltName={','.join(names)}\n"
        write_file(self.file(name + ".ext"), extensions)
        openssl("x509", "-req", "-in", self.file(name + ".csr"), "-CA", self.file("ca.crt"), "-CAkey",
                self.file("ca.key"), "-CAcreateserial", "-days", "365", "-extfile", self.file(name + ".ext"),
                "-out", self.file(name + ".crt"))
        for extension in (".csr", ".ext"):
            os.unlink(self.file(name + extension))

    def user(self, name, subject, names=()):
        self.certificate(name, subject, names)
        write_file(self.lab.kubeconfig(name), KUBECONFIG.format(server=self.lab.server, pki=self.pki, user=name))
