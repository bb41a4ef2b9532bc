"""Every kind of certificate and CRL that pgcertd makes, read by another implementation and held against RFC 5280 and the profile of
the documentation: serial, key identifiers, usages, dates, no extension twice. Each also passes openssl verify -x509_strict."""
import datetime
import shutil
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

import pki
from client_test import Clients
from harness import PGCERTCTL, quiet_run

OFFERED = {"server": {ExtendedKeyUsageOID.SERVER_AUTH}, "client": {ExtendedKeyUsageOID.CLIENT_AUTH}}


def certificates_of(path):
    return [x509.load_pem_x509_certificate(block.encode()) for block in (b + "-----END CERTIFICATE-----\n" for b in path.read_text().split("-----END CERTIFICATE-----\n")[:-1])]


def extension(thing, oid):
    return thing.extensions.get_extension_for_oid(oid)


class Lint:
    """What is wrong with one certificate, in words; empty: nothing."""

    def __init__(self, certificate, issuer, kind):
        self.one, self.issuer, self.kind, self.faults = certificate, issuer, kind, []
        self.serial(), self.identifiers(), self.dates(), self.usages(), self.names()

    def check(self, holds, words):
        if not holds:
            self.faults.append(words)

    def has(self, oid):
        return any(e.oid == oid for e in self.one.extensions)

    def serial(self):
        number = self.one.serial_number
        self.check(number > 0 and 8 * 8 < number.bit_length() < 20 * 8, f"serial of {number.bit_length()} bits")   # RFC 5280 4.1.2.2; CA/B: 64 random bits
        self.check(self.one.version == x509.Version.v3, "not version 3")
        oids = [e.oid for e in self.one.extensions]
        self.check(len(oids) == len(set(oids)), "an extension stands twice")

    def identifiers(self):
        own = extension(self.one, ExtensionOID.SUBJECT_KEY_IDENTIFIER)
        self.check(not own.critical and len(own.value.digest) in (20, 32), "subjectKeyIdentifier")
        if self.kind == "root":
            return
        theirs = extension(self.one, ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
        self.check(not theirs.critical and theirs.value.key_identifier == extension(self.issuer, ExtensionOID.SUBJECT_KEY_IDENTIFIER).value.digest, "authorityKeyIdentifier is not its issuer's")
        self.check(self.one.issuer == self.issuer.subject and len(self.one.issuer.rdns) > 0, "issuer")
        self.check(self.one.serial_number != self.issuer.serial_number, "its issuer's serial")

    def dates(self):
        begin, end = self.one.not_valid_before, self.one.not_valid_after
        self.check(begin < end and begin.microsecond == end.microsecond == 0, "dates")
        self.check(begin <= datetime.datetime.utcnow() < end, "not in date")
        self.check(self.issuer.not_valid_before <= begin and end <= self.issuer.not_valid_after, "outlives its issuer")

    def usages(self):
        usage, basic = extension(self.one, ExtensionOID.KEY_USAGE), extension(self.one, ExtensionOID.BASIC_CONSTRAINTS)
        self.check(usage.critical and basic.critical, "keyUsage and basicConstraints are critical (4.2.1.3, 4.2.1.9)")
        if self.kind in ("root", "issuing"):
            self.check(basic.value.ca and usage.value.key_cert_sign and usage.value.crl_sign and not usage.value.digital_signature, "a CA's usages")
            self.check(self.kind == "root" or basic.value.path_length == 0, "an issuing CA may make CAs")
            self.check(not self.has(ExtensionOID.EXTENDED_KEY_USAGE), "a CA with an extendedKeyUsage binds its leaves")
            return
        self.check(not basic.value.ca and usage.value.digital_signature and not usage.value.key_cert_sign and not usage.value.crl_sign, "a leaf's usages")
        rsa_key = isinstance(self.one.public_key(), rsa.RSAPublicKey)
        self.check(usage.value.key_encipherment == rsa_key, "keyEncipherment goes with RSA alone")
        purposes = extension(self.one, ExtensionOID.EXTENDED_KEY_USAGE)
        self.check(set(purposes.value) == OFFERED[self.kind], "extendedKeyUsage")

    def names(self):
        self.check(self.kind == "client" or self.kind in ("root", "issuing") or len(extension(self.one, ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value) > 0, "a server without a subjectAltName")
        self.check(self.kind == "server" or not self.has(ExtensionOID.SUBJECT_ALTERNATIVE_NAME), "names of a server in another's certificate")
        common = self.one.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        self.check(len(common) == 1 and 0 < len(common[0].value) <= 64, "common name")
        self.check(self.kind != "server" or common[0].value in extension(self.one, ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value.get_values_for_type(x509.DNSName) or
                   common[0].value in map(str, extension(self.one, ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value.get_values_for_type(x509.IPAddress)), "the common name is none of the names")


class Profiles(Clients):
    def lint(self, certificate, issuer, kind):
        self.assertEqual(Lint(certificate, issuer, kind).faults, [], f"{kind} {certificate.subject.rfc4514_string()}")

    def lint_crl(self, path, issuer):
        crl = x509.load_pem_x509_crl(path.read_bytes())
        self.assertTrue(crl.is_signature_valid(issuer.public_key()))
        oids = {e.oid: e.critical for e in crl.extensions}
        self.assertEqual(oids, {ExtensionOID.AUTHORITY_KEY_IDENTIFIER: False, ExtensionOID.CRL_NUMBER: False})
        self.assertEqual(extension(crl, ExtensionOID.AUTHORITY_KEY_IDENTIFIER).value.key_identifier, extension(issuer, ExtensionOID.SUBJECT_KEY_IDENTIFIER).value.digest)
        self.assertLess(extension(crl, ExtensionOID.CRL_NUMBER).value.crl_number.bit_length(), 160)
        self.assertLess(crl.last_update, crl.next_update)
        serials = [entry.serial_number for entry in crl]
        self.assertEqual(len(serials), len(set(serials)))
        return {entry.serial_number: [e.value.reason for e in entry.extensions] for entry in crl}

    def lint_request(self, text):
        request = x509.load_pem_x509_csr(text[text.index("-----BEGIN CERTIFICATE REQUEST"):].encode())
        self.assertTrue(request.is_signature_valid)
        return request

    def test_what_a_host_makes(self):
        host = self.with_clients()
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        root, issuing = certificates_of(host.root_certificate)[0], certificates_of(host.ca / "issuing.crt")[0]
        self.lint(root, root, "root")
        self.lint(issuing, root, "issuing")
        chain = host.state / "clusters/main/current/server.crt"
        self.lint(certificates_of(chain)[0], issuing, "server")
        quiet_run("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", host.root_certificate, "-untrusted", chain, chain)
        seen = {certificates_of(chain)[0].serial_number}
        for key_type in ("ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072"):
            alice, _ = self.issue(host, "alice", "--key-type", key_type)
            leaf = certificates_of(alice / "postgresql.crt")[0]
            self.lint(leaf, issuing, "client")
            seen.add(leaf.serial_number)
            quiet_run("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", host.root_certificate, "-untrusted", alice / "postgresql.crt", alice / "postgresql.crt")
        self.assertEqual(len(seen), 5, "no serial twice")
        self.assertEqual(host.ctl("revoke", serial, "--reason", "superseded").returncode, 0)
        revoked = self.lint_crl(host.ca / "issuing.crl", issuing)
        self.assertEqual(revoked[int(serial, 16)], [x509.ReasonFlags.superseded])
        self.assertIn([], revoked.values(), "the canary's entry tells no reason (5.3.1: unspecified is left out)")
        out = host.directory / "own.csr"
        self.assertEqual(host.ctl("request", "export", "-o", out).returncode, 0)
        request = self.lint_request(out.read_text())
        self.assertTrue(extension(request, ExtensionOID.BASIC_CONSTRAINTS).value.ca)
        self.assertEqual(request.subject, issuing.subject)
        self.lint_crl(host.ca / "root.crl", root)
        for kind in ("rsa-2048", "ecdsa-p384"):
            with self.subTest(kind):
                host.configure(cluster=f'key_type = "{kind}"')
                daemon.hangup()
                self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
                leaf = certificates_of(chain)[0]
                self.assertIsInstance(leaf.public_key(), rsa.RSAPublicKey if kind == "rsa-2048" else ec.EllipticCurvePublicKey)
                self.lint(leaf, issuing, "server")

    def test_what_the_root_makes(self):
        directory = self.host(server=False).directory / "root"
        run = lambda *words: subprocess.run([str(PGCERTCTL), *map(str, words)], check=True, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
        run("ca", "init", "--root-dir", directory, "--no-passphrase", "--key-type", "rsa-3072", "--days", 20000)   # beyond 2049: GeneralizedTime
        root = certificates_of(directory / "root.crt")[0]
        self.lint(root, root, "root")
        self.lint_crl(directory / "root.crl", root)
        text = quiet_run("openssl", "asn1parse", "-in", directory / "root.crt")
        self.assertEqual((text.count("UTCTIME"), text.count("GENERALIZEDTIME")), (1, 1), "RFC 5280 4.1.2.5")
        out = directory.parent / "made"
        out.mkdir()
        requests = {"server": "db1.example.org", "client": "alice", "issuing": "A CA"}
        for kind, name in requests.items():
            csr = out / f"{kind}.csr"
            more = {"server": ["-addext", "subjectAltName=DNS:db1.example.org,IP:192.0.2.1"], "issuing": ["-addext", "basicConstraints=critical,CA:TRUE"], "client": []}[kind]
            quiet_run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", out / f"{kind}.key", "-out", csr, "-subj", f"/CN={name}", *more)
            policy = out / "policy.toml"
            policy.write_text('[issuing]\nnew_keys = "allow"\n')
            run("--yes", "ca", "sign", "--profile", kind, "--policy", policy, "--root-dir", directory, csr, "-o", out / f"{kind}.crt")
            self.lint(certificates_of(out / f"{kind}.crt")[0], root, kind)
            quiet_run("openssl", "verify", "-x509_strict", "-CAfile", directory / "root.crt", out / f"{kind}.crt")
        shutil.rmtree(out)

    def test_a_fault_would_be_found(self):
        root = pki.Authority("a root").certificate
        self.assertEqual(Lint(root, root, "root").faults, [])
        self.assertEqual(Lint(root, root, "issuing").faults, ["its issuer's serial", "an issuing CA may make CAs"])
        old = pki.Authority("an old root", start=-pki.DAY * 20, life=pki.DAY).certificate
        self.assertEqual(Lint(old, old, "root").faults, ["not in date"])
