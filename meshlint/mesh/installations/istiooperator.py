"""IstioOperator files, read as istioctl reads them.

Sources: operator/pkg/render (`MergeInputs`, `translateIstioOperatorToHelm`,
`applyComponentValuesToHelmValues`, `postProcess`) and operator/pkg/component of istio/istio; up to
1.23 operator/pkg/translate. Merge order: profile default, the chosen profile, the files; values of
the profile, then `spec.meshConfig` and the like, then `spec.values`, then
`spec.unvalidatedValues`; last come patches to what the charts rendered (`k8s`).
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from meshlint.dataclass import dataclass, replace
from meshlint.mesh.installations import facts
from meshlint.mesh.installations.charts import (
    POD,
    Rendered,
    chart_values,
    container,
    render_istiod,
    render_node_agent,
    render_operator_gateway,
    truth,
)
from meshlint.mesh.installations.detection import detect_version
from meshlint.mesh.installations.gateways import gateway_class
from meshlint.mesh.installations.layers import Layer, Layers
from meshlint.mesh.installations.objects import Object, Step
from meshlint.mesh.installations.planes import (
    Origin,
    control_plane,
    image_settings,
    is_remote,
    release_labels,
    revision_name,
)
from meshlint.mesh.installations.records import ControlPlane, GatewayProxy, Image, NodeAgent
from meshlint.mesh.installations.tables import OPERATOR_PROFILES, rows_for
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import (
    COMPONENTS_ON_UNLESS_DISABLED,
    HPA_SPEC_AS_VALUES,
    OPERATOR_LISTS_REPLACE,
    OPERATOR_SKIPS_REPLICAS,
    OPERATOR_VALUES_AS_K8S,
    Version,
)
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import get, mapping, mappings, text

KIND = "install.istio.io/IstioOperator"
DEFAULT_NAMESPACE = "istio-system"


@dataclass(frozen=True, slots=True)
class OperatorInstallation:
    """What one IstioOperator, or several that are applied together, installs."""

    plane: ControlPlane
    installs_control_plane: bool
    gateways: tuple[GatewayProxy, ...]
    agents: tuple[NodeAgent, ...]


def read_operators(index: Index, settings: Settings) -> Iterator[OperatorInstallation]:
    """Every installation that IstioOperator files of the input describe."""
    apart = set(map(id, fragments(index)))
    resources = [resource for resource in index.of_kind(KIND) if id(resource) not in apart]
    for group in _together(resources):
        yield _Operator(group, settings, index).read()


def fragments(index: Index) -> list[Resource]:
    """IstioOperator files that only make sense on top of another one.

    They have no name and nothing that makes an installation, and lie below the folder of one that
    has a profile. Which of them are used together the input does not say, so they are no
    installations of their own, and are not merged either.
    """
    resources = index.of_kind(KIND)
    folders = {_folder(resource) for resource in resources if text(resource.spec, "profile")}
    return [
        resource
        for resource in resources
        if not resource.name and _is_overlay(resource) and _below_one_of(_folder(resource), folders)
    ]


def _folder(resource: Resource) -> str:
    return posixpath.dirname(resource.document.file.path)


def _below_one_of(folder: str, folders: set[str]) -> bool:
    while folder and folder != "/":
        folder = posixpath.dirname(folder)
        if folder in folders:
            return True
    return False


def _is_overlay(resource: Resource) -> bool:
    return all(get(resource.spec, key) is None for key in _OF_AN_INSTALLATION)


_OF_AN_INSTALLATION = ("profile", "hub", "tag", "revision", "namespace", "installPackagePath")


def _together(resources: Sequence[Resource]) -> list[list[Resource]]:
    """Files that can only be meant for one `istioctl install -f a -f b`.

    That is guessed with great care, as folders often hold alternatives: in one folder exactly one
    file names a profile, and every other IstioOperator there has neither profile, hub, tag nor
    revision of its own and no other name. Those are overlays on it, in path order. An IstioOperator
    that shares its file with another one is never an overlay, since istioctl refuses such files.
    """
    folders: dict[str, list[Resource]] = defaultdict(list)
    per_file: dict[str, int] = defaultdict(int)
    for resource in resources:
        folders[_folder(resource)].append(resource)
        per_file[resource.document.file.path] += 1
    groups: list[list[Resource]] = []
    seen: set[int] = set()
    for resource in resources:
        if id(resource) in seen:
            continue
        folder = folders[_folder(resource)]
        group = [resource]
        if len(folder) > 1 and all(per_file[r.document.file.path] == 1 for r in folder):
            bases = [r for r in folder if text(r.spec, "profile")]
            if len(bases) == 1 and all(r is bases[0] or _overlays(r, bases[0]) for r in folder):
                overlays = [r for r in folder if r is not bases[0]]
                group = [*bases, *sorted(overlays, key=lambda r: r.document.file.path)]
        seen.update(id(r) for r in group)
        groups.append(group)
    return groups


def _overlays(overlay: Resource, base: Resource) -> bool:
    return _is_overlay(overlay) and (not overlay.name or overlay.name == base.name)


# ------------------------------------------------------------------------------------ one file


class _Operator:
    def __init__(self, resources: Sequence[Resource], settings: Settings, index: Index) -> None:
        self.resource = resources[0]
        self.settings = settings
        home = Place(self.resource.document, (*self.resource.path, "spec"))
        files = tuple(
            Layer(r.value.get("spec"), Place(r.document, (*r.path, "spec")))
            for r in resources
            if isinstance(r.value.get("spec"), dict)
        )
        given = Layers(files, home)
        self.version, self.version_source = detect_version(
            settings,
            given.get("tag"),
            given.get("components", "pilot", "tag"),
            given.get("values", "global", "tag"),
            given.get("values", "pilot", "tag"),
        )
        found = given.get("profile")
        self.profile = (
            found
            if found is not None and text(found.value)
            else Sourced("default", None, "default of istioctl", given.site("profile"))
        )
        profile_layers = _profile(self.profile, self.version, index)
        self.spec = Layers((*profile_layers, *files), home)
        self.values = self._values()
        self.revision = revision_name(self.values.value("revision"))
        namespace = self.spec.given("values", "global", "istioNamespace")
        self.namespace = (
            text(namespace.value if namespace else None)
            or text(self.spec.value("namespace"))
            or DEFAULT_NAMESPACE
        )

    def read(self) -> OperatorInstallation:
        enabled = self._enabled("pilot")
        remote = self._remote()
        istiod = enabled and not remote
        plane = self._plane(istiod)
        gateways = (*self._gateways("ingress"), *self._gateways("egress"))
        agents = tuple(agent for agent in (self._agent("cni"), self._agent("ztunnel")) if agent)
        return OperatorInstallation(plane, istiod or remote, gateways, agents)

    # ---------------------------------------------------------------------------- components

    def _enabled(self, component: str) -> bool:
        found = self.spec.get("components", component)
        if found is None:
            return component == "pilot"
        return self._on(get(found.value, "enabled"))

    def _on(self, switch: Any) -> bool:
        if switch is None:
            return self.version in COMPONENTS_ON_UNLESS_DISABLED
        return switch is True or switch == "true"

    def _remote(self) -> bool:
        """Whether the cluster uses an istiod that runs elsewhere."""
        if self.spec.value("components", "istiodRemote", "enabled") is True:
            return not self._enabled("pilot")
        return self._enabled("pilot") and is_remote(self._chart_values("istiod"))

    # -------------------------------------------------------------------------------- values

    def _values(self) -> Layers:
        """`spec.values` with everything istioctl adds to it, without defaults of the charts."""
        values = self.spec.at("values")
        profile = tuple(layer for layer in values.layers if layer.place is None)
        files = tuple(layer for layer in values.layers if layer.place is not None)
        translated: list[Layer] = []
        for field, mount in _TRANSLATED:
            found = self.spec.get(field)
            if found is not None and found.value is not None:
                translated += self.spec.at(field).mounted(*mount)
        switches = [
            Layer(self._enabled("pilot"), None, "enabled components", ("pilot", "enabled")),
            self._cni_switch(),
        ]
        unvalidated = self.spec.at("unvalidatedValues").layers
        return Layers((*profile, *translated, *switches, *files, *unvalidated), values.home)

    def _cni_switch(self) -> Layer:
        found = self.spec.given("components", "cni", "enabled")
        place = found.place if found else None
        name = f"profile {self.profile.value}, Istio {self.version}"
        return Layer(self._enabled("cni"), place, name, ("pilot", "cni", "enabled"))

    def _chart_values(
        self, chart: Literal["istiod", "gateways", "cni"], extra: Sequence[Layer] = ()
    ) -> Layers:
        given = self.values.over(*extra)
        return chart_values(chart, self.version, given, flat=False)

    def _fed(self, k8s: Layers, *mount: str) -> list[Layer]:
        """Layers by which istioctl hands replica settings of a component to its chart."""
        if self.version not in HPA_SPEC_AS_VALUES:
            return []
        fed: list[Layer] = []
        for path, name in _FED:
            if truth(k8s.get(*path)):
                fed += k8s.at(*path).mounted(*mount, name)
        return fed

    # --------------------------------------------------------------------------------- istiod

    def _plane(self, istiod: bool) -> ControlPlane:
        k8s = self._pilot_k8s()
        values = self._chart_values("istiod", self._fed(k8s, "pilot"))
        namespace = text(self.spec.value("components", "pilot", "namespace")) or self.namespace
        rendered = render_istiod(values, self.version) if istiod else None
        if rendered is not None:
            name = f"istiod-{self.revision}" if self.revision else "istiod"
            self._patch(rendered, k8s, name, "discovery")
        block = k8s.given("resources")
        if rendered is not None and block is not None:
            rendered = replace(rendered, resources_place=block.place)
        plane = control_plane(
            "istiooperator",
            Place(self.resource.document, self.resource.path),
            self.resource,
            Origin(self.version, self.version_source),
            values=values,
            rendered=rendered,
            namespace=namespace,
            revision=self.revision,
            profile=self.profile,
            replica_count=k8s.given("replicaCount"),
            image=self._image("pilot", values, "pilot"),
            release="istio",
        )
        return replace(plane, spec=self.spec)

    def _pilot_k8s(self) -> Layers:
        k8s = self.spec.at("components", "pilot", "k8s")
        if self.version not in OPERATOR_VALUES_AS_K8S:
            return k8s
        given = self.spec.at("values", "pilot")
        moved = {field: found for field in _VALUES_AS_K8S if truth(found := given.given(field))}
        layers: list[Layer] = []
        for layer in k8s.layers:
            if layer.place is not None and isinstance(layer.value, dict):
                kept = {key: item for key, item in layer.value.items() if key not in moved}
                layer = replace(layer, value=kept)
            layers.append(layer)
        layers += [
            Layer(found.value, found.place, mount=(field,))
            for field, found in moved.items()
            if found is not None
        ]
        return Layers(tuple(layers), k8s.home)

    def _image(self, component: str, values: Layers, section: str) -> Image:
        own = self.spec.at("components", component)
        found = image_settings("istiod" if component == "pilot" else component, values, section)
        return Image(found.component, own.get("hub") or found.hub, own.get("tag") or found.tag)

    # ------------------------------------------------------------------------------- gateways

    def _gateways(self, kind: Literal["ingress", "egress"]) -> Iterator[GatewayProxy]:
        section = f"istio-{kind}gateway"
        switch = self.values.value("gateways", section, "enabled")
        for item in self._gateway_items(f"{kind}Gateways"):
            if self._gateway_on(mapping(item.value()), section, switch):
                yield self._gateway(kind, text(item.value("name")) or section, item)

    def _gateway_items(self, field: str) -> Iterator[Layers]:
        """Members of a list of gateways, each with what the profile and the files say of it."""
        listed = self.spec.at("components", field)
        if self.version in OPERATOR_LISTS_REPLACE:
            yield from _members(listed)
            return
        # A look-up keeps the topmost list only; here those below it count too.
        merged: dict[str, list[Layer]] = {}
        for layer in self.spec.at("components").layers:
            own_list = layer.step(field)
            for member in _members(Layers((own_list,) if own_list else ())):
                merged.setdefault(text(member.value("name")), []).extend(member.layers)
        for layers in merged.values():
            own = next((layer.place for layer in reversed(layers) if layer.place), None)
            yield Layers(tuple(layers), own)

    def _gateway_on(self, item: dict[str, Any], section: str, switch: Any) -> bool:
        # values.gateways.<section>.enabled: from 1.24 on true switches all gateways of the list
        # on, before it decided about the one gateway of that name.
        if self.version in COMPONENTS_ON_UNLESS_DISABLED:
            return switch is True or self._on(item.get("enabled"))
        if isinstance(switch, bool) and item.get("name") == section:
            return switch
        return self._on(item.get("enabled"))

    def _gateway(self, kind: Literal["ingress", "egress"], name: str, item: Layers) -> GatewayProxy:
        section = f"istio-{kind}gateway"
        k8s = item.at("k8s")
        mount = ("gateways", section)
        extra = [
            Layer(name, None, "name of the component", (*mount, "name")),
            *item.at("label").mounted(*mount, "labels"),
            *self._fed(k8s, *mount),
        ]
        values = self._chart_values("gateways", extra)
        own = values.at(*mount)
        rendered = render_operator_gateway(values, self.version, section)
        proxy = container("istio-proxy")
        self._patch(rendered, k8s, name, "istio-proxy")
        env = facts.env_of(rendered.deployment, proxy)
        labels = {key: str(value) for key, value in mapping(own.value("labels")).items()}
        pod_labels = {**labels, **_gateway_pod_labels(section, name, self.revision)}
        pod_annotations = k8s.given("podAnnotations") or own.given("podAnnotations")
        annotations = {
            **mapping(own.value("podAnnotations")),
            **mapping(k8s.value("podAnnotations")),
        }
        block = k8s.given("resources")
        count = k8s.given("replicaCount") or own.given("replicaCount")
        image = image_settings("proxy", values, *mount)
        return GatewayProxy(
            form="istiooperator",
            name=name,
            namespace=text(item.value("namespace")) or self.namespace,
            gateway_class=gateway_class(kind, name, labels, env),
            kind="Deployment",
            home=item.home or self._profile_place(),
            resource=self.resource,
            version=self.version,
            version_source=self.version_source,
            revision=self.revision,
            autoscaling=facts.autoscaling_of(rendered, name),
            replicas=facts.replicas_of(rendered.deployment),
            replica_count=facts.number(count),
            resources=facts.resources_of(
                rendered.deployment, proxy, block.place if block else rendered.resources_place
            ),
            budget=facts.budget_of(rendered.budget, rendered.budget_by),
            scheduling=facts.scheduling_of(rendered.deployment, pod_labels),
            images=(Image("proxy", item.get("hub") or image.hub, item.get("tag") or image.tag),),
            annotations={k: v for k, v in annotations.items() if isinstance(v, str)},
            annotations_place=(
                pod_annotations.place if pod_annotations else k8s.site("podAnnotations")
            ),
            env=env,
            values=values,
            component=item,
        )

    def _profile_place(self) -> Place:
        """Where to speak of a gateway that the profile installs."""
        if self.profile.place is not None:
            return self.profile.place
        path = self.resource.path
        if get(self.resource.value, "metadata", "name") is not None:
            return Place(self.resource.document, (*path, "metadata", "name"))
        return Place(self.resource.document, path)

    # ---------------------------------------------------------------------------- node agents

    def _agent(self, component: Literal["cni", "ztunnel"]) -> NodeAgent | None:
        found = self.spec.get("components", component)
        if found is None or not self._enabled(component):
            return None
        if component == "cni":
            values = self._chart_values("cni")
        else:
            given = self.values.at("ztunnel")
            profile = text(self.values.value("profile"))
            values = chart_values("ztunnel", self.version, given, flat=False, profile=profile)
        agent, place = render_node_agent(values, component)
        k8s = self.spec.at("components", component, "k8s")
        block = k8s.get("resources")
        if block is not None:
            agent.merge(("agent", "resources"), block)
            place = block.place or place
        namespace = text(self.spec.value("components", component, "namespace"))
        return NodeAgent(
            form="istiooperator",
            agent="istio-cni" if component == "cni" else "ztunnel",
            home=found.place or self._profile_place(),
            resource=self.resource,
            version=self.version,
            version_source=self.version_source,
            resources=facts.resources_of(agent, ("agent",), place),
            values=values,
            namespace=namespace or self.namespace,
            images=(self._image(component, values, component),),
        )

    # -------------------------------------------------------------------------------- patches

    def _patch(self, rendered: Rendered, k8s: Layers, name: str, main: str) -> None:
        """Applies `k8s` of a component to the objects that its chart rendered, to no others."""
        where = container(main)
        deployment = rendered.deployment
        for field in ("affinity", "nodeSelector"):
            found = k8s.get(field)
            if found is not None:
                deployment.merge((*POD, field), found)
        for field, path in (
            ("tolerations", (*POD, "tolerations")),
            ("priorityClassName", (*POD, "priorityClassName")),
            ("strategy", ("spec", "strategy")),
        ):
            found = k8s.get(field)
            if found is not None and found.value is not None:
                deployment.put(path, found)
        found = k8s.get("resources")
        if found is not None:
            deployment.merge((*where, "resources"), found)
        listed = k8s.get("env")
        for index, variable in mappings(listed.value if listed else None):
            value = k8s.at("env").get(index, "value")
            if isinstance(variable.get("name"), str) and value is not None:
                deployment.put((*where, "env", ("name", variable["name"]), "value"), value)
        replicas = k8s.get("replicaCount")
        written = self.version not in OPERATOR_SKIPS_REPLICAS or rendered.autoscaler is None
        if replicas is not None and truth(replicas) and written:
            deployment.put(("spec", "replicas"), replicas)
        found = k8s.get("hpaSpec")
        if found is not None:
            for autoscaler in (rendered.autoscaler_settings, rendered.autoscaler):
                if autoscaler is not None:
                    autoscaler.merge(("spec",), found)
        found = k8s.get("podDisruptionBudget")
        if found is not None and rendered.budget is not None:
            _patch_budget(rendered.budget, found)
        _overlay(rendered, k8s, name)


_TRANSLATED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("hub", ("global", "hub")),
    ("tag", ("global", "tag")),
    ("revision", ("revision",)),
    ("meshConfig", ("meshConfig",)),
    ("compatibilityVersion", ("compatibilityVersion",)),
)

_FED: tuple[tuple[tuple[str, ...], str], ...] = (
    (("hpaSpec", "minReplicas"), "autoscaleMin"),
    (("hpaSpec", "maxReplicas"), "autoscaleMax"),
    (("replicaCount",), "replicaCount"),
)


_VALUES_AS_K8S = ("nodeSelector", "tolerations", "replicaCount", "resources")


def _members(listed: Layers) -> Iterator[Layers]:
    found = listed.get()
    for index, item in mappings(found.value if found else None):
        assert found is not None
        place = found.place.below(index) if found.place else None
        yield Layers((Layer(item, place, found.default),), place)


def _gateway_pod_labels(section: str, name: str, revision: str) -> dict[str, str]:
    """Labels that the gateway charts of istioctl add to those of the values."""
    return {
        **release_labels(section, "istio"),
        "istio.io/rev": revision or "default",
        "service.istio.io/canonical-name": name,
        "release": "istio",
        "chart": "gateways",
        "heritage": "Tiller",
    }


def _profile(profile: Sourced[Any], version: Version, index: Index) -> Iterator[Layer]:
    """The profile that a file asks for, over the default one; others may set anything."""
    name = str(profile.value)
    for known in dict.fromkeys(("default", name)):
        for settings in rows_for(OPERATOR_PROFILES.get(known, ()), version):
            yield Layer(settings, None, f"profile {known}, Istio {version}")
    if name in OPERATOR_PROFILES:
        return
    referred = list(_referred(profile, index))
    yield from referred or [Layer(None, None, f"profile {name}", opaque=True)]


def _referred(profile: Sourced[Any], index: Index) -> Iterator[Layer]:
    """The file that `profile: ./path.yaml` names, where it is in the input."""
    name = str(profile.value)
    if profile.place is None or not name.endswith((".yaml", ".yml")):
        return
    folder = posixpath.dirname(profile.place.document.file.path)
    wanted = {posixpath.normpath(name), posixpath.normpath(posixpath.join(folder, name))}
    for resource in index.of_kind(KIND):
        if resource.document.file.path in wanted:
            place = Place(resource.document, (*resource.path, "spec"))
            yield Layer(resource.value.get("spec"), place)


def _patch_budget(budget: Object, patch: Sourced[Any]) -> None:
    # The API allows one of the two fields; istioctl drops the chart's when the patch has the other.
    for field, other in (("minAvailable", "maxUnavailable"), ("maxUnavailable", "minAvailable")):
        if get(patch.value, field) is not None and get(patch.value, other) is None:
            budget.remove(("spec", other))
    budget.merge(("spec",), patch)


def _overlay(rendered: Rendered, k8s: Layers, name: str) -> None:
    """Applies `k8s.overlays`; without effect where kind and name match nothing that is rendered."""
    listed = k8s.get("overlays")
    for index, overlay in mappings(listed.value if listed else None):
        targets = {
            "Deployment": rendered.deployment,
            "HorizontalPodAutoscaler": rendered.autoscaler,
            "PodDisruptionBudget": rendered.budget,
        }
        target = targets.get(text(overlay, "kind"))
        if target is None or overlay.get("name") != name:
            continue
        for number, patch in mappings(overlay, "patches"):
            path = overlay_path(text(patch, "path"))
            if not path:
                continue
            value = k8s.at("overlays").get(index, "patches", number, "value")
            if value is None or value.value is None:
                target.remove(path)
            else:
                target.put(path, value)


def overlay_path(written: str) -> tuple[Step, ...]:
    """Steps of an overlay path: `a.b`, `[name:x]` and `[0]`; a backslash keeps a dot in a key.

    Empty for a path that cannot be read (operator/pkg/tpath of istio/istio).
    """
    steps: list[Step] = []
    part = ""
    depth = 0
    characters = iter(written)
    for character in characters:
        if character == "\\":
            part += next(characters, "")
        elif character == "." and depth == 0:
            if part:
                steps.append(_overlay_step(part))
            part = ""
        else:
            depth += (character == "[") - (character == "]")
            if character == "[" and depth == 1 and part:
                steps.append(_overlay_step(part))
                part = ""
            part += character
    if part:
        steps.append(_overlay_step(part))
    return tuple(steps)


def _overlay_step(part: str) -> Step:
    if part.startswith("[") and part.endswith("]"):
        inner = part[1:-1]
        if inner.isascii() and inner.isdigit():
            return int(inner[:9])
        key, colon, value = inner.partition(":")
        return (key, value) if colon else ("", inner)
    return part
