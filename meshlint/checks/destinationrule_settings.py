"""What istiod refuses inside of a traffic policy: ejection, connections, balancing, TLS.

Sources: Istio `pkg/config/validation` and `pkg/config/validation/agent`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isqrt
from typing import Any

from meshlint.checks.fixing import set_at
from meshlint.checks.hits import at
from meshlint.findings import Hit
from meshlint.mesh.mesh_config import MeshConfig
from meshlint.mesh.provenance import Place
from meshlint.mesh.traffic_policies import policies_of, traffic_policies
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, is_templated, items, mapping, mappings, text

# --------------------------------------------------------------------------- outlier detection


def outlier_detection_invalid(
    subject: Resource | MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Outlier detection with percentages that are none, or with a count that never counts."""
    for policy in policies_of(subject):
        outlier = policy.block("outlierDetection")
        if outlier is None:
            continue
        place, value = outlier
        for field in ("maxEjectionPercent", "minHealthPercent"):
            percent = integer(value, field)
            if percent is not None and not 0 <= percent <= 100:
                yield at(place.below(field), {"field": field, "value": percent})
        failures = integer(value, "consecutiveLocalOriginFailures") or 0
        if failures > 0 and value.get("splitExternalLocalOriginErrors") is not True:
            where = place.below("consecutiveLocalOriginFailures")
            yield at(where, {"value": failures}, message="local")


# ------------------------------------------------------------------------------ connection pool

_NOT_NEGATIVE = (
    ("http", "http1MaxPendingRequests"),
    ("http", "http2MaxRequests"),
    ("http", "maxRequestsPerConnection"),
    ("http", "maxRetries"),
    ("http", "maxConcurrentStreams"),
    ("tcp", "maxConnections"),
)


