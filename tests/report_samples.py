"""Reports built by hand on real source files."""

from __future__ import annotations

from meshlint.findings import (
    Assumption,
    Finding,
    Location,
    Readiness,
    Report,
    ResourceRef,
    RuleInfo,
    Severity,
    Skipped,
)
from meshlint.text import SourceFile, Span

CART = ResourceRef("apps/v1", "Deployment", "shop", "cart")
CART_HPA = ResourceRef("autoscaling/v2", "HorizontalPodAutoscaler", "shop", "cart")

DEPLOYMENT = SourceFile(
    "shop/cart.yaml",
    """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart
  namespace: shop
spec:
  replicas: 3
  selector:
    matchLabels: {app: cart}
  template:
    metadata:
      labels: {app: cart}
      annotations:
        sidecar.istio.io/proxyCPU: 50m
    spec:
      containers:
        - name: server
          image: registry.example/shop/cart:1.4.2
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: cart
  namespace: shop
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: cart}
  minReplicas: 1
  maxReplicas: 10
""",
)

INSTALLATION = SourceFile(
    "mesh/istio.yaml",
    """\
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata:
  name: mesh
  namespace: istio-system
spec:
  values:
    pilot:
      autoscaleMin: 1
""",
)

RULES = (
    RuleInfo(
        "cpu-limit-missing",
        "Container without a CPU limit",
        "warning",
        "resources",
        rationale="A container without a limit can take the CPU time of its neighbors. "
        "The scheduler knows nothing of it.",
        remediation="Set `resources.limits.cpu` to what the container may use at most.",
        references=(
            "https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/",
        ),
        covers=("kube-score:container-resources", "checkov:CKV_K8S_11"),
        profiles=("production",),
        checklist="resource-limits",
        precision="very-high",
    ),
    RuleInfo(
        "hpa-min-replicas-low",
        "Autoscaler may scale to a single replica",
        "warning",
        "autoscaling",
        rationale="With one replica every restart of the pod is an outage.",
        remediation="Set `minReplicas` to 2 or more.",
        profiles=("production",),
        checklist="autoscaling",
        help_uri="https://meshlint.example/rules/hpa-min-replicas-low",
    ),
    RuleInfo(
        "mesh-mtls-not-strict",
        "Mesh accepts plain text",
        "error",
        "mesh-security",
        rationale="Workloads take connections that nobody has authenticated.",
        remediation="Add a PeerAuthentication with mode STRICT to the root namespace.",
        profiles=("security", "production"),
        checklist="mesh-security",
        concern="mesh-policies",
        precision="medium",
    ),
    RuleInfo(
        "xds-reject-alert-missing",
        "No alert on rejected configuration",
        "warning",
        "observability",
        checklist="monitoring",
        concern="alerts",
    ),
    RuleInfo(
        "yaml-syntax-invalid",
        "File is not YAML",
        "error",
        "schema",
        rationale="Nothing in the document can be applied or linted.",
        remediation="Correct the syntax.",
        about_run=True,
    ),
)


def at(
    file: SourceFile,
    marked: str,
    message: str = "",
    *,
    resource: ResourceRef | None = None,
    pointer: str = "",
    document: int = 0,
    hide_text: bool = False,
) -> Location:
    """The place of the first such text in a file, or of what is between « and » in it."""
    before, _, rest = marked.rpartition("«")
    within, _, after = rest.partition("»")
    start = file.text.index(before + within + after) + len(before)
    span = Span(start, start + len(within))
    return Location(file, span, pointer, document, resource, message, hide_text)


def finding(
    location: Location,
    *related: Location,
    rule: str = "cpu-limit-missing",
    severity: Severity = "warning",
    message: str = "container server has no CPU limit",
    fingerprint: str = "",
) -> Finding:
    return Finding(rule, severity, message, location, related, fingerprint)


def shop_report() -> Report:
    """Findings of every kind of place, readiness of every role, skipped files and assumptions."""
    return Report(
        findings=(
            finding(
                at(
                    INSTALLATION,
                    "namespace",
                    resource=ResourceRef(
                        "install.istio.io/v1alpha1", "IstioOperator", "istio-system", "mesh"
                    ),
                ),
                rule="mesh-mtls-not-strict",
                severity="error",
                message="the mesh of istio-system accepts plain text",
                fingerprint="0b7e5a0f",
            ),
            finding(
                at(
                    DEPLOYMENT,
                    "server",
                    resource=CART,
                    pointer="/spec/template/spec/containers/0/name",
                ),
                fingerprint="5f0c9e1a",
            ),
            finding(
                at(
                    DEPLOYMENT,
                    "minReplicas: «1»",
                    "one replica",
                    resource=CART_HPA,
                    pointer="/spec/minReplicas",
                    document=1,
                ),
                at(
                    DEPLOYMENT,
                    "name: «cart»",
                    "the workload it scales",
                    resource=CART,
                    pointer="/metadata/name",
                ),
                at(INSTALLATION, "autoscaleMin: 1", "istiod itself has the same minimum"),
                rule="hpa-min-replicas-low",
                message="HorizontalPodAutoscaler shop/cart may scale Deployment shop/cart down to "
                "1 replica",
                fingerprint="c2a4d6e8",
            ),
        ),
        readiness=(
            Readiness(
                CART,
                "workload",
                {"resource-limits": "failed", "node-affinity": "passed", "autoscaling": "failed"},
            ),
            Readiness(
                ResourceRef("apps/v1", "Deployment", "shop", "web"),
                "workload",
                {"resource-limits": "passed", "node-affinity": "passed", "autoscaling": "passed"},
            ),
            Readiness(
                ResourceRef("install.istio.io/v1alpha1", "IstioOperator", "istio-system", "mesh"),
                "control-plane",
                {"control-plane": "failed", "mesh-security": "failed", "monitoring": "not-checked"},
            ),
        ),
        skipped=(
            Skipped("chart/templates/cart.yaml", "Helm template"),
            Skipped("chart/templates/web.yaml", "Helm template"),
            Skipped("shop/kustomization.yaml", "kustomize file", 0),
        ),
        assumptions=(
            Assumption("autoscalers", True, "assumed, as nothing is configured"),
            Assumption("alerts", False, "no alert that names a mesh metric is in the input"),
        ),
        files=7,
        documents=9,
        resources=6,
        rules=len(RULES),
    )
