"""Syntax of names: DNS labels, hosts, addresses, ports.

Sources: Kubernetes `apimachinery/pkg/util/validation`; Istio `pkg/config/validation/agent` and
`pkg/config/labels`. Every function takes a value of any type and is False for what is no text.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from meshlint.patterns import regexp

LONGEST_DNS_LABEL = 63
LONGEST_DNS_NAME = 253
LONGEST_HOST = 255

_LABEL = regexp(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_ANY_CASE_LABEL = regexp(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")
_WILDCARD_LABEL = regexp(r"\*|(?:\*|\*-)?[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")
_CAPITALS = regexp(r"(?:\A|[-.])[A-Z][A-Z0-9_]{2,}(?:\Z|[-.])")
_PLACEHOLDER = regexp(r"\$\{|\$\(|\$\$|\{\{|<[^<>]+>")
_HEADER = regexp(r"[-A-Za-z0-9!#$%&'*+.^_`|~]+")
_PLAIN_HEADER = regexp(r"[-_A-Za-z0-9]+")
_LABEL_VALUE = regexp(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?")


def is_dns_label(value: Any) -> bool:
    """Whether a name is an RFC 1123 label: lower case, at most 63 characters."""
    return (
        isinstance(value, str) and len(value) <= LONGEST_DNS_LABEL and bool(_LABEL.fullmatch(value))
    )


def label_fault(name: str) -> str:
    """Why a name is no RFC 1123 label, in words."""
    if len(name) > LONGEST_DNS_LABEL:
        return f"it is {len(name)} characters long, at most {LONGEST_DNS_LABEL} are allowed"
    return "it may have lower-case letters, digits and - only, letters or digits at the ends"


def is_dns_name(value: Any) -> bool:
    """Whether a name is an RFC 1123 subdomain: lower-case labels with dots, 253 characters."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_DNS_NAME:
        return False
    return all(_LABEL.fullmatch(part) for part in value.split("."))


def is_any_case_label(value: Any) -> bool:
    """Whether a name is one DNS label as istiod takes it: any case, at most 63 characters."""
    return (
        isinstance(value, str)
        and len(value) <= LONGEST_DNS_LABEL
        and bool(_ANY_CASE_LABEL.fullmatch(value))
    )


def is_fqdn(value: Any) -> bool:
    """Whether a host is a DNS name as istiod takes it: any case, a trailing dot, 255 characters."""
    return _is_host(value, _ANY_CASE_LABEL)


def is_wildcard_host(value: Any) -> bool:
    """Whether a host is a DNS name whose first label may be or begin with a wildcard: `*.a.b`."""
    return _is_host(value, _WILDCARD_LABEL)


def _is_host(value: Any, first: re.Pattern[str]) -> bool:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_HOST:
        return False
    labels = value.removesuffix(".").split(".") if value != "." else [""]
    if any(len(label) > LONGEST_DNS_LABEL for label in labels):
        return False
    if not first.fullmatch(labels[0]):
        return False
    # A top-level domain of digits alone belongs to something that was meant as an address.
    if labels[-1].isdigit():
        return False
    return all(_ANY_CASE_LABEL.fullmatch(label) for label in labels[1:])


def is_placeholder(value: Any) -> bool:
    """Whether a text has a place in it that a tool or a person fills later: `${NAME}`, `<name>`."""
    return isinstance(value, str) and _PLACEHOLDER.search(value) is not None


def is_unfilled(name: str) -> bool:
    """Whether a name has a word in capitals that a script fills later: `ROLLOUT_NAME`."""
    return _CAPITALS.search(name) is not None


def is_ip(value: Any) -> bool:
    """Whether a value is an IPv4 or IPv6 address."""
    if not isinstance(value, str) or "%" in value:
        return False
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def is_cidr(value: Any) -> bool:
    """Whether a value is an address with a prefix length; bits behind the prefix may be set."""
    if not isinstance(value, str) or "/" not in value or "%" in value:
        return False
    if not value.rpartition("/")[2].isdigit():
        return False
    try:
        ipaddress.ip_interface(value)
    except ValueError:
        return False
    return True


def is_port(value: Any) -> bool:
    """Whether a number is a port, 1 to 65535."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535


def is_port_name(value: Any) -> bool:
    """Whether a name may stand for a port in Istio: an RFC 1123 label."""
    return is_dns_label(value)


def is_header_name(value: Any) -> bool:
    """Whether a value is a token of HTTP (RFC 9110), which header names are."""
    return isinstance(value, str) and bool(_HEADER.fullmatch(value))


def is_plain_header_name(value: Any) -> bool:
    """Whether a header name has letters, digits, `-` and `_` only, as istiod asks in matches."""
    return isinstance(value, str) and bool(_PLAIN_HEADER.fullmatch(value))


def is_label_value(value: Any) -> bool:
    """Whether a value may be that of a label: empty, or 63 characters with alphanumeric ends."""
    return (
        isinstance(value, str)
        and len(value) <= LONGEST_DNS_LABEL
        and bool(_LABEL_VALUE.fullmatch(value))
    )


def is_label_key(value: Any) -> bool:
    """Whether a value may be the key of a label or annotation: `[prefix/]name`."""
    if not isinstance(value, str):
        return False
    prefix, slash, name = value.rpartition("/")
    if slash and not is_dns_name(prefix):
        return False
    return bool(name) and is_label_value(name)
