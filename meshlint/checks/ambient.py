"""Ambient mode: is it installed, do waypoints exist where they are needed, does traffic arrive."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.checks.hits import at, listed, there
from meshlint.findings import Change, Hit, Path, Related
from meshlint.mesh.ambient import (
    GATEWAY,
    INGRESS_USE_WAYPOINT,
    PROBE_SOURCE,
    TUNNEL_PORT,
    WAYPOINT_FOR,
    WAYPOINT_TYPES,
    admits,
    covers_port,
    has_waypoint,
    is_ambient_namespace,
    is_waypoint,
    layer7_part,
    layer7_route_part,
    namespace_has_waypoint,
    reference_of,
    restricts_ingress,
    service_parents,
    target_references,
    waypoint_type,
)
from meshlint.mesh.host_names import service_parts
from meshlint.mesh.injection import DATAPLANE_MODE, STATUS, scalar_map, scalar_text
from meshlint.mesh.installations.records import ControlPlane, NodeAgent
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, items, mapping, mappings, text
from meshlint.model.workloads import Container, Workload
from meshlint.operations import Append

Subject = Resource | Workload


def _labels(subject: Subject) -> tuple[Mapping[str, str], Path]:
    if isinstance(subject, Workload):
        return scalar_map(subject.labels), subject.labels_path
    return scalar_map(subject.labels), (*subject.path, "metadata", "labels")


def _is_ambient(workload: Workload, world: World) -> bool:
    return world.injection(workload).mode == "ambient"


def _here(resource: Resource, message: str) -> tuple[Related, ...]:
    return (Related(resource.document, resource.path, message),)


# ------------------------------------------------------------------------------------ enrolling


def label_value_invalid(subject: Subject, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Values of istio.io/dataplane-mode that do not exist."""
    labels, path = _labels(subject)
    value = labels.get(DATAPLANE_MODE, "none")
    if value not in ("ambient", "none"):
        yield Hit((*path, DATAPLANE_MODE), {"value": value})


def components_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Parts of ambient mode that no installation of the input has."""
    if not is_ambient_namespace(world.index, world.settings, subject.name):
        return
    first = next(
        name
        for name in world.injector.enrolled_namespaces
        if is_ambient_namespace(world.index, world.settings, name.name)
    )
    planes = [plane for plane in world.installations.control_planes if plane.istiod]
    if subject is not first or not planes:
        return
    agents = world.installations.node_agents
    lacking = []
    # A values file is one of several releases; the others may need no values of their own.
    if all(plane.resource is not None for plane in planes):
        if not any(agent.agent == "ztunnel" for agent in agents):
            lacking.append("no ztunnel")
        cni = [agent for agent in agents if agent.agent == "istio-cni"]
        if not any(_may_be_ambient(agent) for agent in cni):
            lacking.append("no istio-cni with ambient.enabled" if cni else "no istio-cni")
    if not any(_reads_ambient(plane) for plane in planes):
        lacking.append('no PILOT_ENABLE_AMBIENT "true" at istiod')
    if lacking:
        home = planes[0].home
        yield Hit(
            (*subject.path, "metadata", "labels", DATAPLANE_MODE),
            {"namespace": subject.name, "lacking": listed(lacking)},
            there(home, "the installation", on_key=True),
        )


def _may_be_ambient(agent: NodeAgent) -> bool:
    if agent.form == "rendered" or len(agent.values.known().layers) < len(agent.values.layers):
        return True
    found = agent.values.get("cni", "ambient", "enabled")
    return found is not None and found.value is True


def _reads_ambient(plane: ControlPlane) -> bool:
    """Whether istiod may serve ztunnel, as far as the input tells."""
    if len(plane.values.known().layers) < len(plane.values.layers):
        return True
    found = plane.env.get("PILOT_ENABLE_AMBIENT")
    value = found.value if found is not None else None
    if value is None:
        value = plane.values.value("pilot", "env", "PILOT_ENABLE_AMBIENT")
    return scalar_text(value) == "true"


def workload_with_sidecar(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Templates in ambient namespaces that still hold a sidecar."""
    if not is_ambient_namespace(world.index, world.settings, subject.namespace):
        return
    if scalar_map(subject.labels).get(DATAPLANE_MODE) == "none":
        return
    namespace = world.index.namespace(subject.namespace)
    related = _here(namespace, "this namespace is ambient") if namespace is not None else ()
    proxy = subject.proxy_container
    args = {"namespace": subject.namespace}
    if proxy is not None and text(proxy.value, "image") not in ("", "auto"):
        yield Hit((*proxy.path, "image"), args, related)
    elif STATUS in subject.annotations and not world.reports("istio-annotation-reserved", subject):
        yield Hit((*subject.annotations_path, STATUS), args, related, "status", on_key=True)


