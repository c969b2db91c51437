"""An API behind TLS, with a certificate of a CA of its own, as openBalena has one."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.devices.ingest.relay.alone import relaying, request
from tests.devices.ingest.relay.test_passing import LARGE, OK, REPORT, STATE, body
from tests.devices.ingest.relay.upstream import upstream

NAME = "localhost"


def made(name: str, issuer: str, key: Any, signer: Any, *extensions: x509.ExtensionType) -> x509.Certificate:
    """A certificate of `key` for this name, signed by the issuer's key."""
    now = datetime.now(UTC)
    subject, by = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each)]) for each in (name, issuer))
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(signer, hashes.SHA256())


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """The CA's certificate, as a file; beside it the server's, for NAME."""
    own, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    of_authority = made("CA", "CA", own, own, x509.BasicConstraints(ca=True, path_length=0), usage)
    of_server = made(NAME, "CA", server, own, x509.SubjectAlternativeName([x509.DNSName(NAME)]))
    pem = serialization.Encoding.PEM
    key = server.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "server.pem").write_bytes(of_server.public_bytes(pem) + key)
    (tmp_path / "ca.pem").write_bytes(of_authority.public_bytes(pem))
    return tmp_path / "ca.pem"


@pytest.fixture
def tls(authority: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.with_name("server.pem"))
    return context


def test_calls_pass_through_tls_once_the_ca_is_known(
    authority: Path, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with upstream(OK, tls=tls) as api, relaying(api.port, NAME, secure=True) as relay:
        for _ in range(2):
            assert relay.call(request("GET", STATE)).status == 200
        assert relay.call(request("PATCH", REPORT, body=body(LARGE))).status == 200
        assert api.sent[-1].body == body(LARGE)
        assert [sent.connection for sent in api.sent[:2]] == [1, 1]  # it is kept


def test_a_ca_that_is_not_known_is_a_bad_gateway(tls: ssl.SSLContext) -> None:
    with upstream(OK, tls=tls) as api, relaying(api.port, NAME, secure=True) as relay:
        answer = relay.call(request("GET", STATE))
        assert (answer.status, api.sent) == (502, [])
        assert answer.body == b'{"error":"The API cannot be reached: SSLCertVerificationError"}'


def test_a_certificate_for_another_name_is_a_bad_gateway(
    authority: Path, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with upstream(OK, tls=tls) as api, relaying(api.port, "127.0.0.1", secure=True) as relay:
        assert relay.call(request("GET", STATE)).status == 502
        assert api.sent == []
