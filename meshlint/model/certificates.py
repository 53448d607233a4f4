"""Certificates and their keys, as TLS servers are given them.

Nothing here says what a key or certificate holds: the answers are fit for messages.
"""

from __future__ import annotations

import warnings
from datetime import date
from typing import Any

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_KEY_ENDS = (b"-----BEGIN ", b"PRIVATE KEY-----")


def pair_fault(certificate: bytes, key: bytes) -> str:
    """Why a certificate chain and a private key are no usable pair, in plain words; else empty.

    Both are PEM; the first certificate of the chain counts. An encrypted key is no usable one.
    """
    if _CERTIFICATE not in certificate:
        return "its certificate is no PEM certificate"
    if not all(part in key for part in _KEY_ENDS):
        return "its key is no PEM private key"
    leaf = _leaf(certificate)
    if leaf is None:
        return "its certificate cannot be read"
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            private: Any = load_pem_private_key(key, None)
            belongs = private.public_key() == leaf.public_key()
    except TypeError:
        return "its key is encrypted"
    except ValueError:
        return "its key cannot be read"
    except UnsupportedAlgorithm:
        return ""
    return "" if belongs else "its key does not belong to its certificate"


def last_day(certificate: bytes) -> date | None:
    """The day (UTC) on which the first certificate of a PEM chain expires; None if unreadable."""
    leaf = _leaf(certificate)
    if leaf is None:
        return None
    expiry = leaf.not_valid_after_utc
    return date(expiry.year, expiry.month, expiry.day)


def _leaf(chain: bytes) -> Any:
    from cryptography.x509 import load_pem_x509_certificate

    start = chain.find(_CERTIFICATE)
    if start < 0:
        return None
    try:
        # Certificates that break a rule of X.509, such as serial number 0, work all the same.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return load_pem_x509_certificate(chain[start:])
    except ValueError:
        return None
