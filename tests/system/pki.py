"""Certificates as other people's tools make them, right and wrong, for tests that give pgcertd such a state.

Made with python3-cryptography: no openssl command of Debian 12 sets a validity of one's choice without a CA database.
"""
import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
MAKE_KEY = {"p256": lambda: ec.generate_private_key(ec.SECP256R1()), "ed25519": ed25519.Ed25519PrivateKey.generate,
            "rsa1024": lambda: rsa.generate_private_key(65537, 1024), "rsa2048": lambda: rsa.generate_private_key(65537, 2048)}


def now():
    return datetime.datetime.utcnow().replace(microsecond=0)


def subject(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def alternative(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


class Pair:
    """A key and the certificate for it, with the intermediates that belong behind it."""

    def __init__(self, key, certificate, chain=()):
        self.key, self.certificate, self.chain = key, certificate, list(chain)

    @property
    def serial(self):
        text = f"{self.certificate.serial_number:x}"
        return text.zfill(len(text) + len(text) % 2)

    def key_pem(self, style="PKCS8", password=None):
        encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, style), encryption)

    def leaf_pem(self):
        return pem(self.certificate)

    def chain_pem(self):
        return b"".join(map(pem, [self.certificate, *self.chain]))


class Authority(Pair):
    """A CA; without `parent` a root."""

    def __init__(self, common_name, parent=None, key="p256", start=-DAY, life=3650 * DAY, crl_sign=True, usages=()):
        own = MAKE_KEY[key]()
        signer = parent or Pair(own, None)
        issuer = parent.certificate.subject if parent else subject(common_name)
        builder = (x509.CertificateBuilder().subject_name(subject(common_name)).issuer_name(issuer).public_key(own.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now() + start).not_valid_after(now() + start + life)
                   .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
                   .add_extension(x509.KeyUsage(False, False, False, False, False, True, crl_sign, False, False), True)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), False))
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage([USAGES[u] for u in usages]), False)
        super().__init__(own, builder.sign(signer.key, _digest(signer.key)))
        self.chain = [parent.certificate, *parent.chain] if parent and parent.parent else []
        self.parent = parent

    def issue(self, names=("localhost", "127.0.0.1"), common_name="db", key="p256", start=-DAY, life=90 * DAY, usages=("server",), digest=None, intermediates=True):
        own = MAKE_KEY[key]() if isinstance(key, str) else key
        builder = (x509.CertificateBuilder().subject_name(subject(common_name)).issuer_name(self.certificate.subject).public_key(own.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now() + start).not_valid_after(now() + start + life)
                   .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([alternative(n) for n in names]), False)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage([USAGES[u] for u in usages]), False)
        above = [self.certificate, *self.chain] if intermediates and self.parent else []
        return Pair(own, builder.sign(self.key, digest or _digest(self.key)), above)

    def crl(self, revoked=(), start=-DAY, life=30 * DAY, number=1, signer=None, delta=False):
        """PEM; `revoked`: serial numbers; `signer`: whose key signs in this CA's name."""
        signer = signer or self
        builder = (x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject).last_update(now() + start).next_update(now() + start + life)
                   .add_extension(x509.CRLNumber(number), False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False))
        if delta:
            builder = builder.add_extension(x509.DeltaCRLIndicator(1), True)
        for serial in revoked:
            builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now() + start).build())
        return pem(builder.sign(signer.key, _digest(signer.key)))


def _digest(key):
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
