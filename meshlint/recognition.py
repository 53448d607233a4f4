"""What a document is: a Kubernetes object, a list of them, or something else, and then what.

Everything here looks at plain values and paths with `/`; it opens no file.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal

from meshlint.dataclass import dataclass, field
from meshlint.findings import Path
from meshlint.patterns import regexp
from meshlint.sources import KUSTOMIZATION_NAMES

Role = Literal[
    "object",  # a Kubernetes object, to be linted
    "list",  # objects inside one document, see `members`
    "helm-values",  # values of a Helm chart
    "mesh-config",  # a bare MeshConfig
    "kustomization",  # configuration of kustomize
    "malformed",  # meant as a Kubernetes object, which no API server takes it for
    "other",  # something else
    "empty",  # nothing at all; not counted
]


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a document, or a member of a list, was taken for.

    `reason` says in a few words why it is not linted (empty for objects and lists); equal kinds of
    documents have equal reasons, so they can be counted. `path` leads from the document or member
    to the place at fault of a malformed one. `members` are the objects and other things in a list,
    each with the way to it from the document.
    """

    role: Role
    reason: str = ""
    path: Path = ()
    members: tuple[tuple[Path, Recognition], ...] = ()


OBJECT = Recognition("object")
EMPTY = Recognition("empty")

ListedAs = Literal["resource", "patch", "configuration", "data", "helm-values"]


# ------------------------------------------------------------------------------------- kustomize

_KUSTOMIZE_GROUP = "kustomize.config.k8s.io"


def is_kustomization(value: Any, path: str) -> bool:
    """Whether a document configures kustomize: by its apiVersion, or by its name without a kind."""
    if not isinstance(value, dict):
        return False
    version = value.get("apiVersion")
    if isinstance(version, str) and version:
        if version.startswith(_KUSTOMIZE_GROUP + "/"):
            return True
        if isinstance(value.get("kind"), str):
            return False
    return posixpath.basename(path) in KUSTOMIZATION_NAMES


@dataclass(frozen=True, slots=True)
class PatchIndex:
    """What the kustomizations of the input use other files for, by location."""

    files: Mapping[str, ListedAs] = field(default_factory=dict)
    directories: Mapping[str, ListedAs] = field(default_factory=dict)
    """Directories of which every file is used for the same."""

    @staticmethod
    def build(kustomizations: Iterable[tuple[str, Any]]) -> PatchIndex:
        """From the location and the value of every kustomization.

        A file that one of them lists as a resource is a manifest, whatever others use it for.
        """
        files: dict[str, ListedAs] = {}
        directories: dict[str, ListedAs] = {}
        for location, value in kustomizations:
            folder = posixpath.dirname(location)
            for listed_as, reference in _references(value):
                target = posixpath.normpath(posixpath.join(folder, reference))
                known = files.get(target)
                if known is None or _WEIGHT[listed_as] > _WEIGHT[known]:
                    files[target] = listed_as
                if listed_as == "configuration":
                    directories[target] = listed_as
        return PatchIndex(files, directories)


_WEIGHT: dict[ListedAs, int] = {
    "data": 0,
    "helm-values": 1,
    "configuration": 2,
    "patch": 3,
    "resource": 4,
}


def _references(value: Any) -> Iterator[tuple[ListedAs, str]]:
    if not isinstance(value, dict):
        return
    for key in ("resources", "bases"):
        yield from _paths("resource", value.get(key))
    for key in ("patches", "patchesStrategicMerge", "patchesJson6902"):
        yield from _paths("patch", value.get(key))
    for key in ("replacements", "configurations", "transformers", "generators", "validators"):
        yield from _paths("configuration", value.get(key))
    yield from _paths("configuration", value.get("crds"))
    yield from _paths("configuration", [value.get("openapi")])
    for key in ("configMapGenerator", "secretGenerator"):
        for generator in _list(value.get(key)):
            if isinstance(generator, dict):
                for part in ("files", "envs"):
                    for entry in _list(generator.get(part)):
                        if isinstance(entry, str):
                            yield "data", entry.partition("=")[2] or entry
                yield from _paths("data", [generator.get("env")])
    for key in ("helmCharts", "helmChartInflationGenerator"):
        for chart in _list(value.get(key)):
            if isinstance(chart, dict):
                names = [chart.get("valuesFile"), chart.get("values")]
                yield from _paths("helm-values", names + _list(chart.get("additionalValuesFiles")))


