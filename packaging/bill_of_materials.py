#!/usr/bin/env python3
"""Prints the bill of materials of a source archive as SPDX 2.3: the archive, and each library that what is built from it uses.

Versions are those of the Debian packages on this machine, where they are installed: what a build here would be made with."""
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import time

# Name, Debian's package, licence, whether it is linked or is compiled in from headers.
LIBRARIES = (
    ("OpenSSL", "libssl-dev", "Apache-2.0", "DYNAMIC_LINK"),
    ("libpq", "libpq-dev", "PostgreSQL", "DYNAMIC_LINK"),
    ("libsystemd", "libsystemd-dev", "LGPL-2.1-or-later", "DYNAMIC_LINK"),
    ("SQLite", "libsqlite3-dev", "blessing", "DYNAMIC_LINK"),
    ("libcurl", "libcurl4-openssl-dev", "curl", "DYNAMIC_LINK"),
    ("fmt", "libfmt-dev", "MIT", "DYNAMIC_LINK"),
    ("cpp-httplib", "libcpp-httplib-dev", "MIT", "DYNAMIC_LINK"),
    ("toml++", "libtomlplusplus-dev", "MIT", "DYNAMIC_LINK"),
    ("prometheus-cpp", "prometheus-cpp-dev", "MIT", "DYNAMIC_LINK"),
    ("nlohmann-json", "nlohmann-json3-dev", "MIT", "STATIC_LINK"),
    ("CLI11", "libcli11-dev", "BSD-3-Clause", "STATIC_LINK"),
    ("tl-expected", "libexpected-dev", "CC0-1.0", "STATIC_LINK"),
)


def version_of(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package], capture_output=True, text=True, check=False)
    status, _, version = done.stdout.partition(" ")
    return version if done.returncode == 0 and status == "installed" else None


def library(name, package, licence):
    identifier = "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)
    entry = {"SPDXID": identifier, "name": name, "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": licence, "licenseDeclared": licence,
             "copyrightText": "NOASSERTION"}
    if version := version_of(package):
        entry["versionInfo"] = version
        entry["externalRefs"] = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": f"pkg:deb/debian/{package}@{version}"}]
    return entry


def bill(archive):
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    version = re.fullmatch(r"pgcertd-(.*)\.tar\.gz", archive.name).group(1)
    with tarfile.open(archive) as tar:
        made = int(tar.extractfile(f"pgcertd-{version}/.source-date").read())
    own = {"SPDXID": "SPDXRef-pgcertd", "name": "pgcertd", "versionInfo": version, "packageFileName": archive.name, "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
           "checksums": [{"algorithm": "SHA256", "checksumValue": digest}], "licenseConcluded": "Apache-2.0", "licenseDeclared": "Apache-2.0",
           "copyrightText": "the pgcertd developers", "primaryPackagePurpose": "APPLICATION"}
    entries = [library(name, package, licence) for name, package, licence, _ in LIBRARIES]
    relations = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-pgcertd"}]
    relations += [{"spdxElementId": "SPDXRef-pgcertd", "relationshipType": row[3], "relatedSpdxElement": entry["SPDXID"]} for row, entry in zip(LIBRARIES, entries)]
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"pgcertd-{version}",
            "documentNamespace": f"https://pgcertd.example.org/spdx/pgcertd-{version}-{digest}",
            "creationInfo": {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(made)), "creators": ["Organization: pgcertd developers", "Tool: packaging/bill_of_materials.py"]},
            "packages": [own, *entries], "relationships": relations}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: bill_of_materials.py ARCHIVE")
    json.dump(bill(pathlib.Path(sys.argv[1])), sys.stdout, indent=1)
    print()
