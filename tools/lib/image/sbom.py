"""Writes what an image or a package holds as SPDX 2.3 JSON: Debian's packages, and the Swift packages in the programs.

usage: sbom.py OUT.spdx.json NAME ARCHIVE SUITE STATUS Package.resolved
STATUS is the file of dpkg's of that name in the image. SOURCE_DATE_EPOCH stands for the time, if it is set.
"""
import datetime
import hashlib
import json
import os
import re
import sys
from urllib.parse import quote, urlsplit


def paragraphs(path):
    """dpkg's paragraphs as dictionaries; of a field of several lines the first."""
    with open(path, encoding="utf-8") as f:
        for text in f.read().split("\n\n"):
            fields = dict(re.findall(r"^([^\s:]+): *(.*)$", text, re.M))
            if fields:
                yield fields


def element(name, version, purl, **more):
    # An SPDX id has letters, digits, dots and dashes.
    number = hashlib.sha256(purl.encode()).hexdigest()[:12]
    return {
        "SPDXID": f"SPDXRef-{re.sub('[^A-Za-z0-9.-]', '-', name)}-{number}", "name": name, "versionInfo": version,
        "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION",
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}],
        **more}


def debian(fields, suite):
    name, version = fields["Package"], fields["Version"]
    source = fields.get("Source", name).split(" ")[0]
    purl = f"pkg:deb/debian/{quote(name)}@{quote(version, safe='')}?arch={fields['Architecture']}&distro={suite}"
    # Its licences are in the image: /usr/share/doc/NAME/copyright.
    return element(name, version, purl, supplier=f"Person: {fields['Maintainer']}", sourceInfo=f"built from {source}")


def swift(pin):
    url, state = pin["location"].removesuffix(".git"), pin["state"]
    version = state.get("version") or state["revision"]
    place = urlsplit(url)
    purl = f"pkg:swift/{place.netloc}{place.path}@{version}"
    return element(pin["identity"], version, purl, downloadLocation=f"git+{url}@{state['revision']}")


def main():
    out, image, archive, suite, status, resolved = sys.argv[1:]
    name, _, tag = image.rpartition(":")
    with open(archive, "rb") as f:
        digest = hashlib.file_digest(f, "sha256").hexdigest() if hasattr(hashlib, "file_digest") \
            else hashlib.sha256(f.read()).hexdigest()
    installed = [p for p in paragraphs(status) if p.get("Status", "").endswith(" installed")]
    with open(resolved, encoding="utf-8") as f:
        pins = json.load(f)["pins"]
    whole = element(name, tag, f"pkg:oci/{name.rpartition('/')[2]}?repository_url={quote(name)}&tag={tag}",
                    checksums=[{"algorithm": "SHA256", "checksumValue": digest}],
                    packageFileName=os.path.basename(archive), primaryPackagePurpose="CONTAINER")
    parts = [debian(p, suite) for p in installed] + [swift(p) for p in pins]
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    time = datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc) if seconds \
        else datetime.datetime.now(datetime.timezone.utc)
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": image,
        "documentNamespace": f"https://spdx.org/spdxdocs/nacre-{tag}-{digest}",
        "creationInfo": {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": ["Tool: nacre-tools-image"]},
        "documentDescribes": [whole["SPDXID"]], "packages": [whole] + parts,
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": whole["SPDXID"]}]
        + [{"spdxElementId": whole["SPDXID"], "relationshipType": "CONTAINS", "relatedSpdxElement": part["SPDXID"]}
           for part in parts]}
    with open(out + ".new", "w", encoding="utf-8") as f:
        json.dump(document, f, indent=1)
        f.write("\n")
    os.rename(out + ".new", out)


main()
