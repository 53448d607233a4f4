"""Which pods a selector finds: those of the input, and those that something of the input makes.

Workloads are found by their templates. Pods are also made by istiod (gateways of the Gateway API),
by installations of Istio, by virtual machines that join the mesh, and by operators; where those may
be meant, nobody can say that a selector finds nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from meshlint.mesh.roles import ISTIO_GROUPS, is_gateway_proxy, is_istiod
from meshlint.model.resources import DEFAULT_NAMESPACE, Resource, is_placed
from meshlint.model.selectors import matches_labels, matches_selector
from meshlint.model.values import items, mapping, mappings, string_map, text
from meshlint.model.workloads import Workload

if TYPE_CHECKING:
    from meshlint.mesh.installations.records import GatewayProxy
    from meshlint.mesh.world import World

ISTIOD_LABELS: Mapping[str, str] = {"app": "istiod", "istio": "pilot"}
"""Labels of the pods of istiod that every installation gives them."""

# Labels that controllers of Kubernetes and Argo Rollouts add to pods; templates do not have them.
_ADDED_LABELS = frozenset(
    {
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-completion-index",
        "batch.kubernetes.io/job-name",
        "controller-revision-hash",
        "controller-uid",
        "job-name",
        "pod-template-generation",
        "pod-template-hash",
        "rollouts-pod-template-hash",
        "statefulset.kubernetes.io/pod-name",
    }
)
_RELEASES = (
    "helm.toolkit.fluxcd.io/HelmRelease",
    "helm.cattle.io/HelmChart",
    "helm.cattle.io/HelmChartConfig",
)
_WITHOUT_PODS = frozenset({*ISTIO_GROUPS, "argoproj.io"})
_KINDS_WITHOUT_PODS = frozenset({"Certificate", "ExternalSecret", "SealedSecret", "ServiceMonitor"})
_OWN_DOMAINS = ("kubernetes.io", "k8s.io", "istio.io")


class Pods:
    """Answers about the pods of one input; each is worked out once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._index = world.index

    # ------------------------------------------------------------------------------- Services

    def of_service(self, service: Resource) -> Sequence[Workload]:
        """Workloads of the input whose pods a Service selects."""
        if text(service.spec, "type") == "ExternalName":
            return ()
        return self._index.workloads_with_labels(
            service.namespace, _of_templates(mapping(service.spec, "selector"))
        )

    def gateway_of_service(self, service: Resource) -> GatewayProxy | None:
        """A gateway that a Service selects; rendered ones are workloads of the input too."""
        selector = _of_templates(mapping(service.spec, "selector"))
        for gateway, labels in self._gateways.get(service.namespace, ()):
            if matches_labels(selector, labels):
                return gateway
        return None

    def is_before_infrastructure(self, service: Resource) -> bool:
        """Whether a Service is that of istiod or of a gateway, by its pods or its labels."""
        if any(key in service.labels for key in ("istio", "gateway.istio.io/managed")):
            return True
        if service.labels.get("release") == "istio":
            return True
        selected = self.of_service(service)
        if selected:
            return any(is_istiod(pod) or is_gateway_proxy(pod) for pod in selected)
        return self.gateway_of_service(service) is not None or self._is_istiod(service)

    def is_before_gateway(self, service: Resource) -> bool:
        """Whether a Service selects a gateway of the input."""
        return self.gateway_of_service(service) is not None or any(
            is_gateway_proxy(pod) for pod in self.of_service(service)
        )

    def _is_istiod(self, service: Resource) -> bool:
        return matches_labels(mapping(service.spec, "selector"), ISTIOD_LABELS) and any(
            plane.namespace in ("", service.namespace)
            for plane in self._world.installations.control_planes
        )

    def twins(self, service: Resource) -> Sequence[Resource]:
        """Services of the namespace with the same selector, itself included, in input order."""
        return self._by_selector.get(_selector_key(service), ())

    @cached_property
    def _by_selector(self) -> Mapping[tuple[str, frozenset[str]], Sequence[Resource]]:
        table: dict[tuple[str, frozenset[str]], list[Resource]] = defaultdict(list)
        for service in self._index.of_kind("core/Service"):
            if mapping(service.spec, "selector"):
                table[_selector_key(service)].append(service)
        return table

    # ---------------------------------------------------------------------- nothing is selected

    def may_match(self, referrer: Resource, selector: Mapping[str, Any]) -> bool:
        """Whether a LabelSelector of an object finds pods of its namespace, or may find some.

        Pods may be there that the input does not show: of operators, of releases of charts, of
        manifests that name no namespace.
        """
        namespace = referrer.namespace
        labels = _of_templates(mapping(selector, "matchLabels"))
        expressions = [entry for _, entry in mappings(selector, "matchExpressions")]
        if any(not isinstance(value, str) for value in labels.values()):
            return True
        added = self._world.kustomizations.added_labels
        labels = {key: value for key, value in labels.items() if (key, value) not in added}
        expressions = [entry for entry in expressions if not added.intersection(_asked([entry]))]
        if not labels and not expressions:
            return True
        wanted = {"matchLabels": labels, "matchExpressions": expressions}
        if self._selects_template(referrer, wanted):
            return True
        known: list[Mapping[str, Any]] = [found for _, found in self._gateways.get(namespace, ())]
        known += self._machines.get(namespace, ())
        if any(plane.namespace == namespace for plane in self._world.installations.control_planes):
            known.append(ISTIOD_LABELS)
        if any(matches_selector(wanted, found) for found in known):
            return True
        if self.has_releases(namespace):
            return True
        asked = [*labels.items(), *_asked(expressions)]
        return any(
            self._is_of_operator(key) or self.is_made_by_operator(namespace, value)
            for key, value in asked
        )

    def _selects_template(self, referrer: Resource, selector: Mapping[str, Any]) -> bool:
        if any(self._candidates(referrer.namespace, selector)):
            return True
        # Without a namespace of their own, objects land where somebody applies them.
        if not is_placed(referrer):
            return self._matches_anywhere(selector)
        return referrer.namespace != DEFAULT_NAMESPACE and any(
            not is_placed(pod.resource) for pod in self._candidates(DEFAULT_NAMESPACE, selector)
        )

    def _matches_anywhere(self, selector: Mapping[str, Any]) -> bool:
        pools = [
            self._label_sets.get(pair, ()) for pair in string_map(selector, "matchLabels").items()
        ]
        if pools:
            pools = [min(pools, key=len)]
        else:
            expressions = [entry for _, entry in mappings(selector, "matchExpressions")]
            pools = [self._label_sets.get(pair, ()) for pair in _asked(expressions)]
        return any(matches_selector(selector, labels) for pool in pools for labels in pool)

    @cached_property
    def _label_sets(self) -> Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]:
        """Label sets of all templates by each of their labels; equal ones once."""
        table: dict[tuple[str, str], dict[frozenset[str], Mapping[str, Any]]] = defaultdict(dict)
        for pod in self._index.workloads:
            same = frozenset(f"{key}={value}" for key, value in pod.labels.items())
            for key, value in pod.labels.items():
                if isinstance(value, str):
                    table[key, value][same] = pod.labels
        return {pair: tuple(found.values()) for pair, found in table.items()}

    def _candidates(self, namespace: str, selector: Mapping[str, Any]) -> Iterator[Workload]:
        labels = mapping(selector, "matchLabels")
        pool: Sequence[Workload]
        if labels:
            pool = self._index.workloads_with_labels(namespace, labels)
        else:
            pool = self._of_values(namespace, mappings(selector, "matchExpressions"))
        for pod in pool:
            if matches_selector(selector, pod.labels):
                yield pod

    def _of_values(
        self, namespace: str, expressions: Iterator[tuple[int, dict[str, Any]]]
    ) -> Sequence[Workload]:
        for _, expression in expressions:
            if text(expression, "operator") == "In":
                return [
                    pod
                    for value in items(expression, "values")
                    for pod in self._index.workloads_with_labels(
                        namespace, {text(expression, "key"): value}
                    )
                ]
        return self._index.workloads_in(namespace)

    @cached_property
    def _gateways(self) -> Mapping[str, Sequence[tuple[GatewayProxy, Mapping[str, str]]]]:
        table: dict[str, list[tuple[GatewayProxy, Mapping[str, str]]]] = defaultdict(list)
        for gateway in self._world.installations.gateways:
            if gateway.form != "rendered" and gateway.scheduling is not None:
                table[gateway.namespace].append((gateway, gateway.scheduling.pod_labels))
        return table

    @cached_property
    def _machines(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Labels of virtual machines, which Services select like pods."""
        table: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for entry in self._index.of_kind("networking.istio.io/WorkloadEntry"):
            table[entry.namespace].append({**entry.labels, **mapping(entry.spec, "labels")})
        for group in self._index.of_kind("networking.istio.io/WorkloadGroup"):
            labels = {
                **string_map(group.spec, "metadata", "labels"),
                **string_map(group.spec, "template", "labels"),
            }
            table[group.namespace].append(labels)
        return table

    # ----------------------------------------------------------------- installations, operators

    def is_made_by_installation(self, namespace: str, name: str) -> bool:
        """Whether an installation of Istio, or istiod for a gateway, makes objects of a name."""
        return (namespace, name) in self._installed or ("", name) in self._installed

    @cached_property
    def _installed(self) -> frozenset[tuple[str, str]]:
        """Namespaces and names of what installations make; empty text for an unknown namespace."""
        made = self._world.installations
        found = {(plane.namespace, plane.deployment_name) for plane in made.control_planes}
        for gateway in made.gateways:
            found |= {(gateway.namespace, gateway.name)}
            found |= {(gateway.namespace, gateway.deployment_name)}
        return frozenset(found)

    def has_releases(self, namespace: str) -> bool:
        """Whether charts are released into a namespace, of which the input shows the name only."""
        return any(self._index.in_namespace(kind, namespace) for kind in _RELEASES)

    def is_made_by_operator(self, namespace: str, name: str) -> bool:
        """Whether a name may be given by an operator: that of an object of its own, or longer."""
        names = self._custom_names.get(namespace)
        if not names:
            return False
        parts = name.split("-")
        return any("-".join(parts[:count]) in names for count in range(len(parts), 0, -1))

    @cached_property
    def _custom_names(self) -> Mapping[str, frozenset[str]]:
        table: dict[str, set[str]] = defaultdict(set)
        for resource in self._index.resources:
            if _may_make_pods(resource):
                table[resource.namespace].add(resource.name)
        return {namespace: frozenset(names) for namespace, names in table.items()}

    def _is_of_operator(self, key: str) -> bool:
        """Whether a label has a domain that no template of the input uses, as operators' have."""
        domain, slash, _ = key.rpartition("/")
        if not slash or domain.endswith(_OWN_DOMAINS):
            return False
        return key not in self._template_keys

    @cached_property
    def _template_keys(self) -> frozenset[str]:
        return frozenset(str(key) for pod in self._index.workloads for key in pod.labels)


def _selector_key(service: Resource) -> tuple[str, frozenset[str]]:
    selector = mapping(service.spec, "selector")
    return service.namespace, frozenset(f"{key}={value}" for key, value in selector.items())


def _of_templates(labels: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in labels.items() if key not in _ADDED_LABELS}


def _asked(expressions: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for expression in expressions:
        values = [value for value in items(expression, "values") if isinstance(value, str)]
        for value in values or [""]:
            yield text(expression, "key"), value


def _may_make_pods(resource: Resource) -> bool:
    group = resource.group
    if "." not in group or group in _WITHOUT_PODS or group.endswith("k8s.io"):
        return False
    return resource.kind not in _KINDS_WITHOUT_PODS
