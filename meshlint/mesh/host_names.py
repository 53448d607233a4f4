"""What hosts have in common by their names alone.

Sources: Istio API, VirtualService (short names); Istio `pkg/config/host`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Generic, TypeVar

from meshlint.model.names import is_ip

T = TypeVar("T")


def service_parts(host: str, namespace: str, cluster_domain: str) -> tuple[str, str] | None:
    """Namespace and name of the Service that a host may name; None for any other host.

    A short name belongs to the namespace of the referring object. `name.namespace` may as well be
    a host outside of the cluster.
    """
    short = host.lower().removesuffix(".")
    short = short.removesuffix(f".svc.{cluster_domain}").removesuffix(".svc")
    name, _, other = short.partition(".")
    if not name or name.startswith("*") or "." in other or is_ip(host):
        return None
    return other or namespace, name


def covers(pattern: str, host: str) -> bool:
    """Whether a host, or a leftmost wildcard such as `*.example.com`, covers another host.

    A wildcard covers the wildcards below it and itself.
    """
    if pattern.startswith("*"):
        return host.removeprefix("*").endswith(pattern[1:]) and len(host) >= len(pattern)
    return pattern == host


def overlap(one: str, other: str) -> bool:
    """Whether two hosts, either of which may be a wildcard, have a name in common."""
    return covers(one, other) or covers(other, one)


class HostTable(Generic[T]):
    """What belongs to hosts, wildcards included.

    A look-up takes as many steps as a host has labels.
    """

    def __init__(self, pairs: Iterable[tuple[str, T]]) -> None:
        self._exact: dict[str, list[T]] = defaultdict(list)
        self._by_suffix: dict[str, list[T]] = defaultdict(list)
        self._odd: list[tuple[str, T]] = []
        for host, found in pairs:
            if host == "*" or host.startswith("*."):
                self._by_suffix[host[1:]].append(found)
            elif host.startswith("*"):
                self._odd.append((host, found))
            else:
                self._exact[host].append(found)

    def covering(self, host: str) -> Iterator[T]:
        """What belongs to the host itself, then those of wildcards over it, narrowest first."""
        if not host.startswith("*"):
            yield from self._exact.get(host, ())
        suffix = host[1:] if host.startswith("*") else host
        if host.startswith("*"):
            yield from self._by_suffix.get(suffix, ())
        at = suffix.find(".", 0 if not host.startswith("*") else 1)
        while at >= 0:
            yield from self._by_suffix.get(suffix[at:], ())
            at = suffix.find(".", at + 1)
        if suffix:
            yield from self._by_suffix.get("", ())
        for pattern, found in self._odd:
            if covers(pattern, host):
                yield found

    def below(self, pattern: str) -> Iterator[T]:
        """What belongs to hosts that a wildcard covers, wildcards included."""
        ending = pattern[1:][::-1]
        for names, table in ((self._reversed, self._exact), (self._suffixes, self._by_suffix)):
            at = bisect_left(names, ending)
            while at < len(names) and names[at].startswith(ending):
                name = names[at][::-1]
                if table is self._by_suffix or name != pattern[1:]:
                    yield from table[name]
                at += 1
        for host, found in self._odd:
            if covers(pattern, host):
                yield found

    @cached_property
    def _reversed(self) -> list[str]:
        return sorted(name[::-1] for name in self._exact)

    @cached_property
    def _suffixes(self) -> list[str]:
        return sorted(name[::-1] for name in self._by_suffix)

    def exact(self, host: str) -> Sequence[T]:
        """What belongs to exactly this host or wildcard."""
        if host.startswith("*"):
            return self._by_suffix.get(host[1:], ()) or [f for h, f in self._odd if h == host]
        return self._exact.get(host, ())

    @property
    def hosts(self) -> Iterable[str]:
        """Every host without wildcard."""
        return self._exact.keys()

    def overlapping(self, host: str) -> Iterator[T]:
        """What belongs to a host that has a name in common with this one."""
        yield from self.covering(host)
        if host.startswith("*"):
            yield from self.below(host)
