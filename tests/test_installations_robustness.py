"""Reading installations never fails, whatever stands where something else is expected."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from installation_samples import index_of

from meshlint.documents import parse
from meshlint.mesh.inspection import inspect_installations
from meshlint.mesh.installations.read import read_installations
from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import Version
from meshlint.text import SourceFile

IN_THE_WAY: tuple[Any, ...] = (None, "x", -1, 1.5, True, [], {}, [None], [{"name": 1}], {"a": None})

# One document each, with everything in it that is looked at; `---` begins another document.
SAMPLES = {
    "operator.yaml": """
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: a, namespace: b}
spec:
  profile: demo
  tag: 1.28.1
  hub: x
  revision: canary
  namespace: mesh
  compatibilityVersion: "1.20"
  components:
    pilot:
      enabled: true
      k8s:
        resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 2}}
        hpaSpec:
          minReplicas: 2
          metrics:
          - {type: Resource, resource: {name: cpu, target: {averageUtilization: 60}}}
          - {type: Resource, resource: {name: memory, targetAverageUtilization: 60}}
        podDisruptionBudget: {maxUnavailable: 1}
        replicaCount: 2
        env: [{name: PILOT_TRACE_SAMPLING, value: "3"}]
        affinity: {nodeAffinity: {}}
        nodeSelector: {a: b}
        tolerations: [{key: a}]
        overlays:
        - kind: Deployment
          name: istiod-canary
          patches: [{path: "spec.template.spec.containers.[name:discovery].image", value: x}]
    ingressGateways:
    - name: one
      enabled: true
      namespace: edge
      label: {istio: one}
      k8s:
        podAnnotations: {a: b}
        resources: {requests: {cpu: 1}}
        hpaSpec: {minReplicas: 1, scaleTargetRef: {name: other}}
        overlays: [{kind: HorizontalPodAutoscaler, name: one, patches: [{path: "spec.a[0]"}]}]
    cni: {enabled: true, namespace: kube-system, k8s: {resources: {requests: {cpu: 1}}}}
    ztunnel: {enabled: true}
  meshConfig: {accessLogFile: x, defaultConfig: {concurrency: 2}, defaultProviders: {}}
  values:
    pilot: {autoscaleMin: 2, cpu: {targetAverageUtilization: 50}, env: {A: b}, podLabels: {a: b}}
    gateways:
      istio-ingressgateway:
        labels: {app: x}
        podAntiAffinityLabelSelector: [{key: app, operator: In, values: "a,b", topologyKey: x}]
        nodeSelector: {a: b}
    global:
      proxy: {resources: {limits: {cpu: 1}}, tracer: zipkin}
      tracer: {zipkin: {address: x}}
      defaultPodDisruptionBudget: {enabled: true}
      istioNamespace: mesh
  unvalidatedValues: {pilot: {autoscaleMax: 3}}
""",
    "old.yaml": """
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: a}
spec:
  profile: demo
  tag: 1.22.1
  components:
    pilot: {k8s: {hpaSpec: {minReplicas: 2}, replicaCount: 2, resources: {requests: {cpu: 1}}}}
    ingressGateways: [{name: istio-ingressgateway, k8s: {resources: {requests: {cpu: 1}}}}]
    istiodRemote: {enabled: false}
  values:
    pilot: {resources: {requests: {cpu: 2}}, replicaCount: 3, tolerations: [{key: a}]}
    gateways: {istio-ingressgateway: {enabled: true}}
""",
    "istio/istiod.yaml": """
profile: ambient
revision: canary
revisionTags: [prod]
autoscaleMin: 2
resources: {requests: {cpu: 1}}
pdb: {minAvailable: 1}
platform: openshift
compatibilityVersion: "1.26"
defaults: {autoscaleMax: 3, pilot: {env: {A: b}}}
pilot: {memory: {targetAverageUtilization: 60}, traceSampling: 5}
global: {tag: 1.29.1, hub: x, meshID: y, proxy: {autoInject: disabled, variant: debug}}
meshConfig: {extensionProviders: [{name: a}]}
istiodRemote: {enabled: false}
telemetry: {enabled: true, v2: {enabled: true}}
gatewayClasses: {istio: {horizontalPodAutoscaler: {spec: {maxReplicas: 2}}}}
""",
    "istio/gateway.yaml": """