def _paths(listed_as: ListedAs, entries: Any) -> Iterator[tuple[ListedAs, str]]:
    for entry in _list(entries):
        path = entry.get("path") if isinstance(entry, dict) else entry
        # Most fields take the content itself in place of a path.
        if isinstance(path, str) and path and "\n" not in path:
            yield listed_as, path


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


# ----------------------------------------------------------------------------------------- files


@dataclass(frozen=True, slots=True)
class Place:
    """What the place of a file says about its documents.

    `path` is the path shown; `chart_path` is the way from the Helm chart around the file to it,
    `./` and the name for files beside Chart.yaml, empty outside of charts.
    """

    path: str
    chart_path: str = ""
    listed_as: ListedAs | None = None
    kustomized: bool = False
    """A kustomization stands in the directory of the file or in the one above."""


@dataclass(frozen=True, slots=True)
class _Folder:
    # As in Place, for a file of the folder that no kustomization lists by itself.
    chart_path: str
    listed_as: ListedAs | None
    kustomized: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Charts and kustomizations around the files of the input. Locations are absolute, with `/`."""

    charts: frozenset[str] = frozenset()
    """Locations of directories with a Chart.yaml."""
    patches: PatchIndex = field(default_factory=PatchIndex)
    kustomized: frozenset[str] = frozenset()
    """Locations of directories with a kustomization."""
    _folders: dict[str, _Folder] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def build(charts: Iterable[str], kustomizations: Iterable[tuple[str, Any]]) -> Layout:
        """From chart directories and the location and value of every kustomization."""
        known = list(kustomizations)
        return Layout(
            frozenset(charts),
            PatchIndex.build(known),
            frozenset(posixpath.dirname(location) for location, _ in known),
        )

    def place(self, path: str, location: str) -> Place:
        """Place of a file, given the path shown and its location (empty for standard input)."""
        directory, _, name = location.rpartition("/")
        folder = self._folders.get(directory)
        if folder is None:
            folder = self._folders[directory] = self._folder(directory)
        return Place(
            path=path,
            chart_path=folder.chart_path + name if folder.chart_path else "",
            listed_as=self.patches.files.get(location) or folder.listed_as,
            kustomized=folder.kustomized,
        )

    def _folder(self, directory: str) -> _Folder:
        # A chart may lie in the templates of another; the outermost one renders the file.
        chart_path = ""
        parents = list(_parents(directory))
        for parent in parents:
            if parent in self.charts:
                inside = directory[len(parent) :].lstrip("/") + "/"
                if not chart_path or inside.startswith(_RENDERED):
                    chart_path = inside if inside != "/" else "./"
        return _Folder(
            chart_path,
            next(
                (self.patches.directories[p] for p in parents if p in self.patches.directories),
                None,
            ),
            not self.kustomized.isdisjoint(parents[:2]),
        )


def _parents(directory: str) -> Iterator[str]:
    """A directory and all above it."""
    while True:
        yield directory
        above = posixpath.dirname(directory)
        if above == directory:
            return
        directory = above


_RENDERED = ("templates/", "files/")


def unrendered(text: str, place: Place) -> str:
    """Why a file is no YAML until Helm has rendered it; empty when it can be parsed."""
    if place.chart_path.startswith(_RENDERED) and "{{" in text:
        return "Helm chart template"
    return ""


# At the start of a line only: everything indented may be the text of a block scalar.
_GO_STATEMENT = regexp(
    r"^\{\{-?[ \t]*(?:if|range|with|define|block|template|include|end|else|/\*|\$\w+ *:?=)",
    re.MULTILINE,
)
_JINJA_STATEMENT = regexp(r"^\{%-?[ \t]*\w", re.MULTILINE)


def template_language(text: str) -> str:
    """The language a text that is not YAML is a template in, outside of charts; empty for none.

    Told by statements at the start of a line. A mere `{{ value }}` does not count: it may be meant
    as YAML and be wrong.
    """
    if "{{" in text and _GO_STATEMENT.search(text):
        return "Go template"
    if "{%" in text and _JINJA_STATEMENT.search(text):
        return "Jinja template"
    return ""


# ------------------------------------------------------------------------------------- documents


def recognize(value: Any, place: Place) -> Recognition:
    """What a document is."""
    listed_as = place.listed_as
    if value.__class__ is dict:
        api_version, kind = value.get("apiVersion"), value.get("kind")
        if api_version.__class__ is str and kind.__class__ is str and api_version and kind:
            if listed_as is not None and listed_as != "resource":
                return _LISTED[listed_as]
            return _typed(value, api_version, kind, place)
        if value:
            return _untyped(value, place)
        return Recognition("other", "empty mapping")
    if value is None:
        return EMPTY
    if isinstance(value, list):
        return _top_list(value, place)
    what = "text" if isinstance(value, str) else "a single value"
    return Recognition("other", f"{what}, not a mapping")


_LISTED: dict[ListedAs, Recognition] = {
    "patch": Recognition("other", "kustomize patch"),
    "configuration": Recognition("kustomization", "kustomize configuration"),
    "data": Recognition("other", "data of a kustomize generator"),
    "helm-values": Recognition("helm-values", "Helm values"),
}
_MESH = Recognition("mesh-config", "Istio mesh configuration")
_UNLISTED_PATCH = Recognition("other", "kustomize patch that no kustomization lists")
_PATCH_FOLDERS = frozenset({"patch", "patches"})
_PATCH_NAME = regexp(r"(?:^|[-_.])patch(?:es)?(?:[-_.]|$)")


def _typed(value: dict[str, Any], api_version: str, kind: str, place: Place) -> Recognition:
    known = _by_type(api_version, kind)
    if known is not None:
        if known.role != "list":
            return known
        items = value.get("items")
        if isinstance(items, list):
            return _list_of(items, ("items",), kind)
        return Recognition("other", "list without items") if items is None else OBJECT
    if place.kustomized and place.listed_as is None and _named_patch(place.path):
        return _UNLISTED_PATCH
    return _by_metadata(value)


@lru_cache(maxsize=4096)
def _named_patch(path: str) -> bool:
    folder, name = posixpath.split(path.lower())
    return (
        _PATCH_NAME.search(posixpath.splitext(name)[0]) is not None
        or posixpath.basename(folder) in _PATCH_FOLDERS
    )


@lru_cache(maxsize=4096)
def _by_type(api_version: str, kind: str) -> Recognition | None:
    """What apiVersion and kind alone tell; None for a Kubernetes object."""
    group = api_version.partition("/")[0]
    if group == _KUSTOMIZE_GROUP or api_version == "builtin":
        return Recognition("kustomization", "kustomize configuration")
    reason = _FOREIGN_KINDS.get((api_version, kind)) or _FOREIGN_GROUPS.get(group)
    if reason is not None:
        return Recognition("other", reason)
    return Recognition("list") if kind.endswith("List") else None


def _list_of(items: list[Any], path: Path, kind: str) -> Recognition:
    members: list[tuple[Path, Recognition]] = []
    # Lists in lists: kept on a stack, since their depth is up to whoever wrote the file.
    stack = [((*path, index), item) for index, item in reversed(list(enumerate(items)))]
    while stack:
        at, item = stack.pop()
        if item is None:
            continue
        member = _member(item, kind)
        if member.role == "list":
            inner = item["items"]
            stack += [((*at, "items", i), x) for i, x in reversed(list(enumerate(inner)))]
        else:
            members.append((at, member))
    if not members:
        return Recognition("other", "list without items")
    return Recognition("list", members=tuple(members))


def _member(item: Any, kind: str) -> Recognition:
    if not isinstance(item, dict):
        return Recognition("malformed", f"{_what(item)} in a {kind}, not an object")
    api_version, name = item.get("apiVersion"), item.get("kind")
    if not (isinstance(api_version, str) and isinstance(name, str) and api_version and name):
        fault, at = _type_fault(item)
        return Recognition("malformed", fault, at)
    known = _by_type(api_version, name)
    if known is not None and (known.role != "list" or isinstance(item.get("items"), list)):
        return known
    return _by_metadata(item)


def _by_metadata(value: dict[str, Any]) -> Recognition:
    metadata = value.get("metadata")
    if metadata.__class__ is dict or metadata is None:
        return OBJECT
    return Recognition("malformed", f"metadata is {_what(metadata)}, not a mapping", ("metadata",))


def _top_list(value: list[Any], place: Place) -> Recognition:
    if not value:
        return Recognition("other", "empty list")
    mappings = [item for item in value if isinstance(item, dict)]
    if any(
        isinstance(item.get("apiVersion"), str) and isinstance(item.get("kind"), str)
        for item in mappings
    ):
        return _list_of(value, (), "list of objects")
    if place.listed_as == "patch" or (
        len(mappings) == len(value)
        and all("op" in item and ("path" in item or "from" in item) for item in mappings)
    ):
        return _LISTED["patch"]
    if place.listed_as is not None and place.listed_as != "resource":
        return _LISTED[place.listed_as]
    folders = frozenset(posixpath.dirname(place.path).lower().split("/"))
    for item in mappings:
        if "hosts" in item and item.keys() & _PLAY_KEYS:
            return Recognition("other", "Ansible playbook")
        if "import_playbook" in item or "ansible.builtin.import_playbook" in item:
            return Recognition("other", "Ansible playbook")
    if folders & _ANSIBLE_FOLDERS and (folders & {"roles", "ansible", "playbooks"}):
        return Recognition("other", "Ansible tasks")
    if any(item.keys() & _TASK_KEYS for item in mappings):
        return Recognition("other", "Ansible tasks")
    return Recognition("other", _fallback(place.path))


_PLAY_KEYS = frozenset({"tasks", "roles", "pre_tasks", "post_tasks", "become", "gather_facts"})
_ANSIBLE_FOLDERS = frozenset({"tasks", "handlers", "vars", "defaults", "meta"})
_TASK_KEYS = frozenset({"become", "register", "notify", "when", "ansible.builtin.include_tasks"})


def _what(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text" if value else "empty"
    return "a list" if isinstance(value, list) else "a mapping"


def _type_fault(value: dict[str, Any]) -> tuple[str, Path]:
    """What is wrong with apiVersion and kind, and where."""
    for key in ("apiVersion", "kind"):
        found = value.get(key)
        if key not in value:
            return f"{key} is missing", ()
        if not isinstance(found, str):
            expected = "" if found is None else ", not text"
            return f"{key} is {_what(found)}{expected}", (key,)
        if not found:
            return f"{key} is empty", (key,)
    raise AssertionError  # callers have seen that one of them is wrong


def _untyped(value: dict[str, Any], place: Place) -> Recognition:
    """A mapping without a usable apiVersion and kind."""
    path = place.path
    name = posixpath.basename(path)
    if is_kustomization(value, path) or _is_transformer_config(value):
        return _LISTED["configuration"]
    listed_as = place.listed_as
    lower = name.lower()
    if listed_as == "data":
        # Flux reads chart values and istiod its mesh configuration from what kustomize generates.
        if _is_values(value, place, lower) or _looks_like_values(value, path.lower()):
            return _LISTED["helm-values"]
        return _MESH if _is_mesh_config(value) else _LISTED["data"]
    if listed_as is not None and listed_as != "resource":
        return _LISTED[listed_as]
    if lower in _CHART_FILES and ("name" in value or "dependencies" in value):
        return Recognition("other", "Helm chart metadata")
    if _is_values(value, place, lower):
        return _LISTED["helm-values"]
    reason = _named(value, path.lower(), lower) or _shaped(value)
    if reason:
        return Recognition("other", reason)
    if value.keys() >= {"apiVersion", "kind"} or _meant_as_object(value):
        fault, at = _type_fault(value)
        return Recognition("malformed", fault, at)
    if place.kustomized and _named_patch(path):
        return _UNLISTED_PATCH
    if _is_mesh_config(value):
        return _MESH
    if _looks_like_values(value, path.lower()):
        return _LISTED["helm-values"]
    if place.chart_path:
        return Recognition("other", "file of a Helm chart")
    return Recognition("other", _fallback(path))


def _is_transformer_config(value: dict[str, Any]) -> bool:
    return "nameReference" in value or "varReference" in value


def _meant_as_object(value: dict[str, Any]) -> bool:
    """Whether one of apiVersion and kind was forgotten."""
    if "kind" not in value and "apiVersion" not in value:
        return isinstance(value.get("metadata"), dict) and isinstance(value.get("spec"), dict)
    body = ("metadata", "spec", "data", "rules", "webhooks", "subjects")
    return any(isinstance(value.get(key), (dict, list)) for key in body)


def _fallback(path: str) -> str:
    return "other JSON" if path.lower().endswith(".json") else "other YAML"


# ------------------------------------------------------------------------------------------ Helm

_CHART_FILES = frozenset({"chart.yaml", "chart.lock", "requirements.yaml", "requirements.lock"})
_VALUES_NAME = regexp(r"(?:^|[-_.])values(?:[-_.]|$)")
_VALUES_FOLDER = regexp(r"^helm(?:$|[-_])|(?:^|[-_])values$")


def _is_values(value: dict[str, Any], place: Place, name: str) -> bool:
    if "apiVersion" in value and "kind" in value:
        return False
    if _VALUES_NAME.search(posixpath.splitext(name)[0]) and not name.endswith(".schema.json"):
        return "$schema" not in value
    # chart-testing installs a chart once with each file of its folder ci.
    return place.chart_path.startswith("ci/")


# Keys of the values of the istiod chart and of umbrella charts over it that nothing else has.
_ISTIO_VALUES = frozenset({"pilot", "meshConfig", "istiodRemote", "sidecarInjectorWebhook"})
_ISTIO_VALUES_ALL = _ISTIO_VALUES | {
    "ambient",
    "base",
    "cni",
    "compatibilityVersion",
    "configMap",
    "experimental",
    "gatewayClasses",
    "gateways",
    "global",
    "istio_cni",
    "ownerName",
    "platform",
    "profile",
    "resourceQuotas",
    "revision",
    "revisionTags",
    "seLinuxOptions",
    "telemetry",
    "trustedZtunnelNamespace",
    "ztunnel",
    "_internal_defaults_do_not_set",
}


def _looks_like_values(value: dict[str, Any], path: str) -> bool:
    keys = value.keys()
    if keys & _ISTIO_VALUES and keys <= _ISTIO_VALUES_ALL:
        return True
    if "kind" in keys or "apiVersion" in keys:
        return False
    if isinstance(value.get("global"), dict) and len(keys) > 1:
        return all(isinstance(held, dict) for held in value.values())
    return any(_VALUES_FOLDER.search(folder) for folder in path.split("/")[:-1])


# Fields of istio.mesh.v1alpha1.MeshConfig: those that nothing else has, and the rest.
_MESH_CONFIG = frozenset(
    {
        "accessLogEncoding",
        "accessLogFile",
        "accessLogFormat",
        "defaultConfig",
        "defaultProviders",
        "discoverySelectors",
        "enableAutoMtls",
        "enablePrometheusMerge",
        "extensionProviders",
        "meshMTLS",
        "outboundTrafficPolicy",
        "rootNamespace",
        "trustDomain",
        "trustDomainAliases",
    }
)
_MESH_CONFIG_ALL = _MESH_CONFIG | {
    "ca",
    "caCertificates",
    "certificates",
    "configSources",
    "connectTimeout",
    "defaultDestinationRuleExportTo",
    "defaultHttpRetryPolicy",
    "defaultServiceExportTo",
    "defaultVirtualServiceExportTo",
    "disableEnvoyListenerLog",
    "dnsRefreshRate",
    "enableEnvoyAccessLogService",
    "enableTracing",
    "h2UpgradePolicy",
    "hboneIdleTimeout",
    "inboundClusterStatName",
    "inboundTrafficPolicy",
    "ingressClass",
    "ingressControllerMode",
    "ingressSelector",
    "ingressService",
    "localityLbSetting",
    "outboundClusterStatName",
    "pathNormalization",
    "protocolDetectionTimeout",
    "proxyHttpPort",
    "proxyInboundListenPort",
    "proxyListenPort",
    "serviceScopeConfigs",
    "serviceSettings",
    "tcpKeepalive",
    "thriftConfig",
    "tlsDefaults",
    "verifyCertificateAtClient",
}


def _is_mesh_config(value: dict[str, Any]) -> bool:
    return not value.keys().isdisjoint(_MESH_CONFIG) and value.keys() <= _MESH_CONFIG_ALL


# ------------------------------------------------------------- typed documents of other programs

_COMPONENT = "configuration of a Kubernetes component"
_FOREIGN_GROUPS = {
    "apiserver.config.k8s.io": _COMPONENT,
    "apiserver.k8s.io": _COMPONENT,
    "audit.k8s.io": _COMPONENT,
    "backstage.io": "Backstage entity",
    "chainsaw.kyverno.io": "test of Chainsaw",
    "cli.kyverno.io": "test of Kyverno",
    "client.authentication.k8s.io": "kubectl credential",
    "cloudcontrollermanager.config.k8s.io": _COMPONENT,
    "config.kubernetes.io": "configuration of kpt",
    "config.kwok.x-k8s.io": "configuration of KWOK",
    "controller-runtime.sigs.k8s.io": _COMPONENT,
    "ctlptl.dev": "configuration of ctlptl",
    "credentialprovider.kubelet.k8s.io": _COMPONENT,
    "deploy.cloud.google.com": "configuration of Google Cloud Deploy",
    "eksctl.io": "configuration of eksctl",
    "eventratelimit.admission.k8s.io": _COMPONENT,
    "fn.kpt.dev": "configuration of kpt",
    "garden.io": "configuration of Garden",
    "imgpkg.carvel.dev": "configuration of Carvel",
    "internal.config.kubernetes.io": "configuration of kpt",
    "k0sctl.k0sproject.io": "configuration of k0sctl",
    "k3d.io": "configuration of k3d",
    "kapp.k14s.io": "configuration of Carvel",
    "kctrl.carvel.dev": "configuration of Carvel",
    "kbld.k14s.io": "configuration of Carvel",
    "kind.x-k8s.io": "configuration of kind",
    "kops.k8s.io": "configuration of kOps",
    "kpt.dev": "configuration of kpt",
    "krew.googlecontainertools.github.com": "plugin of krew",
    "kubeadm.k8s.io": "configuration of kubeadm",
    "kubecontrollermanager.config.k8s.io": _COMPONENT,
    "kubectl.config.k8s.io": "configuration of kubectl",
    "kubelet.config.k8s.io": _COMPONENT,
    "kubeone.k8c.io": "configuration of KubeOne",
    "kubeproxy.config.k8s.io": _COMPONENT,
    "kubescheduler.config.k8s.io": _COMPONENT,
    "kuttl.dev": "test of KUTTL",
    "meta.pkg.crossplane.io": "metadata of a Crossplane package",
    "mirror.openshift.io": "configuration of oc-mirror",
    "pod-security.admission.config.k8s.io": _COMPONENT,
    "release-notes": "Istio release note",
    "resourcequota.admission.k8s.io": _COMPONENT,
    "scaffolder.backstage.io": "Backstage entity",
    "score.dev": "Score workload",
    "scorecard.operatorframework.io": "configuration of the Operator SDK",
    "skaffold": "configuration of Skaffold",
    "test.gatekeeper.sh": "test of Gatekeeper",
    "tilt.dev": "configuration of Tilt",
    "v1alpha1": "configuration of Talos",
    "vendir.k14s.io": "configuration of Carvel",
}
_FOREIGN_KINDS = {
    ("v1", "Config"): "kubeconfig",
    ("v1", "Policy"): _COMPONENT,
    ("kubescheduler.config.k8s.io/v1", "Policy"): _COMPONENT,
}

# --------------------------------------------------------------- documents known by name and place

_NAMES = {
    ".eslintrc.json": "configuration of ESLint",
    ".gitlab-ci.yml": "GitLab CI pipeline",
    ".hadolint.yaml": "configuration of hadolint",
    ".hadolint.yml": "configuration of hadolint",
    ".markdownlint.json": "configuration of markdownlint",
    ".markdownlint.yaml": "configuration of markdownlint",
    ".markdownlint.yml": "configuration of markdownlint",
    ".meshlint.yaml": "configuration of meshlint",
    ".meshlint.yml": "configuration of meshlint",
    ".pre-commit-config.yaml": "configuration of pre-commit",
    ".pre-commit-hooks.yaml": "configuration of pre-commit",
    ".readthedocs.yaml": "configuration of Read the Docs",
    ".readthedocs.yml": "configuration of Read the Docs",
    ".travis.yml": "CI pipeline",
    ".yamllint.yaml": "configuration of yamllint",
    ".yamllint.yml": "configuration of yamllint",
    "antora.yml": "configuration of Antora",
    "appveyor.yml": "CI pipeline",
    "bitbucket-pipelines.yml": "CI pipeline",
    "buildspec.yml": "CI pipeline",
    "codecov.yml": "configuration of Codecov",
    "composer.json": "package metadata",
    "devcontainer.json": "development container",
    "galaxy.yml": "Ansible metadata",
    "helmfile.yaml": "Helmfile",
    "helmfile.yml": "Helmfile",
    "lerna.json": "package metadata",
    "package-lock.json": "package metadata",
    "package.json": "package metadata",
    "pnpm-lock.yaml": "package metadata",
    "pnpm-workspace.yaml": "package metadata",
    "pubspec.yaml": "package metadata",
    "pulumi.yaml": "configuration of Pulumi",
    "renovate.json": "configuration of Renovate",
    "serverless.yml": "configuration of the Serverless Framework",
    "taskfile.yaml": "Taskfile",
    "taskfile.yml": "Taskfile",
    "tsconfig.json": "configuration of TypeScript",
}
_COMPOSE_NAME = regexp(r"^(?:docker-)?compose(?:[-_.].*)?\.ya?ml$")
_PLACES = (
    (regexp(r"(?:^|/)\.github/workflows/[^/]+$"), "GitHub workflow"),
    (regexp(r"(?:^|/)helm-profiles/[^/]+$"), "profile of Istio's charts"),
    (regexp(r"(?:^|/)\.github/"), "configuration of GitHub"),
    (regexp(r"(?:^|/)\.gitlab/"), "GitLab CI pipeline"),
    (regexp(r"(?:^|/)\.(?:circleci|buildkite|semaphore|drone)/"), "CI pipeline"),
    (regexp(r"(?:^|/)\.(?:vscode|idea)/"), "configuration of an editor"),
    (regexp(r"(?:^|/)(?:group|host)_vars/"), "Ansible variables"),
    (regexp(r"(?:^|/)roles/[^/]+/(?:vars|defaults|meta)/"), "Ansible variables"),
    (regexp(r"(?:^|/)\.?golangci\.ya?ml$"), "configuration of golangci-lint"),
    (regexp(r"(?:^|/)tsconfig[^/]*\.json$"), "configuration of TypeScript"),
    (regexp(r"(?:^|/)appsettings(?:\.[^/]+)?\.json$"), "settings of a .NET application"),
    (regexp(r"(?:^|/)azure-pipelines[^/]*\.ya?ml$"), "CI pipeline"),
)


def _named(value: dict[str, Any], path: str, name: str) -> str:
    reason = _NAMES.get(name)
    if reason is not None:
        return reason
    if name in ("action.yml", "action.yaml") and "runs" in value:
        return "GitHub action"
    if _COMPOSE_NAME.match(name) and ("services" in value or "include" in value):
        return "Docker Compose file"
    for pattern, reason in _PLACES:
        if pattern.search(path):
            return reason
    return ""


# ------------------------------------------------------------------------ documents known by shape


def _has(*keys: str) -> Callable[[Mapping[str, Any]], bool]:
    needed = frozenset(keys)
    return lambda value: value.keys() >= needed


def _has_any(*keys: str) -> Callable[[Mapping[str, Any]], bool]:
    wanted = frozenset(keys)
    return lambda value: not value.keys().isdisjoint(wanted)


def _is_compose(value: Mapping[str, Any]) -> bool:
    services = value.get("services")
    if not isinstance(services, dict) or not services:
        return False
    described = [service for service in services.values() if isinstance(service, dict)]
    return len(described) == len(services) and any(
        "image" in service or "build" in service or "extends" in service for service in described
    )


def _is_workflow(value: Mapping[str, Any]) -> bool:
    # YAML 1.1 reads the key `on` as true.
    jobs = value.get("jobs")
    return isinstance(jobs, dict) and ("true" in value or "on" in value)


def _is_rule_groups(value: Mapping[str, Any]) -> bool:
    groups = value.get("groups")
    return isinstance(groups, list) and any(
        isinstance(group, dict) and isinstance(group.get("rules"), list) for group in groups
    )


def _is_collector(value: Mapping[str, Any]) -> bool:
    service = value.get("service")
    return (
        isinstance(service, dict)
        and not service.keys().isdisjoint({"pipelines", "telemetry", "extensions"})
    ) or _has("receivers", "exporters")(value)


def _is_cloud_build(value: Mapping[str, Any]) -> bool:
    steps = value.get("steps")
    return isinstance(steps, list) and all(
        isinstance(step, dict) and ("name" in step or "script" in step) for step in steps
    )


def _is_gitlab(value: Mapping[str, Any]) -> bool:
    return "stages" in value and any(
        isinstance(job, dict) and "script" in job for job in value.values()
    )


def _is_provisioning(value: Mapping[str, Any]) -> bool:
    return value.get("apiVersion").__class__ is int and "kind" not in value


def _is_json_schema(value: Mapping[str, Any]) -> bool:
    schema = value.get("$schema")
    return (isinstance(schema, str) and "json-schema.org" in schema) or (
        value.get("type") == "object" and isinstance(value.get("properties"), dict)
    )


def _is_cloud_dashboard(value: Mapping[str, Any]) -> bool:
    layouts = {"columnLayout", "gridLayout", "mosaicLayout", "rowLayout"}
    return "displayName" in value and not value.keys().isdisjoint(layouts)


_SHAPES: tuple[tuple[Callable[[Mapping[str, Any]], bool], str], ...] = (
    (_has_any("openapi", "swagger"), "OpenAPI document"),
    (_has("asyncapi"), "AsyncAPI document"),
    (_is_json_schema, "JSON Schema"),
    (_is_workflow, "GitHub workflow"),
    (_is_gitlab, "GitLab CI pipeline"),
    (_is_compose, "Docker Compose file"),
    (_is_cloud_build, "CI pipeline"),
    (_has("AWSTemplateFormatVersion"), "CloudFormation template"),
    (_has("static_resources"), "configuration of Envoy"),
    (_has_any("scrape_configs", "rule_files"), "configuration of Prometheus"),
    (_has("route", "receivers"), "configuration of Alertmanager"),
    (_is_provisioning, "Grafana provisioning"),
    (_is_rule_groups, "Prometheus rules"),
    (_has("panels", "schemaVersion"), "Grafana dashboard"),
    (_has("dashboard", "overwrite"), "Grafana dashboard"),
    (_is_cloud_dashboard, "Google Cloud dashboard"),
    (_has("site", "content", "ui"), "configuration of Antora"),
    (_is_collector, "configuration of the OpenTelemetry Collector"),
    (_has("site_name"), "configuration of MkDocs"),
    (_has("repositories", "releases"), "Helmfile"),
    (_has("releases", "environments"), "Helmfile"),
    (_has("realm", "accessTokenLifespan"), "Keycloak realm"),
    (_has("schema", "package"), "OLM catalog"),
    (_has("baseDomain", "metadata"), "configuration of the OpenShift installer"),
    (_has("lockfileVersion"), "package metadata"),
)


def _shaped(value: dict[str, Any]) -> str:
    for fits, reason in _SHAPES:
        if fits(value):
            return reason
    return ""
