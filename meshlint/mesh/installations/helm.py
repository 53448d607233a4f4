"""Releases of Istio's Helm charts: values files, Argo CD, Flux, Helmfile, umbrella charts.

Values merge in the order in which each tool hands them to Helm; where one of them is not in the
input, what it may set is not known.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from meshlint.dataclass import dataclass, field
from meshlint.documents import Document, parse
from meshlint.mesh.installations.detection import scalar_text
from meshlint.mesh.installations.layers import Layer, Layers
from meshlint.mesh.installations.neighbors import shared_steps
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.settings import Settings
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import get, items, mapping, mappings, text
from meshlint.patterns import regexp
from meshlint.text import SourceFile

Chart = Literal["base", "default", "istiod", "istiod-remote", "gateway", "cni", "ztunnel"]

# Names in the chart repositories; the directory names are those of istio/istio itself.
_CHART_NAMES: Mapping[str, Chart] = {
    "base": "base",
    "default": "default",
    "istiod": "istiod",
    "istio-discovery": "istiod",
    "istiod-remote": "istiod-remote",
    "gateway": "gateway",
    "cni": "cni",
    "istio-cni": "cni",
    "ztunnel": "ztunnel",
}
# Names that other charts have too count only from a place that says Istio.
_OWN_NAMES = frozenset({"istiod", "istio-discovery", "istiod-remote", "istio-cni", "ztunnel"})


@dataclass(frozen=True, slots=True)
class Release:
    """One release of a chart with the values that the input gives it."""

    chart: Chart
    given: Layers
    home: Place
    resource: Resource | None = None
    name: str = ""
    """Name of the release; empty when the input does not say."""
    namespace: str = ""
    version: Sourced[Any] | None = None


def read_releases(index: Index, settings: Settings) -> list[Release]:
    """Every release of a chart of Istio in the input, in input order."""
    files = _Files(index)
    found = [
        *_applications(index, files),
        *_flux_releases(index, files),
        *_helmfiles(index, files),
        *_kustomize_charts(files),
    ]
    found += _values_files(index, settings, files)
    order = {id(file.file): number for number, file in enumerate(index.files)}
    return sorted(
        found,
        key=lambda r: (
            order.get(id(r.home.document.file), len(order)),
            r.home.document.index,
        ),
    )


def chart_named(name: str, origin: str) -> Chart | None:
    """The chart a name stands for; `origin` is the repository or whatever else it comes from."""
    last = name.rstrip("/").rpartition("/")[2]
    chart = _CHART_NAMES.get(last)
    if chart is None:
        return None
    if last in _OWN_NAMES or "istio" in f"{origin} {name}".lower():
        return chart
    return None


# --------------------------------------------------------------------------------------- files


@dataclass(slots=True)
class _Files:
    """Documents of the input by path, and which of them a release has used."""

    index: Index
    used: set[int] = field(default_factory=set)
    _by_path: dict[str, list[Document]] | None = None

    def at(self, path: str) -> list[Document]:
        return self._paths().get(posixpath.normpath(path), [])

    def ending(self, path: str) -> list[Document]:
        """Documents of the one file whose path ends with the steps given; else none."""
        wanted = "/" + posixpath.normpath(path).lstrip("./")
        found = [docs for known, docs in self._paths().items() if f"/{known}".endswith(wanted)]
        return found[0] if len(found) == 1 else []

    def _paths(self) -> dict[str, list[Document]]:
        if self._by_path is None:
            self._by_path = {}
            for file in self.index.files:
                path = posixpath.normpath(file.file.path)
                self._by_path.setdefault(path, []).extend(file.documents)
            for document in self.index.values_files:
                listed = self._by_path.setdefault(posixpath.normpath(document.file.path), [])
                if document not in listed:
                    listed.append(document)
        return self._by_path

    def kustomizations(self) -> list[Document]:
        return [
            document
            for path, documents in self._paths().items()
            if posixpath.basename(path) in KUSTOMIZATION_NAMES
            for document in documents
        ]

    def generated(self, name: str, key: str, near: str) -> Layer | None:
        """Values that a kustomization puts into a ConfigMap or Secret; None when none does."""
        for document in sorted(
            self.kustomizations(), key=lambda d: -shared_steps(d.file.path, near)
        ):
            for kind in ("secretGenerator", "configMapGenerator"):
                for _, generator in mappings(document.value, kind):
                    if generator.get("name") != name:
                        continue
                    for entry in items(generator, "files"):
                        held, _, path = str(entry).rpartition("=")
                        if (held or posixpath.basename(path)) == key:
                            return self.layer(path, posixpath.dirname(document.file.path))
        return None

    def layer(self, path: str, folder: str) -> Layer:
        """Values of a file that is named in another one of the folder."""
        documents = self.at(posixpath.join(folder, path)) or self.ending(
            path.removeprefix("$values/")
        )
        if len(documents) != 1:
            return UNKNOWN_VALUES
        document = documents[0]
        self.used.add(id(document))
        return Layer(document.value, Place(document, ()))

    def layers(self, paths: Sequence[Any], folder: str) -> list[Layer]:
        return [self.layer(path, folder) for path in paths if isinstance(path, str)]


KUSTOMIZATION_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")


UNKNOWN_VALUES = Layer(None, opaque=True, default="values that are not in the input")


def embedded_values(found: Any, place: Place) -> Layer | None:
    """Values given as a text that holds YAML; None for a text that holds none."""
    if not isinstance(found, str):
        return None
    documents = parse(SourceFile(place.document.file.path, found)).documents
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        return None if not found.strip() else UNKNOWN_VALUES
    return Layer(documents[0].value, Place(place.document, place.path, embedded=True))


def _parameter(name: str, value: Any, place: Place) -> Layer | None:
    """One `--set name=value`; lists by index are not known."""
    steps = re.split(r"(?<!\\)\.", name)
    if not name or "[" in name:
        return UNKNOWN_VALUES if name else None
    typed = value
    if isinstance(value, str):
        typed = _SET_WORDS.get(value, value)
        if re.fullmatch(r"-?(?:0|[1-9][0-9]{0,17})", value):
            typed = int(value)
    return Layer(typed, place, mount=tuple(step.replace("\\.", ".") for step in steps))


_SET_WORDS: Mapping[str, Any] = {"true": True, "false": False, "null": None}


# -------------------------------------------------------------------------------------- Argo CD


def _applications(index: Index, files: _Files) -> Iterator[Release]:
    for resource in index.of_kind("argoproj.io/Application", "argoproj.io/ApplicationSet"):
        steps: tuple[str, ...] = ("spec",)
        if resource.kind == "ApplicationSet":
            steps = ("spec", "template", "spec")
        spec = mapping(resource.value, *steps)
        base = Place(resource.document, (*resource.path, *steps))
        sources = [(("source",), mapping(spec, "source"))] if "source" in spec else []
        found: list[tuple[tuple[str | int, ...], dict[str, Any]]] = [*sources]
        found += [(("sources", number), source) for number, source in mappings(spec, "sources")]
        for path, source in found:
            release = _application(resource, spec, source, base.below(*path), files)
            if release is not None:
                yield release


def _application(
    resource: Resource, spec: dict[str, Any], source: dict[str, Any], place: Place, files: _Files
) -> Release | None:
    """A source of an Application. Parameters win over valuesObject, that over values, that over
    valueFiles (Argo CD user guide, Helm)."""
    repository = text(source, "repoURL")
    name = text(source, "chart") or text(source, "path")
    chart = chart_named(name, repository)
    if chart is None:
        return None
    helm = mapping(source, "helm")
    folder = posixpath.dirname(resource.document.file.path)
    layers = files.layers(items(helm, "valueFiles"), folder)
    inline = embedded_values(helm.get("values"), place.below("helm", "values"))
    home = place.below("helm", "values")
    if isinstance(helm.get("valuesObject"), dict):
        home = place.below("helm", "valuesObject")
        layers.append(Layer(helm["valuesObject"], home))
    elif inline is not None:
        layers.append(inline)
        home = Place(home.document, home.path, embedded=True)
    elif not helm.get("values"):
        home = place.below("helm", "valuesObject")
    for number, parameter in mappings(helm, "parameters"):
        at = place.below("helm", "parameters", number, "value")
        layer = _parameter(text(parameter, "name"), parameter.get("value"), at)
        if layer is not None:
            layers.append(layer)
    revision = source.get("targetRevision")
    version = (
        Sourced(revision, place.below("targetRevision"))
        if "targetRevision" in source
        else Sourced(None, site=place.below("targetRevision"))
    )
    return Release(
        chart=chart,
        given=Layers(tuple(layers), home),
        home=place,
        resource=resource,
        name=text(helm, "releaseName") or resource.name,
        namespace=text(spec, "destination", "namespace"),
        version=version if source.get("chart") else None,
    )


# ----------------------------------------------------------------------------------------- Flux


def _flux_releases(index: Index, files: _Files) -> Iterator[Release]:
    for resource in index.of_kind("helm.toolkit.fluxcd.io/HelmRelease"):
        base = Place(resource.document, (*resource.path, "spec"))
        name, origin, version = _flux_chart(index, resource, base)
        chart = chart_named(name, origin)
        if chart is None:
            continue
        folder = posixpath.dirname(resource.document.file.path)
        layers = files.layers(items(resource.spec, "chart", "spec", "valuesFiles"), folder)
        for reference in items(resource.spec, "valuesFrom"):
            layers.append(_flux_values(index, files, resource, mapping(reference)))
        if isinstance(resource.spec.get("values"), dict):
            layers.append(Layer(resource.spec["values"], base.below("values")))
        yield Release(
            chart=chart,
            given=Layers(tuple(layers), base.below("values")),
            home=Place(resource.document, resource.path),
            resource=resource,
            name=text(resource.spec, "releaseName") or resource.name,
            namespace=text(resource.spec, "targetNamespace") or resource.namespace,
            version=version,
        )


def _flux_chart(
    index: Index, resource: Resource, base: Place
) -> tuple[str, str, Sourced[Any] | None]:
    """Name of the chart, where it comes from, and its version."""
    reference = mapping(resource.spec, "chartRef")
    if reference:
        kind = text(reference, "kind")
        namespace = text(reference, "namespace") or resource.namespace
        found = index.find(f"source.toolkit.fluxcd.io/{kind}", namespace, text(reference, "name"))
        if found is None:
            return text(reference, "name"), "", None
        spec = Place(found.document, (*found.path, "spec"))
        if kind == "OCIRepository":
            url = text(found.spec, "url")
            for key in ("tag", "semver"):
                tag = get(found.spec, "ref", key)
                if tag is not None:
                    return url, url, Sourced(tag, spec.below("ref", key))
            return url, url, Sourced(None, site=spec.below("ref", "tag"))
        origin = _flux_repository(index, found, mapping(found.spec, "sourceRef"))
        return text(found.spec, "chart"), origin, _version(found.spec, spec)
    chart = mapping(resource.spec, "chart", "spec")
    origin = _flux_repository(index, resource, mapping(chart, "sourceRef"))
    return text(chart, "chart"), origin, _version(chart, base.below("chart", "spec"))


def _version(spec: Mapping[str, Any], place: Place) -> Sourced[Any]:
    at = place.below("version")
    return Sourced(spec["version"], at) if "version" in spec else Sourced(None, site=at)


def _flux_repository(index: Index, owner: Resource, reference: dict[str, Any]) -> str:
    namespace = text(reference, "namespace") or owner.namespace
    kind, name = text(reference, "kind") or "HelmRepository", text(reference, "name")
    found = index.find(f"source.toolkit.fluxcd.io/{kind}", namespace, name)
    return f"{name} {text(found.spec, 'url')}" if found is not None else name


def _flux_values(
    index: Index, files: _Files, release: Resource, reference: dict[str, Any]
) -> Layer:
    """Values of a ConfigMap, or of what a kustomization generates. Secrets are never read."""
    name, key = text(reference, "name"), text(reference, "valuesKey") or "values.yaml"
    if reference.get("targetPath"):
        return UNKNOWN_VALUES
    if text(reference, "kind") == "ConfigMap":
        found = index.find("core/ConfigMap", release.namespace, name)
        written = get(found.value, "data", key) if found is not None else None
        if found is not None and isinstance(written, str):
            place = Place(found.document, (*found.path, "data", key))
            return embedded_values(written, place) or Layer({}, place)
    return files.generated(name, key, release.document.file.path) or UNKNOWN_VALUES


# ------------------------------------------------------------------------------------- Helmfile


def _helmfiles(index: Index, files: _Files) -> Iterator[Release]:
    for file in index.files:
        for document in file.documents:
            if isinstance(get(document.value, "releases"), list):
                yield from _helmfile(document, files)


def _helmfile(document: Document, files: _Files) -> Iterator[Release]:
    repositories = {
        text(repository, "name"): text(repository, "url")
        for _, repository in mappings(document.value, "repositories")
    }
    folder = posixpath.dirname(document.file.path)
    for number, release in mappings(document.value, "releases"):
        name = text(release, "chart")
        chart = chart_named(name, repositories.get(name.partition("/")[0], ""))
        if chart is None or release.get("installed") is False:
            continue
        place = Place(document, ("releases", number))
        layers: list[Layer] = []
        for position, entry in enumerate(items(release, "values")):
            if isinstance(entry, dict):
                layers.append(Layer(entry, place.below("values", position)))
            elif isinstance(entry, str):
                layers.append(files.layer(entry, folder))
        for position, entry in mappings(release, "set"):
            at = place.below("set", position, "value")
            layer = _parameter(text(entry, "name"), entry.get("value"), at)
            if layer is not None:
                layers.append(layer)
        own = next((layer.place for layer in layers if layer.place), None)
        yield Release(
            chart=chart,
            given=Layers(tuple(layers), own or place.below("values")),
            home=place,
            name=text(release, "name"),
            namespace=text(release, "namespace"),
            version=_version(release, place),
        )


# ------------------------------------------------------------------------------------ kustomize


def _kustomize_charts(files: _Files) -> Iterator[Release]:
    """Charts that kustomize inflates; `valuesInline` goes over, under or in place of the file."""
    for document in files.kustomizations():
        folder = posixpath.dirname(document.file.path)
        for number, entry in mappings(document.value, "helmCharts"):
            chart = chart_named(text(entry, "name"), text(entry, "repo"))
            if chart is None:
                continue
            place = Place(document, ("helmCharts", number))
            named = [entry.get("valuesFile"), *items(entry, "additionalValuesFiles")]
            layers = files.layers(named, folder)
            home = layers[-1].place if layers and layers[-1].place else place.below("valuesInline")
            inline = entry.get("valuesInline")
            if isinstance(inline, dict):
                home = place.below("valuesInline")
                own = Layer(inline, home)
                merge = text(entry, "valuesMerge") or "override"
                order = {"override": [*layers, own], "merge": [own, *layers]}
                layers = order.get(merge, [own])
            yield Release(
                chart=chart,
                given=Layers(tuple(layers), home),
                home=place,
                name=text(entry, "releaseName"),
                namespace=text(entry, "namespace") or text(document.value, "namespace"),
                version=_version(entry, place),
            )


# ---------------------------------------------------------------------------------- bare files


def _values_files(index: Index, settings: Settings, files: _Files) -> Iterator[Release]:
    charts = _chart_files(index)
    configured = _configured(settings)
    known = {id(document) for document in index.values_files}
    known |= {id(resource.document) for resource in index.resources}
    others = [
        document
        for file in index.files
        for document in file.documents
        if id(document) not in known and configured(document)
    ]
    for document in (*index.values_files, *others):
        if id(document) in files.used or not isinstance(document.value, dict):
            continue
        chart = configured(document)
        if chart is not None:
            yield _bare(chart, document, ())
            continue
        folder = posixpath.dirname(document.file.path)
        if folder in charts:
            yield from _umbrella(document, charts[folder])
            continue
        if any(above in charts for above in _above(folder)):
            continue  # a file that a chart carries along
        chart = recognize_values(document)
        if chart is not None:
            yield _bare(chart, document, ())
        else:
            yield from _nested(document)


def _above(folder: str) -> Iterator[str]:
    while folder:
        folder = posixpath.dirname(folder)
        yield folder
        if folder == "/":
            return


def _bare(
    chart: Chart,
    document: Document,
    path: tuple[str, ...],
    *,
    shared: Sequence[Layer] = (),
    version: Sourced[Any] | None = None,
) -> Release:
    place = Place(document, path)
    value = get(document.value, *path)
    return Release(
        chart=chart,
        given=Layers((*shared, Layer(value if isinstance(value, dict) else {}, place)), place),
        home=place,
        version=version,
    )


def _configured(settings: Settings) -> Any:
    """A function from a document to the chart that the settings say it is for."""
    if not settings.helm_values:
        return lambda _: None
    from pathspec import GitIgnoreSpec

    specs = [
        (GitIgnoreSpec.from_lines([entry.path]), entry.chart) for entry in settings.helm_values
    ]

    def chart_of(document: Document) -> Chart | None:
        for spec, chart in reversed(specs):
            if spec.match_file(document.file.path):
                return _CHART_NAMES.get(chart)
        return None

    return chart_of


def _chart_files(index: Index) -> dict[str, Document]:
    """Chart.yaml documents by folder."""
    return {
        posixpath.dirname(file.file.path): file.documents[0]
        for file in index.files
        if posixpath.basename(file.file.path) in ("Chart.yaml", "Chart.yml") and file.documents
    }


def _umbrella(document: Document, chart_file: Document) -> Iterator[Release]:
    """Charts of Istio that a chart depends on; `global` is handed to all of them (Helm).

    Only `values.yaml` counts: which of several other files are used together is not known.
    """
    if posixpath.basename(document.file.path) not in ("values.yaml", "values.yml"):
        return
    for number, dependency in mappings(chart_file.value, "dependencies"):
        chart = chart_named(text(dependency, "name"), text(dependency, "repository"))
        if chart is None:
            continue
        key = text(dependency, "alias") or text(dependency, "name")
        place = Place(chart_file, ("dependencies", number))
        version = _version(dependency, place)
        if _switched_off(document.value, text(dependency, "condition")):
            continue
        yield _bare(chart, document, (key,), shared=_shared(document), version=version)


def _shared(document: Document) -> list[Layer]:
    shared = get(document.value, "global")
    if not isinstance(shared, dict):
        return []
    return [Layer(shared, Place(document, ("global",)), mount=("global",))]


def _switched_off(values: Any, condition: str) -> bool:
    for path in condition.split(","):
        found = get(values, *path.strip().split("."))
        if isinstance(found, bool):
            return not found
    return False


def _nested(document: Document) -> Iterator[Release]:
    """Values of an umbrella chart whose Chart.yaml is not in the input, told by their content."""
    for key in document.value:
        chart = _CHART_NAMES.get(key)
        inner = document.value[key]
        if chart in ("istiod", "gateway") and isinstance(inner, dict) and _proves(chart, inner):
            yield _bare(chart, document, (key,), shared=_shared(document))


_WORD = regexp(r"[^a-z0-9]+")
_GATEWAY_WORDS = frozenset(
    {
        "gateway",
        "gateways",
        "gw",
        "ingress",
        "egress",
        "ingressgateway",
        "egressgateway",
        "eastwest",
        "eastwestgateway",
    }
)


def chart_by_path(path: str) -> Chart | None:
    """The chart that the name of a values file, else those of the folders around it, speak of."""
    parts = path.lower().split("/")
    istio = any("istio" in part for part in parts)
    for part in reversed(parts):
        words = frozenset(_WORD.split(part.rpartition(".")[0] if part is parts[-1] else part))
        chart = _chart_by_words(words, istio)
        if chart is not None:
            return chart
    return None


def _chart_by_words(words: frozenset[str], istio: bool) -> Chart | None:
    if "ztunnel" in words:
        return "ztunnel"
    if not istio:
        return None
    if "cni" in words:
        return "cni"
    if words & _GATEWAY_WORDS:
        return "gateway"
    if words & {"istiod", "discovery", "pilot"}:
        return "istiod"
    return "base" if "base" in words else None


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_ISTIOD_SECTIONS = frozenset({"pilot", "meshConfig", "istiodRemote", "sidecarInjectorWebhook"})
_ISTIOD_KEYS = frozenset(
    {
        "autoscaleBehavior",
        "autoscaleEnabled",
        "autoscaleMax",
        "autoscaleMin",
        "gatewayClasses",
        "keepaliveMaxServerConnectionAge",
        "revisionTags",
        "traceSampling",
        "trustedZtunnelNamespace",
    }
)
_KNOWN: Mapping[Chart, frozenset[str]] = {
    "istiod": _ISTIOD_SECTIONS
    | _ISTIOD_KEYS
    | _words(
        """affinity base cni compatibilityVersion configMap cpu defaultRevision
        deploymentAnnotations deploymentLabels env envVarFrom experimental extraContainerArgs
        gateways global hub image initContainers ipFamilies ipFamilyPolicy istio_cni
        jwksResolverExtraRootCA memory
        nodeSelector ownerName pdb platform podAnnotations podLabels profile replicaCount resources
        revision rollingMaxSurge rollingMaxUnavailable seccompProfile serviceAccountAnnotations
        serviceAnnotations sidecarInjectorWebhookAnnotations tag taint telemetry tolerations
        topologySpreadConstraints trustedZtunnelName variant volumeMounts volumes ztunnel
        _internal_defaults_do_not_set defaults"""
    ),
    "gateway": _words(
        """additionalContainers affinity annotations autoscaling compatibilityVersion
        containerSecurityContext dnsConfig dnsPolicy env envVarFrom global imagePullPolicy
        imagePullSecrets initContainers kind labels lifecycle minReadySeconds name networkGateway
        networkGatewayPorts nodeSelector platform podAnnotations podDisruptionBudget
        priorityClassName profile rbac readinessProbe replicaCount resources revision
        securityContext service serviceAccount strategy terminationGracePeriodSeconds tolerations
        topologySpreadConstraints unprivilegedPort volumeMounts volumes
        _internal_defaults_do_not_set defaults"""
    ),
    "cni": _words(
        """affinity ambient chained cni cniBinDir cniConfDir cniConfFileName cniNetnsDir
        compatibilityVersion daemonSetLabels env excludeNamespaces global hub image
        istioOwnedCNIConfig istioOwnedCNIConfigFileName logging ownerName platform podAnnotations
        podLabels profile provider pullPolicy repair resourceQuotas resources revision
        rollingMaxUnavailable seLinuxOptions seccompProfile tag terminationGracePeriodSeconds
        tolerations updateStrategy useAppArmorAnnotation variant
        _internal_defaults_do_not_set defaults"""
    ),
    "ztunnel": _words(
        """affinity annotations caAddress compatibilityVersion dnsConfig dnsPolicy env global hub
        image imagePullPolicy imagePullSecrets istioNamespace labels logAsJson logLevel meshConfig
        multiCluster network nodeSelector peerCaCrl platform podAnnotations podLabels profile
        resourceName resourceQuotas resourceScope resources revision seLinuxOptions tag
        terminationGracePeriodSeconds tolerations updateStrategy variant volumeMounts volumes
        xdsAddress _internal_defaults_do_not_set defaults"""
    ),
    "base": _words(
        """base defaultRevision experimental global profile platform revision
        _internal_defaults_do_not_set defaults"""
    ),
}
_PROXY_KEYS = _words(
    """autoInject clusterDomain componentLogLevel enableCoreDump excludeIPRanges excludeInboundPorts
    excludeOutboundPorts holdApplicationUntilProxyStarts includeIPRanges includeInboundPorts
    logLevel privileged resources startupProbe statusPort tracer"""
)


def _proves(chart: Chart, value: Mapping[str, Any]) -> bool:
    """Whether values can only be meant for a chart of Istio, whatever their file is called."""
    if chart == "istiod":
        if any(isinstance(value.get(key), dict) for key in _ISTIOD_SECTIONS):
            return True
        if any(key in value for key in _ISTIOD_KEYS):
            return True
        shared = mapping(value, "global")
        return (
            not mapping(shared, "proxy").keys().isdisjoint(_PROXY_KEYS)
            or "istioNamespace" in shared
            or "meshID" in shared
        )
    if chart == "gateway":
        annotations = mapping(value, "podAnnotations")
        return (
            "networkGateway" in value
            or any("istio.io/" in key for key in annotations)
            or any(key.startswith("ISTIO_META_") for key in mapping(value, "env"))
            or "istio" in mapping(value, "labels")
        )
    return False


def recognize_values(document: Document) -> Chart | None:
    """The chart that a values file is for, told by its path and content; None for other charts.

    A path that speaks of a chart is believed when at least half of the top-level keys are its own;
    without such a path the content must leave no doubt.
    """
    value = document.value
    if not isinstance(value, dict) or not value:
        return None
    named = chart_by_path(document.file.path)
    if named is not None:
        known = sum(key in _KNOWN[named] for key in value)
        if known and 2 * known >= len(value):
            return named
    for chart in ("istiod", "gateway"):
        known_keys = _KNOWN[chart]
        if _proves(chart, value) and all(key in known_keys for key in value):
            if chart == "istiod" and named != "istiod" and value.keys() <= _KNOWN["base"]:
                return "base" if {"base", "defaultRevision"} & value.keys() else "istiod"
            return chart
    return None


def version_text(found: Sourced[Any] | None) -> Sourced[Any] | None:
    """A chart version with range operators left out (`~1.27.0`, `1.27.x`), as far as it names one
    minor."""
    if found is None or found.value is None:
        return None
    written = scalar_text(found.value, found.place).strip()
    match = re.fullmatch(r"[~=v\s]*([0-9]+\.[0-9]+)(?:\.(?:[xX*]|[0-9]+))?(-0)?", written)
    if match is None or (not written.startswith("~") and not re.search(r"[xX*]$", written)):
        return found
    return Sourced(match.group(1), found.place, found.default, found.site)