name: istio-ingressgateway
kind: Deployment
replicaCount: 2
labels: {istio: ingress}
podAnnotations: {istio.io/x: y}
networkGateway: n
podDisruptionBudget: {minAvailable: 1}
autoscaling: {enabled: true, minReplicas: 2, targetMemoryUtilizationPercentage: 60}
resources: {requests: {cpu: 1}}
env: {ISTIO_META_X: y}
topologySpreadConstraints: [{}]
""",
    "umbrella/Chart.yaml": """
apiVersion: v2
name: mesh
dependencies:
- name: istiod
  alias: mesh
  version: 1.29.1
  repository: https://istio.example.org
  condition: a.b
""",
    "argo.yaml": """
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: a, namespace: argocd}
spec:
  destination: {namespace: mesh}
  sources:
  - repoURL: https://istio.example.org
    chart: istiod
    targetRevision: 1.29.1
    helm:
      releaseName: x
      values: "pilot: {autoscaleMin: 2}"
      valueFiles: [istio/istiod.yaml]
      parameters: [{name: pilot.autoscaleMax, value: "3"}]
  source:
    repoURL: https://istio.example.org
    path: charts/gateway
    helm: {valuesObject: {name: x}}
""",
    "flux.yaml": """
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: a, namespace: mesh}
spec:
  releaseName: x
  targetNamespace: mesh
  chart: {spec: {chart: istiod, version: 1.29.x, sourceRef: {kind: HelmRepository, name: istio}}}
  valuesFrom: [{kind: ConfigMap, name: values, valuesKey: values.yaml}]
  values: {pilot: {autoscaleMin: 2}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: b, namespace: mesh}
