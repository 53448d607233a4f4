"""Who gets a sidecar: both gates of the injection webhook, gateway injection, ambient capture.

Gate 1 is the API server: it calls a webhook only where labels of the namespace and of the pod
match; annotations are invisible there. Gate 2 is istiod, which then decides by label, annotation,
selectors and policy.

Sources in istio/istio: `templates/mutatingwebhook.yaml`, `templates/revision-tags-mwc.yaml` and
`templates/istiod-injector-configmap.yaml` of the istiod chart; `pkg/kube/inject/inject.go`
(injectRequired, selectTemplates); `pkg/kube/inject/initializer.go`;
`cni/pkg/util/enablement_selector.go`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from meshlint.dataclass import dataclass
from meshlint.documents import parse
from meshlint.mesh.installations.records import ControlPlane, Installations
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import NEWEST_ISTIO, Version
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_selector
from meshlint.model.values import get, items, mapping, mappings, text
from meshlint.model.workloads import PROXY_CONTAINER, Workload
from meshlint.text import SourceFile

Answer = Literal["yes", "no", "intended", "unknown"]
Mode = Literal["sidecar", "gateway", "grpc", "custom", "ambient", "none", "unknown"]

INJECT = "sidecar.istio.io/inject"
REVISION = "istio.io/rev"
NAMESPACE_INJECTION = "istio-injection"
DATAPLANE_MODE = "istio.io/dataplane-mode"
TEMPLATES = "inject.istio.io/templates"
STATUS = "sidecar.istio.io/status"
DEFAULT_REVISION = "default"
"""Name of the unnamed revision in labels, statuses and answers."""

IGNORED_NAMESPACES = frozenset(
    {"kube-system", "kube-public", "kube-node-lease", "local-path-storage"}
)
"""Namespaces whose pods istiod never injects."""

BUILT_IN_TEMPLATES = frozenset({"sidecar", "gateway", "grpc-simple", "grpc-agent"})
"""Templates every istiod has for pods; those of Gateway API gateways are not for pods."""

_INTENT = ("sidecar.istio.io/", "proxy.istio.io/", "traffic.sidecar.istio.io/")
_WEBHOOKS = "admissionregistration.k8s.io/MutatingWebhookConfiguration"
_OLD_TRUE = frozenset({"y", "yes", "true", "on"})


@dataclass(frozen=True, slots=True)
class Injection:
    """What the mesh does to the pods of a workload.

    `answer` is about a sidecar that joins an application: a gateway proxy answers no. `injected`
    is the plain fact: whether the pods come out with a proxy of any kind, None when the input does
    not tell.
    """

    answer: Answer
    mode: Mode
    injected: bool | None
    ambient: Answer
    revision: str | None
    """`default` for the unnamed revision; None without a proxy, or when it is not known."""
    reason: str
    """Plain words, without a full stop."""
    place: Place | None
    """The label, annotation or field that decided."""
    templates: tuple[str, ...] = ()
    """Injection templates that are applied, in order."""
    planes: tuple[ControlPlane, ...] = ()
    """Control planes of the input that may be the one that injects."""
    installed: bool = False
    """Whether the input installs Istio at all; without that Istio's defaults hold."""
    manual: bool = False
    """The template itself holds an already injected proxy."""


# ------------------------------------------------------------------------------------- values