# ------------------------------------------------------------------------------------ waypoints


def waypoint_missing(subject: Subject, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Labels that name a waypoint which is not there, or not for this namespace."""
    reference = reference_of(subject)
    index = world.index
    if reference is None:
        return
    # A Namespace is in no namespace but its own.
    namespace = subject.namespace or subject.name
    gateways = index.in_namespace(GATEWAY, reference.namespace)
    gateway = index.find(GATEWAY, reference.namespace, reference.name)
    args = {"waypoint": str(reference), "namespace": namespace}
    if gateway is None:
        if gateways:
            yield at(reference.place, args)
    elif is_waypoint(index, gateway) is False:
        args["kind"] = text(gateway.spec, "gatewayClassName") or "unknown"
        yield at(reference.place, args, _here(gateway, "not a waypoint"), message="class")
    elif admits(index, gateway, namespace) is False:
        related = _here(gateway, "its listeners decide which namespaces may use it")
        yield at(reference.place, args, related, message="refused")


def waypoint_unused(subject: Subject, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Waypoints named where no ztunnel sends traffic to them."""
    reference = reference_of(subject)
    if reference is None or scalar_map(subject.labels).get(INGRESS_USE_WAYPOINT) == "true":
        return
    if isinstance(subject, Workload):
        namespace = world.index.namespace(subject.namespace)
        captured = _is_ambient(subject, world)
        what = "these pods are"
    else:
        namespace = subject
        captured = any(_is_ambient(w, world) for w in world.index.workloads_in(subject.name))
        what = f"namespace {subject.name} is"
    if namespace is None or captured:
        return
    if is_ambient_namespace(world.index, world.settings, namespace.name):
        return
    if scalar_map(subject.labels).get(DATAPLANE_MODE) == "ambient":
        return
    yield at(reference.place, {"waypoint": str(reference), "what": what})


def waypoint_type_mismatched(
    subject: Subject, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Waypoints that do not take traffic for what names them."""
    if isinstance(subject, Resource) and subject.kind == "Gateway":
        value = scalar_map(subject.labels).get(WAYPOINT_FOR, "service")
        if value not in WAYPOINT_TYPES:
            path = (*subject.path, "metadata", "labels", WAYPOINT_FOR)
            yield Hit(path, {"value": value}, message="value")
        return
    reference = reference_of(subject)
    if reference is None:
        return
    gateway = world.index.find(GATEWAY, reference.namespace, reference.name)
    if gateway is None or is_waypoint(world.index, gateway) is not True:
        return
    kind = waypoint_type(world.index, gateway)
    needed = "workload" if isinstance(subject, Workload) else "service"
    if kind in WAYPOINT_TYPES and kind not in (needed, "all"):
        path = (*gateway.path, "metadata", "labels", WAYPOINT_FOR)
        yield at(
            reference.place,
            {
                "waypoint": str(reference),
                "type": kind,
                "needed": needed,
                "subject": "These pods" if needed == "workload" else "This Service",
                "verb": "name" if needed == "workload" else "names",
                "pronoun": "their" if needed == "workload" else "its",
            },
            (Related(gateway.document, path, f"the waypoint is for {kind}"),),
        )


# ------------------------------------------------------------------------------- layer 7 policy


def _selector(policy: Resource) -> tuple[Path, Mapping[str, Any]] | None:
    labels = mapping(policy.spec, "selector", "matchLabels")
    return ((*policy.path, "spec", "selector"), labels) if labels else None


def policy_without_waypoint(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Layer 7 policies for what ztunnel alone serves."""
    part = layer7_part(subject)
    bare = _without_waypoint(subject, world) if part is not None else None
    if part is None or bare is None:
        return
    target, related = bare
    # What is attached to a Service never reaches ztunnel; the rest it takes in the safest way.
    denies = (
        subject.kind == "AuthorizationPolicy"
        and subject.spec.get("action") in (None, "ALLOW", "DENY")
        and not any(True for _ in target_references(subject))
    )
    yield Hit(
        (*subject.path, "spec", *part),
        {"target": target, "kind": subject.kind},
        related,
        message="denies" if denies else "default",
        on_key=True,
    )


def _without_waypoint(policy: Resource, world: World) -> tuple[str, tuple[Related, ...]] | None:
    index, settings = world.index, world.settings
    references = [reference for _, reference in target_references(policy)]
    if references:
        for reference in references:
            if reference.get("kind") != "Service" or reference.get("group", "") not in ("", "core"):
                continue
            namespace = text(reference, "namespace") or policy.namespace
            service = index.find("core/Service", namespace, text(reference, "name"))
            if service is None or not is_ambient_namespace(index, settings, namespace):
                continue
            if has_waypoint(index, service) == "no":
                return f"Service {namespace}/{service.name}", _here(service, "has no waypoint")
        return None
    selected = _selector(policy)
    if policy.namespace == world.root_namespace:
        return None
    if selected is not None:
        for workload in index.workloads_with_labels(policy.namespace, selected[1]):
            if _is_ambient(workload, world) and has_waypoint(index, workload) == "no":
                return str(workload.resource.ref), _here(workload.resource, "has no waypoint")
        return None
    if not is_ambient_namespace(index, settings, policy.namespace):
        return None
    services = index.in_namespace("core/Service", policy.namespace)
    if any(has_waypoint(index, service) == "yes" for service in services):
        return None
    found = index.namespace(policy.namespace)
    if found is None or namespace_has_waypoint(index, policy.namespace) != "no":
        return None
    return f"namespace {policy.namespace}", _here(found, "has no waypoint")


def policy_without_target(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Layer 7 policies that a waypoint does not read, as they are not attached to anything."""
    if layer7_part(subject) is None or any(True for _ in target_references(subject)):
        return
    namespace = subject.namespace
    if namespace_has_waypoint(world.index, namespace) != "yes":
        return
    if not is_ambient_namespace(world.index, world.settings, namespace):
        return
    selected = _selector(subject)
    args = {"kind": subject.kind, "namespace": namespace}
    if selected is None:
        if namespace != world.root_namespace:
            yield Hit((*subject.path, "spec"), args, on_key=True)
        return
    path, labels = selected
    # Gateways and sidecars read selectors; what is not in the input may be one of them.
    workloads = world.index.workloads_with_labels(namespace, labels)
    if any(_is_ambient(workload, world) for workload in workloads):
        yield Hit(path, args, message="selector", on_key=True)


# -------------------------------------------------------------------------------- layer 7 routes


def _services(route: Resource, world: World) -> Iterator[Resource]:
    """Services of the input whose mesh traffic a route is for."""
    named: list[tuple[str, str] | None]
    if route.kind == "VirtualService":
        hosts = items(route.spec, "hosts")
    elif route.kind == "DestinationRule":
        hosts = [route.spec.get("host")]
    else:
        hosts = []
    named = [
        service_parts(host, route.namespace, world.cluster_domain)
        for host in hosts
        if isinstance(host, str)
    ]
    for found in (*named, *service_parents(route)):
        service = world.index.find("core/Service", *found) if found is not None else None
        if service is not None:
            yield service


def route_without_waypoint(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Layer 7 routes for Services that ztunnel alone serves."""
    part = layer7_route_part(subject)
    if part is None:
        return
    for service in _services(subject, world):
        if not is_ambient_namespace(world.index, world.settings, service.namespace):
            continue
        if has_waypoint(world.index, service) != "no" or _all_clients_injected(service, world):
            continue
        if subject.kind == "DestinationRule" and (
            (service.namespace, service.name) in world.ambient.behind_gateways
        ):
            continue
        yield Hit(
            (*subject.path, "spec", *part),
            {"service": f"{service.namespace}/{service.name}", "kind": subject.kind},
            _here(service, "has no waypoint"),
            on_key=True,
        )
        return


def _all_clients_injected(service: Resource, world: World) -> bool:
    """Whether all other workloads of the input have sidecars, which apply routes themselves."""
    selector = mapping(service.spec, "selector")
    own = set(world.index.workloads_with_labels(service.namespace, selector))
    clients = False
    for workload in world.subjects("application-workload"):
        if workload not in own:
            if world.injection(workload).answer != "yes":
                return False
            clients = True
    return clients


def route_namespace_mismatched(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Layer 7 routes that the waypoint of their Service does not look at."""
    part = layer7_route_part(subject)
    if part is None or subject.namespace == world.root_namespace:
        return
    for service in _services(subject, world):
        if service.namespace == subject.namespace or has_waypoint(world.index, service) != "yes":
            continue
        reference = reference_of(service)
        namespace = world.index.namespace(service.namespace)
        if reference is None and namespace is not None:
            reference = reference_of(namespace)
        # Whether a waypoint reads its own namespace too has changed; it is not reported.
        if reference is None or reference.namespace == subject.namespace:
            continue
        field = "hosts" if subject.kind == "VirtualService" else "host"
        yield Hit(
            (*subject.path, "spec", field),
            {
                "kind": subject.kind,
                "service": f"{service.namespace}/{service.name}",
                "own": subject.namespace,
                "namespace": service.namespace,
            },
            there(reference.place, "the Service is served by this waypoint"),
            on_key=field == "hosts",
        )
        return


# -------------------------------------------------------------------------------------- Sidecar


def sidecar_resource_ineffective(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Sidecar objects for pods that have none."""
    labels = mapping(subject.spec, "workloadSelector", "labels")
    if labels:
        selected = world.index.workloads_with_labels(subject.namespace, labels)
        if selected and all(_is_ambient(workload, world) for workload in selected):
            yield Hit(
                (*subject.path, "spec", "workloadSelector"),
                {"what": str(selected[0].resource.ref)},
                _here(selected[0].resource, "is in ambient mode"),
                on_key=True,
            )
        return
    namespace = world.index.namespace(subject.namespace)
    if namespace is None or subject.namespace == world.root_namespace:
        return
    if is_ambient_namespace(world.index, world.settings, subject.namespace) and not any(
        world.injection(workload).injected for workload in world.index.workloads_in(namespace.name)
    ):
        yield Hit(
            subject.path,
            {"what": f"namespace {subject.namespace}"},
            _here(namespace, "is in ambient mode"),
        )


# ----------------------------------------------------------------------------- network policies


def networkpolicy_blocks_tunnel(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """NetworkPolicies that leave ambient pods without the port of the tunnel."""
    if not restricts_ingress(subject):
        return
    for workload in _ambient_selected(subject, world):
        if world.ambient.tunnel_blocker(workload) is subject:
            yield Hit(
                (*subject.path, "spec", "ingress"),
                {"workload": str(workload.resource.ref), "port": TUNNEL_PORT},
                _here(workload.resource, "is in ambient mode"),
                on_key=True,
                fix=tuple(_with_tunnel(subject)),
            )
            return


def _with_tunnel(policy: Resource) -> Iterator[Change]:
    """The port of the tunnel in every rule that lets pods in."""
    for number, rule in mappings(policy.spec, "ingress"):
        peers = items(rule, "from")
        if not peers or any(get(peer, "ipBlock") is None for peer in peers):
            path = (*policy.path, "spec", "ingress", number, "ports")
            yield Append(path, {"protocol": "TCP", "port": TUNNEL_PORT})


def _ambient_selected(policy: Resource, world: World) -> Sequence[Workload]:
    selector = mapping(policy.spec, "podSelector")
    return [
        workload
        for workload in world.index.workloads_selected(policy.namespace, selector)
        if _is_ambient(workload, world)
    ]


def networkpolicy_blocks_probes(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """NetworkPolicies that keep the probes of the kubelet from ambient pods."""
    if not restricts_ingress(subject):
        return
    address = _probe_source(world)
    for workload in _ambient_selected(subject, world):
        policies = world.ambient.ingress_policies(workload)
        if not policies or policies[0] is not subject:
            continue
        for container, probe, port, name in _probes(workload):
            if not any(_admits_probe(policy, address, port, name) for policy in policies):
                yield Hit(
                    (*subject.path, "spec", "podSelector"),
                    {
                        "probe": probe,
                        "container": container.name or "unnamed",
                        "workload": str(workload.resource.ref),
                        "address": address,
                        "port": port,
                    },
                    (
                        Related(
                            workload.resource.document, (*container.path, probe), "probed", True
                        ),
                    ),
                    on_key=True,
                    fix=(Append((*subject.path, "spec", "ingress"), _from_kubelet(address)),),
                )
                return


def _from_kubelet(address: str) -> dict[str, Any]:
    size = 128 if ":" in address else 32
    return {"from": [{"ipBlock": {"cidr": f"{address}/{size}"}}]}


def _probes(workload: Workload) -> Iterator[tuple[Container, str, int, str]]:
    """Network probes: container, kind, port by number, and its name."""
    for container in workload.main_containers:
        ports = {
            text(port, "name"): integer(port, "containerPort")
            for _, port in mappings(container.value, "ports")
        }
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            for handler in ("httpGet", "tcpSocket", "grpc"):
                port = get(container.value, probe, handler, "port")
                number = ports.get(port) if isinstance(port, str) else integer(port)
                names = [name for name, value in ports.items() if value == number]
                if number is not None:
                    yield container, probe, number, names[0] if names else ""


def _admits_probe(policy: Resource, address: str, port: int, name: str) -> bool:
    for _, rule in mappings(policy.spec, "ingress"):
        if covers_port(rule, port, name):
            peers = items(rule, "from")
            if not peers or any(_holds(get(peer, "ipBlock"), address) for peer in peers):
                return True
    return False


def _holds(block: Any, address: str) -> bool:
    try:
        wanted = ipaddress.ip_address(address)
        if wanted not in ipaddress.ip_network(text(block, "cidr"), strict=False):
            return False
        return not any(
            wanted in ipaddress.ip_network(part, strict=False)
            for part in items(block, "except")
            if isinstance(part, str)
        )
    except ValueError:
        return False


def _probe_source(world: World) -> str:
    for agent in world.installations.node_agents:
        if agent.agent != "istio-cni":
            continue
        found = agent.values.value("cni", "env", "HOST_PROBE_SNAT_IP")
        workload = world.index.workload_of(agent.resource) if agent.resource is not None else None
        for container in workload.containers if workload is not None else ():
            for _, variable in mappings(container.value, "env"):
                if variable.get("name") == "HOST_PROBE_SNAT_IP":
                    found = variable.get("value")
        if isinstance(found, str) and found:
            return found
    return PROBE_SOURCE