spec: {chartRef: {kind: OCIRepository, name: istiod, namespace: mesh}, values: {autoscaleMin: 2}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: istiod, namespace: mesh}
spec: {url: oci://x/istio/istiod, ref: {tag: 1.29.1}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: values, namespace: mesh}
data: {values.yaml: "autoscaleMin: 1"}
""",
    "helmfile.yaml": """
repositories: [{name: istio, url: https://istio.example.org}]
releases:
- name: istiod
  namespace: mesh
  chart: istio/istiod
  version: 1.29.1
  installed: true
  values: [istio/istiod.yaml, {autoscaleMin: 2}]
  set: [{name: autoscaleMax, value: 3}]
""",
    "kustomization.yaml": """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: mesh
helmCharts:
- name: istiod
  repo: https://istio.example.org
  version: 1.29.1
  releaseName: x
  namespace: y
  valuesFile: istio/istiod.yaml
  additionalValuesFiles: [x.yaml]
  valuesMerge: merge
  valuesInline: {autoscaleMin: 2}
configMapGenerator: [{name: values, files: [values.yaml=istio/istiod.yaml]}]
""",
    "sail.yaml": """
apiVersion: sailoperator.io/v1
kind: Istio
metadata: {name: default}
spec:
  version: v1.28.1
  namespace: mesh
  profile: ambient
  updateStrategy: {type: RevisionBased}
  values: {pilot: {pdb: {minAvailable: 1}, autoscaleMin: 2}, gateways: {}, global: {}}
---
apiVersion: sailoperator.io/v1
kind: IstioRevisionTag
metadata: {name: prod}
spec: {targetRef: {kind: Istio, name: default}}
---
apiVersion: sailoperator.io/v1
kind: ZTunnel
metadata: {name: default}
spec: {version: v1.28.1, values: {ztunnel: {resources: {requests: {cpu: 1}}}}}
""",
    "rendered.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: istiod, namespace: mesh, labels: {istio.io/rev: default, helm.sh/chart: a-1.27.1}}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: istiod, istio.io/rev: default}}
    spec:
      affinity: {}
      containers:
      - name: discovery
        image: x/pilot:1.28.1
        resources: {requests: {cpu: 1}}
        env: [{name: PILOT_TRACE_SAMPLING, value: "1"}, {name: REVISION, value: default}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: istiod, namespace: mesh}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: istiod}
  minReplicas: 2
  maxReplicas: 3
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: istiod, namespace: mesh}
spec: {minAvailable: 1, selector: {matchLabels: {app: istiod}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: mesh}
data: {mesh: "accessLogFile: x"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio-sidecar-injector, namespace: mesh}
data: {values: '{"global": {"proxy": {"resources": {"requests": {"cpu": 1}}}}}'}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: istio-revision-tag-prod, labels: {istio.io/tag: prod, istio.io/rev: default}}
""",
    "gateway.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: edge, namespace: edge}
spec:
  template:
    metadata: {labels: {istio: ingressgateway}, annotations: {inject.istio.io/templates: gateway}}
    spec:
      containers:
      - {name: istio-proxy, image: auto, args: [proxy, router], env: [{name: a, value: b}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: auto, namespace: edge, labels: {istio.io/rev: x}, annotations: {a: b}}
spec:
  gatewayClassName: front
  addresses: [{type: IPAddress, value: 192.0.2.1}]
  infrastructure: {labels: {a: b}, annotations: {a: b}, parametersRef: {kind: ConfigMap, name: c}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: front}
spec: {controllerName: istio.io/gateway-controller}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c, namespace: edge, labels: {gateway.istio.io/defaults-for-class: istio}}
data:
  horizontalPodAutoscaler: "spec: {minReplicas: 2, maxReplicas: 3}"
  deployment: "spec: {template: {spec: {containers: [{name: istio-proxy, resources: {}}]}}}"
  podDisruptionBudget: "spec: {minAvailable: 1}"
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: cni, namespace: mesh}
spec: {template: {spec: {containers: [{name: install-cni, image: x, resources: {requests: {}}}]}}}
""",
}
BESIDE = {
    "umbrella/Chart.yaml": ("umbrella/values.yaml", "mesh: {autoscaleMin: 2}\na: {b: true}"),
    "argo.yaml": ("istio/istiod.yaml", "autoscaleMin: 2"),
}


def read(files: dict[str, str], settings: Settings) -> str:
    found = read_installations(index_of(files), settings)
    return json.dumps(inspect_installations(found, settings), default=str)


def paths_in(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths_in(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from paths_in(item, (*path, number))


def with_other(value: Any, path: tuple[str | int, ...], other: Any) -> Any:
    if not path:
        return other
    changed = copy.copy(value)
    changed[path[0]] = with_other(value[path[0]], path[1:], other)
    return changed


@pytest.mark.parametrize("name", SAMPLES)
def test_anything_may_stand_anywhere(name: str) -> None:
    values = [document.value for document in parse(SourceFile(name, SAMPLES[name])).documents]
    path, beside = BESIDE.get(name, ("", ""))
    others = {path: beside} if path else {}
    assert "form" in read({name: SAMPLES[name], **others}, Settings())
    turn = 0
    for number, sample in enumerate(values):
        for place in paths_in(sample):
            # A few at each place, others at the next one: all of them everywhere takes a minute.
            turn += 1
            for other in IN_THE_WAY[turn % 4 :: 4]:
                changed = [*values]
                changed[number] = with_other(sample, place, other)
                text = "\n---\n".join(json.dumps(value) for value in changed)
                read({name: text, **others}, Settings())


@pytest.mark.parametrize("minor", range(5, 33))
def test_every_version_is_read(minor: int) -> None:
    settings = Settings(istio_version=Version(1, minor))
    assert f'"1.{minor}"' in read(SAMPLES, settings)
