"""Everything a check may look at: the objects of the input and what the mesh makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from meshlint.findings import Assumption
from meshlint.mesh.autoscaling import Autoscaling
from meshlint.mesh.concerns import completeness
from meshlint.mesh.installations.records import Installations
from meshlint.mesh.roles import ROLES, is_mesh_infrastructure
from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import NEWEST_ISTIO, Version
from meshlint.model.index import Index
from meshlint.model.values import items, text
from meshlint.model.workloads import Workload

if TYPE_CHECKING:
    from decimal import Decimal

    from meshlint.mesh.ambient import Ambient
    from meshlint.mesh.budgets import Budgets
    from meshlint.mesh.envoy_filters import Patch
    from meshlint.mesh.gateway_api import Sharing
    from meshlint.mesh.gateway_bindings import Claims
    from meshlint.mesh.hosts import Hosts
    from meshlint.mesh.identities import Identities
    from meshlint.mesh.images import Images
    from meshlint.mesh.ingresses import RouteTable
    from meshlint.mesh.injection import Injection, Injector
    from meshlint.mesh.istio_api import IstioApi
    from meshlint.mesh.kustomize import Kustomizations
    from meshlint.mesh.monitoring import Monitoring
    from meshlint.mesh.network_policies import NetworkPolicies
    from meshlint.mesh.pods import Pods
    from meshlint.mesh.policies import Authorization
    from meshlint.mesh.policy_scopes import PolicyScopes
    from meshlint.mesh.presence import Presence
    from meshlint.mesh.provenance import Sourced
    from meshlint.mesh.proxy import EffectiveProxy, Proxies
    from meshlint.mesh.route_timeouts import RouteTimeout
    from meshlint.mesh.routed_protocols import RoutedProtocols
    from meshlint.mesh.routing import Routing
    from meshlint.mesh.schemas import Schemas
    from meshlint.mesh.tracing import Telemetries
    from meshlint.model.resources import Resource


class World:
    """The whole input with the mesh derived from it. Built once a run; nothing in it changes.

    What is expensive is worked out when it is first asked for.
    """

    def __init__(
        self,
        index: Index,
        settings: Settings,
        hits: Callable[[str, Any, World], Iterable[Any]] | None = None,
    ) -> None:
        self.index: Index = index
        self.settings = settings
        self._hits = hits
        self._subjects: dict[str, Sequence[Any]] = {}
        self._infrastructure: dict[Workload, bool] = {}
        self._assumptions: dict[str, Assumption] = {}

    # ------------------------------------------------------------------------- subjects

    def subjects(self, role: str) -> Sequence[Any]:
        """What a role or a kind (`apps/Deployment`, `networking.istio.io/*`) stands for here."""
        found = self._subjects.get(role)
        if found is None:
            found = self._subjects[role] = self._find_subjects(role)
        return found

    def _find_subjects(self, role: str) -> Sequence[Any]:
        if role in ROLES:
            return ROLES[role](self)
        if role.endswith("/*"):
            kinds = [kind for kind in self.index.kinds if kind.startswith(role[:-1])]
            return self.index.of_kind(*kinds) if kinds else ()
        return self.index.of_kind(role)

    def is_infrastructure(self, workload: Workload) -> bool:
        """Whether a workload is a part of Istio itself."""
        known = self._infrastructure.get(workload)
        if known is None:
            known = self._infrastructure[workload] = is_mesh_infrastructure(workload)
        return known

    # ----------------------------------------------------------------------------- mesh

    @cached_property
    def installations(self) -> Installations:
        """Control planes, gateways and node agents that the input installs."""
        from meshlint.mesh.installations.read import read_installations

        return read_installations(self.index, self.settings)

    @cached_property
    def istio_version(self) -> Version:
        """Target Istio version: the setting, else that of the installation, else the newest."""
        if self.settings.istio_version is not None:
            return self.settings.istio_version
        planes = self.installations.control_planes
        return planes[0].version if planes else NEWEST_ISTIO

    @property
    def kubernetes_version(self) -> Version:
        """Target Kubernetes version."""
        return self.settings.kubernetes_version

    @cached_property
    def root_namespace(self) -> str:
        """Namespace whose policies hold for the whole mesh."""
        if self.settings.root_namespace is not None:
            return self.settings.root_namespace
        planes = sorted(self.installations.control_planes, key=lambda plane: plane.gateways_only)
        for plane in planes:
            return text(plane.mesh, "rootNamespace") or plane.namespace or "istio-system"
        return "istio-system"

    @cached_property
    def autoscaling(self) -> Autoscaling:
        """Which autoscaler scales what."""
        return Autoscaling(self.index)

    @cached_property
    def injector(self) -> Injector:
        """Who gets a sidecar."""
        from meshlint.mesh.injection import Injector

        return Injector(self.index, self.installations, self.settings)

    def injection(self, workload: Workload) -> Injection:
        """Whether the mesh injects a proxy into a workload's pods."""
        return self.injector.of(workload)

    def proxy(self, workload: Workload) -> EffectiveProxy | None:
        """The proxy a workload's pods end up with; None without one, or when it is not known."""
        return self.proxies.of(workload)

    @cached_property
    def proxies(self) -> Proxies:
        """The proxies that pods end up with."""
        from meshlint.mesh.proxy import Proxies

        return Proxies(self.index, self.installations, self.injector, self.settings)

    @cached_property
    def monitoring(self) -> Monitoring:
        """Alerts and dashboards, and what they query."""
        from meshlint.mesh.monitoring import Monitoring

        return Monitoring(self.index)

    @cached_property
    def telemetries(self) -> Telemetries:
        """The Telemetry objects of the input."""
        from meshlint.mesh.tracing import Telemetries

        return Telemetries(self.index, self.root_namespace)

    @cached_property
    def sampling(self) -> Sourced[Decimal] | None:
        """The percentage of requests that the mesh traces; None where it is not known."""
        from meshlint.mesh.tracing import sampling

        return sampling(self)

    @cached_property
    def ambient(self) -> Ambient:
        """What ambient mode makes of routes and network policies."""
        from meshlint.mesh.ambient import Ambient

        return Ambient(self.index, self.cluster_domain)

    @cached_property
    def pods(self) -> Pods:
        """Which pods selectors find."""
        from meshlint.mesh.pods import Pods

        return Pods(self)

    @cached_property
    def network_policies(self) -> NetworkPolicies:
        """Which network policies hold for which pods."""
        from meshlint.mesh.network_policies import NetworkPolicies

        return NetworkPolicies(self)

    @cached_property
    def policy_scopes(self) -> PolicyScopes:
        """What policies of Istio select."""
        from meshlint.mesh.policy_scopes import PolicyScopes

        return PolicyScopes(self)

    @cached_property
    def presence(self) -> Presence:
        """What stands beside what in the input."""
        from meshlint.mesh.presence import Presence

        return Presence(self)

    @cached_property
    def ingress_routes(self) -> RouteTable:
        """Routes of Ingresses by what requests they are for."""
        from meshlint.mesh.ingresses import routes_by_request

        return routes_by_request(self.index)

    @cached_property
    def routed_protocols(self) -> RoutedProtocols:
        """What routes take the ports of Services for."""
        from meshlint.mesh.routed_protocols import RoutedProtocols

        return RoutedProtocols(self)

    @cached_property
    def budgets(self) -> Budgets:
        """Which PodDisruptionBudget is for what."""
        from meshlint.mesh.budgets import Budgets

        return Budgets(self.index)

    @cached_property
    def kustomizations(self) -> Kustomizations:
        """What the kustomizations of the input say about other files."""
        from meshlint.mesh.kustomize import Kustomizations

        return Kustomizations(self.index)

    @cached_property
    def images(self) -> Images:
        """The images of pods, as far as the manifests decide about them."""
        from meshlint.mesh.images import Images

        return Images(self.index, self.kustomizations)

    @cached_property
    def cluster_domain(self) -> str:
        """DNS suffix of Services."""
        if self.settings.cluster_domain is not None:
            return self.settings.cluster_domain
        for plane in self.installations.control_planes:
            found = plane.values.value("global", "proxy", "clusterDomain")
            if isinstance(found, str) and found:
                return found
        return "cluster.local"

    @cached_property
    def hosts(self) -> Hosts:
        """What hosts mean: Services, ServiceEntries, DestinationRules by name."""
        from meshlint.mesh.hosts import Hosts

        return Hosts(self)

    @cached_property
    def delegates(self) -> frozenset[tuple[str, str]]:
        """Namespaces and names of the VirtualServices that others delegate to."""
        from meshlint.mesh.routes import delegates

        return delegates(self.index)

    @cached_property
    def schemas(self) -> Schemas:
        """What the API server demands of an object's fields."""
        from meshlint.mesh.schemas import Schemas

        return Schemas(self.index, self.kubernetes_version)

    @cached_property
    def routing(self) -> Routing:
        """VirtualServices by host, gateway and subset."""
        from meshlint.mesh.routing import Routing

        return Routing(self)

    @cached_property
    def gateway_claims(self) -> Claims:
        """What servers of Gateways of Istio lay claim to: hosts of ports, certificates."""
        from meshlint.mesh.gateway_bindings import Claims

        return Claims(self)

    @cached_property
    def namespaces(self) -> frozenset[str]:
        """Namespaces that are there: declared, used by an object of the input, or everywhere.

        What merely refers to a namespace does not count for it.
        """
        declared = {found.name for found in self.index.of_kind("core/Namespace")}
        declared |= {gateway.namespace for gateway in self.installations.gateways}
        declared |= {plane.namespace for plane in self.installations.control_planes}
        own = {"default", "kube-system", "kube-public", "kube-node-lease", "istio-system"}
        return frozenset(declared | own | {self.root_namespace} | self.index.namespaces)

    @cached_property
    def identities(self) -> Identities:
        """Trust domains of the mesh, and the accounts that pods run with."""
        from meshlint.mesh.identities import Identities

        return Identities(self)

    @cached_property
    def mesh_namespaces(self) -> frozenset[str]:
        """Namespaces with workloads of the mesh."""
        return frozenset(found.namespace for found in self.subjects("mesh-workload"))

    @cached_property
    def routed_hosts(self) -> frozenset[tuple[str, str]]:
        """Hosts of VirtualServices in lower case, each with the namespace it is meant from."""
        return frozenset(
            (host.lower(), service.namespace)
            for service in self.index.of_kind("networking.istio.io/VirtualService")
            for host in items(service.spec, "hosts")
            if isinstance(host, str)
        )

    @cached_property
    def reference_grants(self) -> Mapping[tuple[str, str, str, str], list[Resource]]:
        """ReferenceGrants by their namespace and by group, kind and namespace of whom they let."""
        from meshlint.mesh.reference_grants import reference_grants

        return reference_grants(self.index)

    @cached_property
    def authorization(self) -> Authorization:
        """Which workloads and namespaces AuthorizationPolicies are for."""
        from meshlint.mesh.policies import Authorization

        return Authorization(self.index)

    @cached_property
    def gateway_sharing(self) -> Sharing:
        """Gateways of the Gateway API by their addresses and what they open on them."""
        from meshlint.mesh.gateway_api import Sharing

        return Sharing(self)

    @cached_property
    def routed_gateways(self) -> frozenset[tuple[str, str]]:
        """Namespaces and names of the Gateways of Istio that some VirtualService names."""
        from meshlint.mesh.routes import routed_gateways

        return routed_gateways(self.index, self.cluster_domain)

    @cached_property
    def istio_api(self) -> IstioApi:
        """What the schemas of Istio make of its objects and of MeshConfig."""
        from meshlint.mesh.istio_api import IstioApi

        return IstioApi(self)

    @cached_property
    def route_timeouts(self) -> Mapping[tuple[str, str], RouteTimeout]:
        """The longest timeout of any route to each Service, by its namespace and name."""
        from meshlint.mesh.route_timeouts import longest_timeouts

        return longest_timeouts(self.index, self.cluster_domain)

    @cached_property
    def version_bound_patches(self) -> Mapping[str, Sequence[tuple[Resource, Patch]]]:
        """Patches of EnvoyFilters for certain versions of the proxy, by the filter's name."""
        from meshlint.mesh.envoy_filters import version_bound

        return version_bound(self.index)

    # --------------------------------------------------------------------- completeness

    def complete(self, concern: str) -> Assumption:
        """Whether the input is complete for a concern, and why."""
        known = self._assumptions.get(concern)
        if known is None:
            known = self._assumptions[concern] = completeness(self, concern)
        return known

    def reports(self, rule: str, subject: Any) -> bool:
        """Whether another rule is enabled and reports this subject: one defect is said once."""
        return any(True for _ in self.hits(rule, subject))

    def hits(self, rule: str, subject: Any) -> Iterable[Any]:
        """What another rule reports of this subject; nothing where it is not enabled."""
        return self._hits(rule, subject, self) if self._hits is not None else ()
