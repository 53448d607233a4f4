"""Certificates and keys: what is said of them, and that nothing of them is shown."""

from __future__ import annotations

from datetime import date, datetime, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from meshlint.model.certificates import last_day, pair_fault


def make_pair(password: bytes | None = None) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=timezone.utc))
        .not_valid_after(datetime(2026, 6, 30, 23, 59, 59, tzinfo=timezone.utc))
        .sign(key, hashes.SHA256())
    )
    lock = serialization.BestAvailableEncryption(password) if password else None
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        lock or serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), pem


def test_a_pair_that_belongs_together_is_sound() -> None:
    certificate, key = make_pair()
    assert pair_fault(b"# of the shop\n" + certificate + make_pair()[0], key) == ""
    assert last_day(certificate) == date(2026, 6, 30)


def test_each_way_to_be_unusable_is_told_without_content() -> None:
    certificate, key = make_pair()
    broken = certificate.replace(certificate[60:80], b"!" * 20)
    faults = {
        pair_fault(b"hidden", key),
        pair_fault(certificate, b"hidden"),
        pair_fault(broken, key),
        pair_fault(certificate, make_pair()[1]),
        pair_fault(certificate, make_pair(b"hidden")[1]),
    }
    assert len(faults) == 5
    assert not any("hidden" in fault or "shop" in fault for fault in faults)
    assert last_day(broken) is None