def connection_pool_invalid(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Connection pools with values that istiod refuses."""
    for policy in traffic_policies(subject):
        pool = policy.block("connectionPool")
        if pool is not None:
            yield from connection_pool_faults(*pool)


def connection_pool_faults(place: Place, pool: Mapping[str, Any]) -> Iterator[Hit]:
    """What istiod refuses of a connection pool, wherever it stands."""
    for protocol, field in _NOT_NEGATIVE:
        value = integer(pool.get(protocol), field)
        if value is not None and value < 0:
            yield at(place.below(protocol, field), {"field": field, "value": value})
    http = mapping(pool.get("http"))
    if http.get("useClientProtocol") is True and http.get("h2UpgradePolicy") == "UPGRADE":
        yield at(place.below("http", "useClientProtocol"), {}, message="upgrade")
    alive = http.get("http2KeepAlive")
    if isinstance(alive, dict):
        for field in ("interval", "timeout"):
            if alive.get(field) is None:
                where = place.below("http", "http2KeepAlive", field)
                yield at(where, {"field": field}, message="keep-alive", on_key=True)


# -------------------------------------------------------------------------------- load balancer

_TABLE_SIZE_END = 5_000_011


def load_balancer_invalid(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Load balancing with values that istiod refuses."""
    for policy in traffic_policies(subject):
        balancer = policy.block("loadBalancer")
        if balancer is None:
            continue
        place, value = balancer
        hashing = value.get("consistentHash")
        if isinstance(hashing, dict):
            yield from _hash_faults(place.below("consistentHash"), hashing)
        warmup = value.get("warmup")
        if isinstance(warmup, dict):
            yield from _warmup_faults(place.below("warmup"), warmup)


def _hash_faults(place: Place, hashing: Mapping[str, Any]) -> Iterator[Hit]:
    cookie = hashing.get("httpCookie")
    if isinstance(cookie, dict):
        where = place.below("httpCookie")
        if cookie.get("name") in (None, ""):
            yield at(where.below("name"), {}, message="cookie", on_key=True)
        seen: set[str] = set()
        for number, attribute in mappings(cookie, "attributes"):
            name = text(attribute, "name")
            if name in seen:
                path = where.below("attributes", number, "name")
                yield at(path, {"name": name}, message="attribute")
            seen.add(name)
    algorithm = next((name for name in ("ringHash", "maglev") if hashing.get(name) is not None), "")
    if algorithm and integer(hashing, "minimumRingSize"):
        args = {"algorithm": algorithm}
        yield at(place.below("minimumRingSize"), args, message="ring-size", on_key=True)
    maglev = hashing.get("maglev")
    if isinstance(maglev, dict):
        where = place.below("maglev", "tableSize")
        size = integer(maglev, "tableSize")
        if maglev.get("tableSize") is None or size == 0:
            yield at(where, {}, message="table-unset", on_key=True)
        elif size is not None and size >= _TABLE_SIZE_END:
            yield at(where, {"size": size}, message="table-large")
        elif size is not None and not _is_prime(size):
            yield at(where, {"size": size}, message="table-prime")


def _is_prime(number: int) -> bool:
    # Envoy, which has the last word, takes 1 for a prime.
    return 0 < number < 4 or (
        number > 0
        and number % 2 == 1
        and all(number % factor for factor in range(3, isqrt(number) + 1, 2))
    )


def _warmup_faults(place: Place, warmup: Mapping[str, Any]) -> Iterator[Hit]:
    if warmup.get("duration") is None:
        yield at(place.below("duration"), {}, message="warmup", on_key=True)
    percent = _number(warmup.get("minimumPercent"))
    if percent is not None and not 0 <= percent <= 100:
        yield at(place.below("minimumPercent"), {"value": percent}, message="warmup-percent")
    aggression = _number(warmup.get("aggression"))
    if aggression is not None and aggression < 1:
        yield at(place.below("aggression"), {"value": aggression}, message="warmup-aggression")


def _number(value: Any) -> int | float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


# ------------------------------------------------------------------------------------- locality

_REGION_LABELS = frozenset(
    {
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
        "topology.istio.io/subzone",
    }
)


def locality_invalid(
    subject: Resource | MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Locality settings that contradict one another or name no localities."""
    if isinstance(subject, MeshConfig):
        setting = subject.config.given("localityLbSetting")
        if setting is not None and setting.place is not None and isinstance(setting.value, dict):
            yield from locality_faults(setting.place, setting.value)
    for policy in policies_of(subject):
        setting_of_policy = policy.block("loadBalancer", "localityLbSetting")
        if setting_of_policy is None:
            continue
        if get(policy.value, "loadBalancer", "zoneAwareLbSetting") is not None:
            where = policy.place.below("loadBalancer", "zoneAwareLbSetting")
            yield at(where, {}, message="zone-aware", on_key=True)
        yield from locality_faults(*setting_of_policy)


def locality_faults(place: Place, setting: Mapping[str, Any]) -> Iterator[Hit]:
    """What istiod refuses of a localityLbSetting."""
    distribute, failover = items(setting, "distribute"), items(setting, "failover")
    regions = [
        (number, label)
        for number, label in enumerate(items(setting, "failoverPriority"))
        if isinstance(label, str) and label.partition("=")[0] in _REGION_LABELS
    ]
    if distribute and failover:
        yield at(place.below("failover"), {"other": "failover"}, message="both", on_key=True)
    elif regions and (distribute or failover):
        number, label = regions[0]
        args = {"other": "distribute" if distribute else "failover", "label": label}
        yield at(place.below("failoverPriority", number), args, message="priority")
    yield from _distribution_faults(place, setting)
    yield from _failover_faults(place, setting)


def _distribution_faults(place: Place, setting: Mapping[str, Any]) -> Iterator[Hit]:
    taken: list[str] = []
    for number, entry in mappings(setting, "distribute"):
        where = place.below("distribute", number)
        origin = entry.get("from")
        if origin is None or isinstance(origin, str):
            fault = _locality_fault(origin or "", taken)
            if fault:
                yield at(where.below("from"), {"locality": origin or ""}, message=fault)
            taken.append(origin or "")
        yield from _weight_faults(where.below("to"), mapping(entry, "to"))


def _weight_faults(place: Place, weights: Mapping[str, Any]) -> Iterator[Hit]:
    numbers = {name: integer(weight) for name, weight in weights.items()}
    if any(number is None for number in numbers.values()):
        return  # weights of other types are another matter
    wrong = False
    for name, number in numbers.items():
        if number is not None and not 1 <= number <= 100:
            wrong = True
            yield at(place.below(name), {"locality": name, "weight": number}, message="weight")
    total = sum(number for number in numbers.values() if number is not None)
    if not wrong and total != 100:
        yield at(place, {"total": total}, message="total", on_key=True)
    # The order of a map means nothing: wildcards come first, so that every overlap is seen.
    taken: list[str] = []
    for name in sorted((str(name) for name in weights), key=lambda name: (name[-1:] != "*", name)):
        fault = _locality_fault(name, taken)
        if fault:
            yield at(place.below(name), {"locality": name}, message=fault, on_key=True)
        taken.append(name)


def _locality_fault(locality: str, taken: list[str]) -> str:
    """Why a locality is refused beside those before it, by name of the message; empty if not."""
    if is_templated(locality):
        return ""
    parts = locality.split("/", 2)
    if "" in parts:
        return "locality"
    if "*" in locality and (locality.count("*") > 1 or not locality.endswith("*")):
        return "wildcard"
    return "overlap" if any(_overlaps(parts, other.split("/", 2)) for other in taken) else ""


def _overlaps(parts: list[str], earlier: list[str]) -> bool:
    """Whether an earlier locality already takes in all of a later one, or is a part of it."""
    if earlier == ["*"]:
        return True
    if len(parts) < len(earlier):
        # A region after one of its zones overlaps; `*` and `region/*` are for what is left.
        return parts == earlier[: len(parts)]
    if earlier[-1] == "*":
        return parts[: len(earlier) - 1] == earlier[:-1]
    return parts[: len(earlier)] == earlier


def _failover_faults(place: Place, setting: Mapping[str, Any]) -> Iterator[Hit]:
    for number, entry in mappings(setting, "failover"):
        where = place.below("failover", number)
        start, end = (text(entry, field) for field in ("from", "to"))
        if start == end and not is_templated(start):
            yield at(where.below("to"), {"region": start}, message="same-region")
        for field, region in (("from", start), ("to", end)):
            if "/" in region or "*" in region:
                yield at(where.below(field), {"field": field, "region": region}, message="region")


def failover_without_outlier_detection(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Failover between localities that nothing triggers."""
    for policy in traffic_policies(subject):
        setting = policy.block("loadBalancer", "localityLbSetting")
        if setting is None or policy.sets("outlierDetection"):
            continue
        field = next(
            (name for name in ("failover", "failoverPriority") if setting[1].get(name)), ""
        )
        if field:
            args = {
                "field": field,
                "host": text(subject.spec, "host"),
                "scope": policy.scope,
            }
            fix = set_at(policy.place.below("outlierDetection"), _EJECTION)
            yield at(setting[0].below(field), args, on_key=True, fix=fix)


_EJECTION = {"consecutive5xxErrors": 5, "interval": "10s", "baseEjectionTime": "30s"}


# ------------------------------------------------------------------------------------------ TLS

_FILES = ("clientCertificate", "privateKey", "caCertificates", "caCrl")
_CONFIG_MAP = "configmap://"


def tls_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """TLS settings of clients that lack a part, or give one twice."""
    namespace = text(subject.metadata, "namespace")
    for policy in traffic_policies(subject):
        block = policy.block("tls")
        if block is None:
            continue
        place, tls = block
        mode, credential = text(tls, "mode"), text(tls, "credentialName")
        if credential.startswith(_CONFIG_MAP) and not is_templated(credential):
            yield from _reference_faults(place, credential, namespace)
        if mode in ("SIMPLE", "MUTUAL"):
            yield from _verification_faults(place, tls, mode)
            yield from _certificate_faults(place, tls, mode)
        elif mode == "ISTIO_MUTUAL":
            for field in (*_FILES, "credentialName"):
                if text(tls, field):
                    yield at(place.below(field), {"field": field}, message="istio-mutual")


def _reference_faults(place: Place, credential: str, namespace: str) -> Iterator[Hit]:
    where = place.below("credentialName")
    other, slash, name = credential.removeprefix(_CONFIG_MAP).partition("/")
    if not slash or not other or not name or "/" in name:
        yield at(where, {"credential": credential}, message="reference")
    elif namespace and other != namespace:
        args = {"credential": credential, "namespace": namespace}
        yield at(where, args, message="foreign")


def _verification_faults(place: Place, tls: Mapping[str, Any], mode: str) -> Iterator[Hit]:
    if tls.get("insecureSkipVerify") is not True:
        return
    fields = ["caCertificates", "subjectAltNames"]
    if mode == "SIMPLE":
        fields.append("credentialName")
    for field in fields:
        if tls.get(field):
            yield at(place.below(field), {"field": field}, message="skip-verify", on_key=True)


def _certificate_faults(place: Place, tls: Mapping[str, Any], mode: str) -> Iterator[Hit]:
    if text(tls, "credentialName"):
        for field in _FILES:
            if text(tls, field):
                yield at(place.below(field), {"field": field}, message="credential", on_key=True)
    elif mode == "MUTUAL":
        for field in ("clientCertificate", "privateKey"):
            if tls.get(field) in (None, ""):
                yield at(place.below(field), {"field": field}, on_key=True)
