"""Certificates: the operator's, or those of a local authority made on first use."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from parley.base.errors import Invalid
from parley.base.settings import Settings

AUTHORITY_DAYS, LEAF_DAYS = 3650, 397
"""Browsers refuse certificates that live longer than 398 days."""
RENEW_BEFORE = datetime.timedelta(days=30)
PREFIXES = ("api", "socket-edge", "api-silos", "location", "location-legacy", "da-collector")
"""Host names that official clients put in front of the base (`rtk-client-protocol.md` section 2)."""


async def certificate_files(settings: Settings, url: str) -> tuple[str | None, str | None]:
    """Paths of certificate chain and key, or None when the server speaks plain http.

    Raises:
        Invalid: only one of certificate and key is given, a file is missing, or they are not a pair.
    """
    if settings.tls_certificate or settings.tls_key:
        _require_file(settings.tls_certificate, "tls_certificate")
        _require_file(settings.tls_key, "tls_key")
        _require_pair(settings.tls_certificate, settings.tls_key)
        return settings.tls_certificate, settings.tls_key
    if not settings.tls:
        return None, None
    host = urlsplit(url).hostname or "localhost"
    return await asyncio.to_thread(_local_certificate, settings.folder / "tls", host)


def _require_file(path: str, name: str) -> None:
    if not path or not Path(path).is_file():
        raise Invalid(f"{name} must name a PEM file; both certificate and key are needed.", field=name)


def _require_pair(chain: str, key: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key)
    except OSError as wrong:  # `ssl.SSLError` is one
        raise Invalid(
            f"{chain} and {key} are not a certificate and its private key in PEM.", field="tls_certificate"
        ) from wrong


def valid_until(chain: str) -> datetime.datetime:
    """When the server's own certificate ends, the first of its chain."""
    return x509.load_pem_x509_certificate(Path(chain).read_bytes()).not_valid_after_utc


def _local_certificate(folder: Path, host: str) -> tuple[str, str]:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = _authority(folder)
    chain, key = folder / f"{host}.pem", folder / f"{host}.key"
    if not _still_good(chain):
        _issue(authority, host, chain, key)
    return str(chain), str(key)


def _still_good(path: Path) -> bool:
    if not path.is_file():
        return False
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return certificate.not_valid_after_utc - RENEW_BEFORE > datetime.datetime.now(datetime.UTC)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(pem)


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_file, key_file = folder / "authority.pem", folder / "authority.key"
    if _still_good(certificate_file) and key_file.is_file():
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return x509.load_pem_x509_certificate(certificate_file.read_bytes()), key
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Parley local authority")
    certificate = (
        _builder(name, name, key.public_key(), AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_key(key_file, key)
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def _issue(
    authority: tuple[x509.Certificate, ec.EllipticCurvePrivateKey], host: str, chain: Path, key_file: Path
) -> None:
    issuer, issuer_key = authority
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName]
    try:
        names = [x509.IPAddress(ipaddress.ip_address(host))]
    except ValueError:
        names = [x509.DNSName(host), *(x509.DNSName(f"{prefix}.{host}") for prefix in PREFIXES)]
    certificate = (
        _builder(_name(host), issuer.subject, key.public_key(), LEAF_DAYS)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    _write_key(key_file, key)
    chain.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM) + issuer.public_bytes(serialization.Encoding.PEM)
    )