def scalar_text(value: Any) -> str | None:
    """The text of a label or annotation; an unquoted number or boolean counts as what it says."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return None


def scalar_map(value: Any) -> dict[str, str]:
    """Labels or annotations, without members that are no scalars."""
    found = ((key, scalar_text(item)) for key, item in mapping(value).items())
    return {key: item for key, item in found if item is not None}


def plane_version(plane: ControlPlane | None, settings: Settings) -> Version:
    """The Istio version whose behavior holds for a control plane."""
    if settings.istio_version is not None:
        return settings.istio_version
    return plane.version if plane is not None else NEWEST_ISTIO


def plane_value(plane: ControlPlane | None, *path: str) -> Sourced[Any] | None:
    """A value of an installation (`global`, `proxy`, ...); None where it says nothing."""
    if plane is None or plane.values is None:
        return None
    found: Sourced[Any] | None = plane.values.get(*path)
    return found


def revision_name(plane: ControlPlane) -> str:
    """Revision of a control plane as labels name it."""
    return plane.revision or DEFAULT_REVISION


# -------------------------------------------------------------------------------------- gate 1

_Selector = Mapping[str, Any]


def _expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


def _all_of(*expressions: dict[str, Any]) -> _Selector:
    return {"matchExpressions": list(expressions)}


_NOT_OPTED_OUT = _expression(INJECT, "NotIn", "false")
_NO_REVISION = _expression(REVISION, "DoesNotExist")
_NO_INJECTION = _expression(NAMESPACE_INJECTION, "DoesNotExist")
_NAMESPACE_NAME = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True)
class _Webhook:
    selected: str
    """Value of istio.io/rev it stands for; empty when it stands for the default revision."""
    revision: str
    planes: tuple[ControlPlane, ...]
    namespaces: Any
    objects: Any
    place: Place | None

    def wants_namespace(self, labels: Mapping[str, str]) -> bool:
        return _selects(self.namespaces, labels)

    def wants_pod(self, labels: Mapping[str, str]) -> bool:
        return _selects(self.objects, labels)


def _selects(selector: Any, labels: Mapping[str, str]) -> bool:
    # In a webhook an absent selector selects everything, as an empty one does.
    return selector is None or matches_selector(selector, labels)


def _chart_webhooks(
    selected: str,
    revision: str,
    planes: tuple[ControlPlane, ...],
    *,
    default: bool,
    everywhere: bool = False,
) -> list[_Webhook]:
    """The webhooks the istiod chart renders for a revision or a revision tag."""

    def webhook(name: str, namespaces: _Selector, objects: _Selector) -> _Webhook:
        return _Webhook(name, revision, planes, namespaces, objects, None)

    is_selected = _expression(REVISION, "In", selected)
    unlabelled = (_NO_REVISION, _NO_INJECTION)
    found = [
        webhook(selected, _all_of(is_selected, _NO_INJECTION), _all_of(_NOT_OPTED_OUT)),
        webhook(selected, _all_of(*unlabelled), _all_of(_NOT_OPTED_OUT, is_selected)),
    ]
    if default:
        enabled = _expression(NAMESPACE_INJECTION, "In", "enabled")
        asked = _expression(INJECT, "In", "true")
        found += [
            webhook("", _all_of(enabled), _all_of(_NOT_OPTED_OUT)),
            webhook("", _all_of(*unlabelled), _all_of(asked, _NO_REVISION)),
        ]
    if default and everywhere:
        others = _expression(_NAMESPACE_NAME, "NotIn", *sorted(IGNORED_NAMESPACES))
        silent = _expression(INJECT, "DoesNotExist")
        found.append(webhook("", _all_of(*unlabelled, others), _all_of(silent, _NO_REVISION)))
    return found


def _plane_webhooks(plane: ControlPlane) -> Iterator[_Webhook]:
    everywhere = plane_value(plane, "sidecarInjectorWebhook", "enableNamespacesByDefault")
    auto = everywhere is not None and everywhere.value is True
    name = revision_name(plane)
    unnamed = not plane.revision
    yield from _chart_webhooks(name, name, (plane,), default=unnamed, everywhere=auto)
    for tag in sorted(plane.tags):
        if tag != name:
            default = tag == DEFAULT_REVISION
            yield from _chart_webhooks(tag, name, (plane,), default=default, everywhere=auto)


def is_injection_webhook(webhook: dict[str, Any]) -> bool:
    """Whether an entry of a MutatingWebhookConfiguration injects proxies into pods."""
    rules = items(webhook, "rules")
    if rules and not any(
        resource in ("pods", "*", "*/*") for rule in rules for resource in items(rule, "resources")
    ):
        return False
    if text(webhook, "name").endswith("istio.io"):
        return True
    for selector in ("namespaceSelector", "objectSelector"):
        keys = set(mapping(webhook, selector, "matchLabels"))
        keys |= {text(e, "key") for _, e in mappings(webhook, selector, "matchExpressions")}
        if keys & {REVISION, NAMESPACE_INJECTION, INJECT}:
            return True
    return False


def _webhook_revision(configuration: Resource, webhook: dict[str, Any]) -> str:
    labelled = text(configuration.labels, REVISION)
    if labelled:
        return labelled
    service = text(webhook, "clientConfig", "service", "name")
    return service.removeprefix("istiod-") if service.startswith("istiod-") else DEFAULT_REVISION


def _rendered_webhooks(index: Index, planes: Sequence[ControlPlane]) -> Iterator[_Webhook]:
    for configuration in index.of_kind(_WEBHOOKS):
        for number, webhook in mappings(configuration.value, "webhooks"):
            if not is_injection_webhook(webhook):
                continue
            revision = _webhook_revision(configuration, webhook)
            serving = tuple(p for p in planes if revision_name(p) == revision)
            place = Place(configuration.document, (*configuration.path, "webhooks", number))
            selected = text(configuration.labels, "istio.io/tag") or revision
            namespaces, objects = webhook.get("namespaceSelector"), webhook.get("objectSelector")
            yield _Webhook(selected, revision, serving, namespaces, objects, place)


# -------------------------------------------------------------------------------------- gate 2


@dataclass(frozen=True, slots=True)
class Policy:
    """What one istiod decides by, once it is asked about a pod."""

    version: Version
    auto_inject: Sourced[Any]
    """`enabled` or `disabled`; with anything else istiod injects nothing."""
    never: Sourced[Any] | None
    always: Sourced[Any] | None
    default_templates: tuple[str, ...]
    aliases: Mapping[str, Any]
    own_templates: Mapping[str, Sourced[str]]
    """Templates of the installation beside, or instead of, the built-in ones."""

    @property
    def decision(self) -> str:
        """Equal for policies that inject the same pods."""
        never = self.never.value if self.never is not None else None
        always = self.always.value if self.always is not None else None
        return repr((self.version.before("1.12"), self.auto_inject.value, never, always))


def _names(value: Any) -> tuple[str, ...]:
    return tuple(item for item in items(value) if isinstance(item, str))


def _injector_config(index: Index, plane: ControlPlane) -> tuple[dict[str, Any], Place] | None:
    """Content of `data.config` of the ConfigMap istio-sidecar-injector of a rendered istiod."""
    name = "istio-sidecar-injector" + (f"-{plane.revision}" if plane.revision else "")
    found = index.find("core/ConfigMap", plane.namespace, name)
    if found is None:
        return None
    content = text(found.value, "data", "config")
    documents = parse(SourceFile(found.document.file.path, content)).documents if content else ()
    if not documents or not isinstance(documents[0].value, dict):
        return None
    return documents[0].value, Place(found.document, (*found.path, "data", "config"))


def _read_policy(index: Index, plane: ControlPlane | None, settings: Settings) -> Policy:
    version = plane_version(plane, settings)
    rendered = None
    if plane is not None and plane.form == "rendered":
        rendered = _injector_config(index, plane)
    if rendered is not None:
        config, place = rendered
        own = {
            name: Sourced(template, place)
            for name, template in mapping(config, "templates").items()
            if isinstance(template, str) and name not in BUILT_IN_TEMPLATES
        }
        return Policy(
            version=version,
            auto_inject=Sourced(config.get("policy"), place),
            never=Sourced(config.get("neverInjectSelector"), place),
            always=Sourced(config.get("alwaysInjectSelector"), place),
            default_templates=_names(config.get("defaultTemplates")) or ("sidecar",),
            aliases=mapping(config, "aliases"),
            own_templates=own,
        )
    chosen = plane_value(plane, "sidecarInjectorWebhook", "defaultTemplates")
    given = plane_value(plane, "sidecarInjectorWebhook", "templates")
    own = {}
    if given is not None:
        for name, template in mapping(given.value).items():
            if isinstance(template, str):
                where = plane_value(plane, "sidecarInjectorWebhook", "templates", name)
                own[name] = Sourced(template, where.place if where is not None else None)
    auto_inject = plane_value(plane, "global", "proxy", "autoInject")
    if auto_inject is None or auto_inject.value is None:
        auto_inject = Sourced("enabled", default=f"default of the istiod chart, Istio {version}")
    return Policy(
        version=version,
        auto_inject=auto_inject,
        never=plane_value(plane, "sidecarInjectorWebhook", "neverInjectSelector"),
        always=plane_value(plane, "sidecarInjectorWebhook", "alwaysInjectSelector"),
        default_templates=(_names(chosen.value) if chosen is not None else ()) or ("sidecar",),
        aliases={},
        own_templates=own,
    )


@dataclass(frozen=True, slots=True)
class _Verdict:
    injected: bool | None
    reason: str
    place: Place | None


@dataclass(frozen=True, slots=True)
class _Pod:
    workload: Workload
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    def label_place(self, name: str) -> Place:
        return Place(self.workload.resource.document, (*self.workload.labels_path, name))

    def annotation_place(self, name: str) -> Place:
        return Place(self.workload.resource.document, (*self.workload.annotations_path, name))

    def spec_place(self, *path: str) -> Place:
        return Place(self.workload.resource.document, (*self.workload.pod_spec_path, *path))


def _asked_of_istiod(policy: Policy, pod: _Pod) -> _Verdict | None:
    """What the pod itself says about injection at gate 2; None where it says nothing."""
    if policy.version.before("1.12"):
        value = pod.annotations.get(INJECT, "")
        if not value:
            return None
        reason = f'the template\'s annotation {INJECT} is "{value}"'
        return _Verdict(value.lower() in _OLD_TRUE, reason, pod.annotation_place(INJECT))
    if INJECT in pod.labels:
        value, what, place = pod.labels[INJECT], "label", pod.label_place(INJECT)
    elif INJECT in pod.annotations:
        value, what, place = pod.annotations[INJECT], "annotation", pod.annotation_place(INJECT)
    else:
        return None
    if value not in ("true", "false"):
        return None
    return _Verdict(value == "true", f'the template\'s {what} {INJECT} is "{value}"', place)


def _selected_by(selectors: Sourced[Any] | None, labels: Mapping[str, str]) -> bool:
    if selectors is None:
        return False
    return any(
        isinstance(selector, dict)
        and (mapping(selector, "matchLabels") or items(selector, "matchExpressions"))
        and matches_selector(selector, labels)
        for selector in items(selectors.value)
    )


def _required(policy: Policy, pod: _Pod) -> _Verdict:
    """Gate 2: whether this istiod injects a pod that its webhook is called for."""
    auto = policy.auto_inject
    if auto.value not in ("enabled", "disabled"):
        reason = "the installation's autoInject is neither enabled nor disabled"
        return _Verdict(False, reason, auto.place)
    asked = _asked_of_istiod(policy, pod)
    if asked is not None:
        return asked
    for selectors, name, wanted in (
        (policy.never, "neverInjectSelector", False),
        (policy.always, "alwaysInjectSelector", True),
    ):
        if selectors is not None and _selected_by(selectors, pod.labels):
            return _Verdict(wanted, f"{name} matches the template's labels", selectors.place)
    if auto.value == "disabled":
        return _Verdict(False, "the installation's autoInject is disabled", auto.place)
    return _Verdict(True, "", None)


# ------------------------------------------------------------------------------------ the whole


def _istiod_verdict(pod: _Pod, match: _Match) -> _Verdict:
    """Gate 2 over every control plane that may be asked; no answer where they differ."""
    verdicts = [_required(policy, pod) for policy in match.policies]
    if len({verdict.injected for verdict in verdicts}) > 1:
        return _Verdict(None, "the installations of the input differ in what they inject", None)
    return verdicts[0]


@dataclass(frozen=True, slots=True)
class _Match:
    """Webhooks that are, or may be, called for a pod."""

    webhooks: tuple[_Webhook, ...] = ()
    planes: tuple[ControlPlane, ...] = ()
    policies: tuple[Policy, ...] = ()
    """One of each kind: planes that decide alike have one policy here."""

    @property
    def revision(self) -> str | None:
        revisions = {webhook.revision for webhook in self.webhooks}
        return revisions.pop() if len(revisions) == 1 else None


_NO_MATCH = _Match()


@dataclass(frozen=True, slots=True)
class _Namespace:
    name: str
    resource: Resource | None
    labels: Mapping[str, str]
    known: bool
    configured: bool

    def place(self, label: str) -> Place | None:
        if self.resource is None:
            return None
        return Place(self.resource.document, (*self.resource.path, "metadata", "labels", label))


class Injector:
    """Answers for every workload of one input; each answer is worked out once."""

    def __init__(self, index: Index, installations: Installations, settings: Settings) -> None:
        self._index = index
        self._settings = settings
        self.planes = installations.control_planes
        self._agents = installations.node_agents
        self._known: dict[Workload, Injection] = {}
        self._policies: dict[ControlPlane | None, Policy] = {}
        self._namespaces: dict[str, _Namespace] = {}
        self._matches: dict[tuple[str | None, ...], _Match] = {}
        rendered = tuple(_rendered_webhooks(index, self.planes))
        covered = {webhook.revision for webhook in rendered}
        self._webhooks = rendered + tuple(
            webhook
            for plane in self.planes
            if plane.form != "rendered" or revision_name(plane) not in covered
            for webhook in _plane_webhooks(plane)
        )
        # Without any webhook in the input, or where the user says that the input does not hold
        # every installation, revisions that labels name are taken to exist.
        self._open = not self._webhooks or settings.complete.get("installation") is False
        self._served = {webhook.selected for webhook in self._webhooks}
        self._relevant = tuple(
            sorted(
                {INJECT, REVISION}.union(
                    *(_selector_keys(webhook.objects) for webhook in self._webhooks)
                )
            )
        )

    def of(self, workload: Workload) -> Injection:
        """What happens to the pods of a workload."""
        known = self._known.get(workload)
        if known is None:
            known = self._known[workload] = self._decide(workload)
        return known

    def policy(self, plane: ControlPlane | None) -> Policy:
        """What a control plane injects by; Istio's defaults for None."""
        known = self._policies.get(plane)
        if known is None:
            known = self._policies[plane] = _read_policy(self._index, plane, self._settings)
        return known

    @cached_property
    def by_default(self) -> Sourced[bool]:
        """Whether namespaces without any label are injected (`enableNamespacesByDefault`).

        The values beside a rendered injector count even where its istiod is not in the input.
        """
        key = ("sidecarInjectorWebhook", "enableNamespacesByDefault")
        for plane in self.planes:
            found = plane_value(plane, *key)
            if found is not None and found.value is True:
                return Sourced(True, found.place)
        namespaces = {plane.namespace for plane in self.planes} or {"istio-system"}
        for namespace in sorted(namespaces):
            config = self._index.find("core/ConfigMap", namespace, "istio-sidecar-injector")
            content = text(config.value, "data", "values") if config is not None else ""
            documents = parse(SourceFile("values", content)).documents if content else ()
            if config is not None and documents and get(documents[0].value, *key) is True:
                return Sourced(True, Place(config.document, (*config.path, "data", "values")))
        return Sourced(False)

    @cached_property
    def enrolled_namespaces(self) -> tuple[Resource, ...]:
        """Namespaces of the input whose own labels bring their pods into the mesh."""
        from meshlint.mesh.enrollment import enrollment

        return tuple(
            namespace
            for namespace in self._index.of_kind("core/Namespace")
            if enrollment(self._index, self._settings, namespace.name) is not None
        )

    # ------------------------------------------------------------------------------ helpers

    def _namespace(self, name: str) -> _Namespace:
        known = self._namespaces.get(name)
        if known is None:
            known = self._namespaces[name] = self._read_namespace(name)
        return known

    def _read_namespace(self, name: str) -> _Namespace:
        resource = self._index.namespace(name)
        configured = name in self._settings.injected_namespaces
        labels = scalar_map(resource.labels) if resource is not None else {}
        labels.setdefault(_NAMESPACE_NAME, name)
        if configured and NAMESPACE_INJECTION not in labels and REVISION not in labels:
            label, value = self._enrolling_label()
            labels[label] = value
        else:
            configured = False
        return _Namespace(name, resource, labels, resource is not None or configured, configured)

    def _enrolling_label(self) -> tuple[str, str]:
        """The label that enrolls a namespace here: of the default revision, else of another."""
        if "" in self._served or not self._served:
            return NAMESPACE_INJECTION, "enabled"
        revisions = sorted({webhook.selected for webhook in self._webhooks})
        return REVISION, revisions[0]

    def _called(self, namespace: _Namespace, pod: _Pod) -> _Match:
        """Gate 1: the webhooks that are called."""
        return self._match(pod, namespace.name, namespace.labels)

    def _match(self, pod: _Pod, name: str | None, namespace: Mapping[str, str] | None) -> _Match:
        """Webhooks that want the pod, in one namespace or in some."""
        key = (name, *(pod.labels.get(label) for label in self._relevant))
        known = self._matches.get(key)
        if known is not None:
            return known
        webhooks = tuple(
            webhook
            for webhook in self._candidates(namespace or {}, pod.labels)
            if webhook.wants_pod(pod.labels)
            and (namespace is None or webhook.wants_namespace(namespace))
        )
        planes = tuple(dict.fromkeys(p for webhook in webhooks for p in webhook.planes))
        policies: dict[str, Policy] = {}
        for plane in planes or (None,):
            policy = self.policy(plane)
            policies.setdefault(policy.decision, policy)
        match = _Match(webhooks, planes, tuple(policies.values())) if webhooks else _NO_MATCH
        self._matches[key] = match
        return match

    def _candidates(
        self, namespace: Mapping[str, str], pod: Mapping[str, str]
    ) -> tuple[_Webhook, ...]:
        if not self._open:
            return self._webhooks
        assumed: list[_Webhook] = []
        named = {namespace.get(REVISION, ""), pod.get(REVISION, "")} - {"", DEFAULT_REVISION}
        for revision in sorted(named - self._served):
            assumed += _chart_webhooks(revision, revision, (), default=False)
        if "" not in self._served:
            assumed += _chart_webhooks(DEFAULT_REVISION, DEFAULT_REVISION, (), default=True)
        return (*self._webhooks, *assumed)

    # ----------------------------------------------------------------------------- decision

    def _decide(self, workload: Workload) -> Injection:
        pod = _Pod(workload, scalar_map(workload.labels), scalar_map(workload.annotations))
        namespace = self._namespace(workload.namespace)
        verdict, match = self._webhook_verdict(pod, namespace)
        intended = verdict.injected is None and any(
            name.startswith(_INTENT) for name in pod.annotations
        )
        manual = _holds_injected_proxy(pod) if verdict.injected is not True else None
        if manual is not None:
            return self._manual(pod, manual)
        templates = self._templates(pod, match.planes) if verdict.injected is not False else ()
        ambient = self._ambient(pod, namespace, verdict.injected)
        mode: Mode = "none"
        answer: Answer = "no"
        reason, place = verdict.reason, verdict.place
        if verdict.injected or intended:
            mode = _template_mode(templates)
            answer = "yes" if verdict.injected else "intended"
        elif verdict.injected is None:
            mode, answer = "unknown", "unknown"
        if templates and "gateway" in templates and verdict.injected is not False:
            mode, answer = "gateway", "no"
        elif ambient.injected and not verdict.injected:
            mode, reason, place = "ambient", ambient.reason, ambient.place
        elif intended:
            name = next(n for n in pod.annotations if n.startswith(_INTENT))
            reason = f"{verdict.reason}, but the template has the annotation {name}"
            place = pod.annotation_place(name)
        return Injection(
            answer=answer,
            mode=mode,
            injected=verdict.injected,
            ambient=_answer(ambient.injected),
            revision=match.revision if verdict.injected else None,
            reason=reason,
            place=place,
            templates=templates,
            planes=match.planes if mode not in ("none", "ambient") else (),
            installed=bool(self.planes),
        )

    def _manual(self, pod: _Pod, status: Mapping[str, Any]) -> Injection:
        return Injection(
            answer="yes",
            mode="sidecar",
            injected=True,
            ambient="no",
            revision=text(status, "revision") or None,
            reason=f"the template already holds an injected proxy (annotation {STATUS})",
            place=pod.annotation_place(STATUS),
            templates=(),
            planes=(),
            installed=bool(self.planes),
            manual=True,
        )

    def _webhook_verdict(self, pod: _Pod, namespace: _Namespace) -> tuple[_Verdict, _Match]:
        """Both gates, and the webhooks that are or may be called."""
        if pod.workload.pod_spec.get("hostNetwork") is True:
            reason = "hostNetwork is true, and such pods are never injected"
            return _Verdict(False, reason, pod.spec_place("hostNetwork")), _NO_MATCH
        if namespace.name in IGNORED_NAMESPACES:
            reason = f"namespace {namespace.name} is one of those that are never injected"
            return _Verdict(False, reason, None), _NO_MATCH
        if not namespace.known:
            return self._unknown_namespace(pod, namespace)
        called = self._called(namespace, pod)
        if not called.webhooks:
            return self._not_called(pod, namespace), _NO_MATCH
        decided = _istiod_verdict(pod, called)
        if decided.injected is not True:
            return decided, called if decided.injected is None else _NO_MATCH
        gate = self._why_called(pod, namespace, called)
        return _Verdict(True, gate.reason, gate.place), called

    def _unknown_namespace(self, pod: _Pod, namespace: _Namespace) -> tuple[_Verdict, _Match]:
        possible = self._match(pod, None, None)
        if not possible.webhooks:
            return self._not_called(pod, namespace), _NO_MATCH
        decided = _istiod_verdict(pod, possible)
        if decided.injected is False:
            return decided, _NO_MATCH
        if pod.labels.get(INJECT) == "true" or pod.labels.get(REVISION):
            called = self._called(namespace, pod)
            if called.webhooks and _istiod_verdict(pod, called).injected:
                gate = self._why_called(pod, namespace, called)
                return _Verdict(True, gate.reason, gate.place), called
        reason = f"namespace {namespace.name} is not in the input"
        return _Verdict(None, reason, None), possible

    def _why_called(self, pod: _Pod, namespace: _Namespace, called: _Match) -> _Verdict:
        labels = namespace.labels
        if namespace.configured:
            reason = f"the configuration says that namespace {namespace.name} is enrolled"
            return _Verdict(True, reason, None)
        if labels.get(NAMESPACE_INJECTION) == "enabled":
            reason = f"namespace {namespace.name} is labelled {NAMESPACE_INJECTION}=enabled"
            return _Verdict(True, reason, namespace.place(NAMESPACE_INJECTION))
        if labels.get(REVISION):
            reason = f"namespace {namespace.name} is labelled {REVISION}={labels[REVISION]}"
            return _Verdict(True, reason, namespace.place(REVISION))
        if pod.labels.get(REVISION):
            reason = f"the template is labelled {REVISION}={pod.labels[REVISION]}"
            return _Verdict(True, reason, pod.label_place(REVISION))
        if pod.labels.get(INJECT) == "true":
            reason = f'the template\'s label {INJECT} is "true"'
            return _Verdict(True, reason, pod.label_place(INJECT))
        for webhook in called.webhooks:
            if webhook.place is not None:
                reason = f"a webhook of the input selects the pods of namespace {namespace.name}"
                return _Verdict(True, reason, webhook.place)
        enabled = [
            plane_value(plane, "sidecarInjectorWebhook", "enableNamespacesByDefault")
            for plane in called.planes
        ]
        place = next((found.place for found in enabled if found is not None), None)
        reason = "enableNamespacesByDefault is on and neither namespace nor template says otherwise"
        return _Verdict(True, reason, place)

    def _not_called(self, pod: _Pod, namespace: _Namespace) -> _Verdict:
        """Why no webhook is called, in the words of the label that keeps it from being called."""
        labels = namespace.labels
        name = namespace.name
        if pod.labels.get(INJECT) == "false":
            reason = f'the template\'s label {INJECT} is "false"'
            return _Verdict(False, reason, pod.label_place(INJECT))
        installed = f"the input installs only {self._installed_names()}"
        if namespace.known and NAMESPACE_INJECTION in labels:
            value = labels[NAMESPACE_INJECTION]
            reason = f"namespace {name} is labelled {NAMESPACE_INJECTION}={value}"
            if value == "enabled":
                reason += f", which the default revision alone serves, and {installed}"
            elif value != "disabled":
                reason += ", a value that enrolls nothing"
            return _Verdict(False, reason, namespace.place(NAMESPACE_INJECTION))
        if namespace.known and REVISION in labels:
            reason = f"namespace {name} is labelled {REVISION}={labels[REVISION]}, and {installed}"
            return _Verdict(False, reason, namespace.place(REVISION))
        if REVISION in pod.labels:
            reason = f"the template is labelled {REVISION}={pod.labels[REVISION]}, and {installed}"
            return _Verdict(False, reason, pod.label_place(REVISION))
        if pod.labels.get(INJECT) == "true":
            reason = (
                f'the template\'s label {INJECT} is "true", which the default revision alone'
                f" serves, and {installed}"
            )
            return _Verdict(False, reason, pod.label_place(INJECT))
        reason = f"namespace {name} has no label that enrolls it, and the template has none either"
        place = None
        if namespace.resource is not None:
            place = Place(
                namespace.resource.document, (*namespace.resource.path, "metadata", "labels")
            )
        return _Verdict(False, reason, place)

    def _installed_names(self) -> str:
        names = sorted({webhook.selected or DEFAULT_REVISION for webhook in self._webhooks})
        word = "revision" if len(names) == 1 else "revisions"
        return f"{word} {', '.join(names)}" if names else "other revisions"

    def _templates(self, pod: _Pod, planes: Sequence[ControlPlane]) -> tuple[str, ...]:
        policies = [self.policy(plane) for plane in planes] or [self.policy(None)]
        if TEMPLATES in pod.annotations:
            names = tuple(name.strip() for name in pod.annotations[TEMPLATES].split(","))
        else:
            names = policies[0].default_templates
        aliases = policies[0].aliases
        resolved: list[str] = []
        for name in names:
            resolved += _names(aliases[name]) if name in aliases else (name,)
        return tuple(resolved)

    # ------------------------------------------------------------------------------ ambient

    def _ambient(self, pod: _Pod, namespace: _Namespace, injected: bool | None) -> _Verdict:
        """Whether ztunnel captures the pods; a sidecar always wins."""
        if injected or pod.workload.pod_spec.get("hostNetwork") is True:
            return _Verdict(False, "", None)
        if STATUS in pod.annotations or namespace.name in self._excluded_from_ambient:
            return _Verdict(False, "", None)
        mode = pod.labels.get(DATAPLANE_MODE)
        labels = namespace.labels
        selectors = self._enablement_selectors
        if selectors is not None:
            if not namespace.known:
                return _Verdict(None, "", None)
            for selector in selectors:
                if _everything_or(selector.get("podSelector"), pod.labels) and _everything_or(
                    selector.get("namespaceSelector"), labels
                ):
                    return _Verdict(True, "an enablement selector of istio-cni matches", None)
            return _Verdict(False, "", None)
        if mode == "ambient":
            reason = f"the template is labelled {DATAPLANE_MODE}=ambient"
            return _Verdict(True, reason, pod.label_place(DATAPLANE_MODE))
        if mode == "none":
            return _Verdict(False, "", None)
        if labels.get(DATAPLANE_MODE) == "ambient":
            reason = f"namespace {namespace.name} is labelled {DATAPLANE_MODE}=ambient"
            return _Verdict(True, reason, namespace.place(DATAPLANE_MODE))
        return _Verdict(False if namespace.resource is not None else None, "", None)

    def _agent_value(self, *path: str) -> Any:
        """A value of the istio-cni chart, as the first agent of the input has it."""
        for agent in self._agents:
            if agent.agent == "istio-cni":
                found = agent.values.get("cni", *path)
                if found is not None and found.value is not None:
                    return found.value
        return None

    @cached_property
    def _excluded_from_ambient(self) -> frozenset[str]:
        given = self._agent_value("excludeNamespaces")
        return frozenset(_names(given)) if isinstance(given, list) else frozenset({"kube-system"})

    @cached_property
    def _enablement_selectors(self) -> list[dict[str, Any]] | None:
        """Own selectors of the installation for what ztunnel captures; None for the usual ones."""
        given = self._agent_value("ambient", "enablementSelectors")
        if not isinstance(given, list):
            return None
        return [selector for selector in given if isinstance(selector, dict)]


