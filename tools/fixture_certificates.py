"""Write the certificates of the fixtures anew: python tools/fixture_certificates.py

Validity is fixed around the day that fixtures run on, 2026-06-30. The keys are made for this and
used nowhere else.
"""

from __future__ import annotations

import base64
import re
from datetime import datetime, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FIXTURES = Path(__file__).parent.parent / "fixtures"
FOLDERS = ("gateway-credential-invalid", "gateway-credential-expiring")
MARK = re.compile(r"^(\s*)(\S+): (\S+) # (certificate|key) (\w+) until (\d{4}-\d\d-\d\d)$", re.M)
"""A value with its comment: which of a named pair it is, and the last day of that pair."""


def pair(name: str, until: str) -> dict[str, str]:
    """A self-signed certificate and its key, PEM in base64."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}.example")])
    end = datetime.fromisoformat(until).replace(hour=12, tzinfo=timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=timezone.utc))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    encoded = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    return {
        "certificate": base64.b64encode(pem).decode(),
        "key": base64.b64encode(encoded).decode(),
    }


def renew(content: str) -> str:
    """The text of a fixture with certificates and keys made anew."""
    pairs: dict[tuple[str, str], dict[str, str]] = {}

    def renewed(found: re.Match[str]) -> str:
        indent, field, _, part, name, until = found.groups()
        if (name, until) not in pairs:
            pairs[name, until] = pair(name, until)
        return f"{indent}{field}: {pairs[name, until][part]} # {part} {name} until {until}"

    return MARK.sub(renewed, content)


def main() -> None:
    for folder in FOLDERS:
        for file in sorted((FIXTURES / folder).glob("*.yaml")):
            file.write_text(renew(file.read_text()))


if __name__ == "__main__":
    main()
