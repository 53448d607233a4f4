"""Resources of the Sail operator."""

from __future__ import annotations

import pytest
from installation_samples import installations, line, plane, value

from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import Version


def istio(spec: str, name: str = "default") -> str:
    return f"apiVersion: sailoperator.io/v1\nkind: Istio\nmetadata: {{name: {name}}}\nspec:\n{spec}"


def test_values_of_an_istio() -> None:
    found = plane(
        istio(
            "  version: v1.28.2\n  namespace: mesh\n  values:\n"
            "    pilot: {autoscaleMin: 2}\n    meshConfig: {accessLogFile: /dev/stdout}\n"
        )
    )
    assert found.form == "sail"
    assert found.version == Version(1, 28, 2)
    assert value(found.version_source) == "v1.28.2"
    assert found.namespace == "mesh"
    assert (value(found.autoscaling.minimum), line(found.autoscaling.minimum)) == (2, 8)
    assert value(found.budget) is not None
    assert found.mesh["accessLogFile"] == "/dev/stdout"
    assert found.mesh["rootNamespace"] == "mesh"


def test_an_istio_without_anything() -> None:
    found = plane("apiVersion: sailoperator.io/v1\nkind: Istio\nmetadata: {name: default}\n")
    assert found.namespace == "istio-system"
    assert value(found.profile) == "default"
    assert value(found.autoscaling.minimum) == 1
    assert value(found.budget) is None
    assert found.version_source is None


def test_profiles_of_the_operator() -> None:
    found = plane(istio("  version: v1.28.2\n  profile: demo\n"))
    assert value(found.autoscaling.enabled) is False
    assert value(found.trace_sampling) == 100
    assert not plane(istio("  version: v1.28.2\n  profile: remote\n")).istiod
    unknown = plane(istio("  version: v1.28.2\n  profile: own\n  values: {global: {hub: x}}\n"))
    assert unknown.autoscaling.minimum is None
    assert unknown.trace_sampling is None


def test_the_operator_has_no_field_for_budgets() -> None:
    values = "  values: {pilot: {autoscaleMin: 2, pdb: {minAvailable: 50%}}}\n"
    budget = value(plane(istio(f"  version: v1.29.0\n{values}")).budget)
    assert value(budget.min_available) == 1


@pytest.mark.parametrize(
    ("name", "strategy", "revision"),
    [
        ("default", "", ""),
        ("canary", "", "canary"),
        ("default", "  updateStrategy: {type: RevisionBased}\n", "default-v1-28-2"),
        ("canary", "  updateStrategy: {type: RevisionBased}\n", "canary-v1-28-2"),
        ("canary", "  updateStrategy: {type: InPlace}\n", "canary"),
    ],
)
def test_revisions(name: str, strategy: str, revision: str) -> None:
    assert plane(istio(f"  version: v1.28.2\n{strategy}", name)).revision == revision


def test_values_cannot_set_the_revision() -> None:
    found = plane(istio("  values: {revision: other}\n"))
    assert (found.revision, found.values.value("revision")) == ("", "")


def test_tags_lead_to_the_active_revision() -> None:
    text = istio("  version: v1.28.2\n  updateStrategy: {type: RevisionBased}\n")
    for tag, kind, name in (
        ("prod", "Istio", "default"),
        ("test", "IstioRevision", "default-v1-28-2"),
        ("old", "IstioRevision", "default-v1-27-0"),
    ):
        text += f"""---
apiVersion: sailoperator.io/v1
kind: IstioRevisionTag
metadata: {{name: {tag}}}
spec: {{targetRef: {{kind: {kind}, name: {name}}}}}
"""
    found = installations(text)
    assert found.control_planes[0].tags == {"prod", "test"}
    assert found.tags["old"] == {"default-v1-27-0"}


def test_generated_revisions_are_no_installations() -> None:
    found = installations(istio("  version: v1.28.2\n").replace("Istio\n", "IstioRevision\n"))
    assert not found.control_planes


def test_node_agents() -> None:
    text = """apiVersion: sailoperator.io/v1
kind: IstioCNI
metadata: {name: default}
spec: {version: v1.28.2, profile: ambient, values: {cni: {resources: {requests: {cpu: 20m}}}}}
---
apiVersion: sailoperator.io/v1alpha1
kind: ZTunnel
metadata: {name: default}
spec: {version: v1.27.1, namespace: mesh, values: {ztunnel: {resources: {limits: {memory: 1Gi}}}}}
"""
    cni, ztunnel = installations(text).node_agents
    assert (cni.agent, cni.namespace, str(cni.version)) == ("istio-cni", "istio-cni", "1.28")
    assert (ztunnel.agent, ztunnel.namespace, str(ztunnel.version)) == ("ztunnel", "mesh", "1.27")
    assert value(cni.values.get("cni", "ambient", "enabled")) is True
    assert cni.resources is not None
    assert ztunnel.resources is not None
    assert value(cni.resources.requests["cpu"]) == "20m"
    assert value(ztunnel.resources.limits["memory"]) == "1Gi"
    assert value(ztunnel.resources.requests["cpu"]) == "200m"


def test_the_setting_wins_over_the_version_of_the_resource() -> None:
    found = plane(istio("  version: v1.28.2\n"), Settings(istio_version=Version(1, 24)))
    assert found.version == Version(1, 24)
    assert value(found.chart_version) == "v1.28.2"