def _everything_or(selector: Any, labels: Mapping[str, str]) -> bool:
    return not selector or matches_selector(selector, labels)


def _selector_keys(selector: Any) -> set[str]:
    keys = set(mapping(selector, "matchLabels"))
    return keys | {text(e, "key") for _, e in mappings(selector, "matchExpressions")}


def _answer(injected: bool | None) -> Answer:
    if injected is None:
        return "unknown"
    return "yes" if injected else "no"


def _template_mode(templates: Sequence[str]) -> Mode:
    if "gateway" in templates:
        return "gateway"
    if "sidecar" in templates:
        return "sidecar"
    return "grpc" if any(name.startswith("grpc-") for name in templates) else "custom"


def injected_status(annotations: Mapping[str, str]) -> dict[str, Any]:
    """What the annotation sidecar.istio.io/status says; empty without one that can be read."""
    try:
        status = json.loads(annotations.get(STATUS, ""))
    except (ValueError, RecursionError):
        return {}
    return mapping(status)


def _holds_injected_proxy(pod: _Pod) -> dict[str, Any] | None:
    status = injected_status(pod.annotations)
    listed = (*items(status, "containers"), *items(status, "initContainers"))
    if PROXY_CONTAINER not in listed or pod.workload.proxy_container is None:
        return None
    return status
