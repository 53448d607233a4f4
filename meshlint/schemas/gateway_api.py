"""Schemas of the kinds of the Kubernetes Gateway API.

The newest fields of both release channels (standard and experimental) are known, as far as Gateway
API 1.5; one schema serves all versions of a kind. Source: apis/v1, v1alpha2 and v1beta1 of
kubernetes-sigs/gateway-api. Rules in CEL are not evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from meshlint.schemas.violations import Schema

# One line for each type: its fields, `!` behind required ones, and what they hold: another type, a
# list `[of]`, a mapping `{of}`, names of an enumeration `A|B`, numbers `1..5`, or text (nothing).
_TYPES = """
GatewayClass: spec!=GatewayClassSpec
GatewayClassSpec: controllerName! description parametersRef=ParametersReference
ParametersReference: group! kind! name! namespace

Gateway: spec!=GatewaySpec
GatewaySpec: gatewayClassName! listeners=[Listener] addresses=[Address] \
infrastructure=Infrastructure allowedListeners=AllowedListeners backendTLS=BackendTLS \
tls=GatewayTLS defaultScope=All|None
Address: type value
Infrastructure: labels={} annotations={} parametersRef=LocalParametersReference
LocalParametersReference: group! kind! name!
AllowedListeners: namespaces=ListenerNamespaces
ListenerNamespaces: from=All|Selector|Same|None selector=LabelSelector
BackendTLS: clientCertificateRef=SecretReference
GatewayTLS: backend=BackendTLS frontend=FrontendTLS
FrontendTLS: default=TLSConfig perPort=[PortTLS]
PortTLS: port!=1..65535 tls=TLSConfig
TLSConfig: validation=FrontendValidation
FrontendValidation: caCertificateRefs=[ObjectReference] mode=AllowValidOnly|AllowInsecureFallback
SecretReference: group kind name! namespace
ObjectReference: group! kind! name! namespace
Listener: name! hostname port!=1..65535 protocol! tls=ListenerTLS allowedRoutes=AllowedRoutes
ListenerTLS: mode=Terminate|Passthrough certificateRefs=[SecretReference] \
frontendValidation=FrontendValidation options={}
AllowedRoutes: namespaces=RouteNamespaces kinds=[RouteKind]
RouteNamespaces: from=All|Selector|Same|None selector=LabelSelector
RouteKind: group kind!

ListenerSet: spec!=ListenerSetSpec
ListenerSetSpec: parentRef!=SetParentReference listeners!=[SetListener]
SetParentReference: group kind name! namespace
SetListener: name! hostname port=1..65535 protocol! tls=ListenerTLS allowedRoutes=AllowedRoutes

ParentReference: group kind namespace name! sectionName port=1..65535
BackendReference: group kind namespace name! port=1..65535 weight=0..1000000
MirrorReference: group kind namespace name! port=1..65535
Header: name! value!
HeaderFilter: set=[Header] add=[Header] remove=[]
Mirror: backendRef!=MirrorReference percent=0..100 fraction=Fraction
Fraction: numerator!=0.. denominator=1..
LocalReference: group! kind! name!
SessionPersistence: sessionName absoluteTimeout idleTimeout type=Cookie|Header \
cookieConfig=CookieConfig
CookieConfig: lifetimeType=Permanent|Session

HTTPRoute: spec=HTTPRouteSpec
HTTPRouteSpec: parentRefs=[ParentReference] useDefaultGateways=All|None hostnames=[] \
rules=[HTTPRule]
HTTPRule: name matches=[HTTPMatch] filters=[HTTPFilter] backendRefs=[HTTPBackend] \
timeouts=Timeouts retry=Retry sessionPersistence=SessionPersistence
HTTPMatch: path=PathMatch headers=[ValueMatch] queryParams=[ValueMatch] \
method=GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH
PathMatch: type=Exact|PathPrefix|RegularExpression value
ValueMatch: type=Exact|RegularExpression name! value!
Timeouts: request backendRequest
Retry: codes=[400..599] attempts=0.. backoff
HTTPBackend: group kind namespace name! port=1..65535 weight=0..1000000 filters=[HTTPFilter]
HTTPFilter: type!=RequestHeaderModifier|ResponseHeaderModifier|RequestMirror|RequestRedirect|\
URLRewrite|ExtensionRef|CORS|ExternalAuth requestHeaderModifier=HeaderFilter \
responseHeaderModifier=HeaderFilter requestMirror=Mirror requestRedirect=Redirect \
urlRewrite=Rewrite extensionRef=LocalReference cors=CORS externalAuth=ExternalAuth
Redirect: scheme=http|https hostname path=PathModifier port=1..65535 statusCode=StatusCode
Rewrite: hostname path=PathModifier
PathModifier: type!=ReplaceFullPath|ReplacePrefixMatch replaceFullPath replacePrefixMatch
CORS: allowOrigins=[] allowCredentials=Boolean allowMethods=[] allowHeaders=[] exposeHeaders=[] \
maxAge=1..
ExternalAuth: protocol!=HTTP|GRPC backendRef!=MirrorReference grpc=Any http=Any forwardBody=Any

GRPCRoute: spec=GRPCRouteSpec
GRPCRouteSpec: parentRefs=[ParentReference] useDefaultGateways=All|None hostnames=[] \
rules=[GRPCRule]
GRPCRule: name matches=[GRPCMatch] filters=[GRPCFilter] backendRefs=[GRPCBackend] \
sessionPersistence=SessionPersistence
GRPCMatch: method=GRPCMethod headers=[ValueMatch]
GRPCMethod: type=Exact|RegularExpression service method
GRPCBackend: group kind namespace name! port=1..65535 weight=0..1000000 filters=[GRPCFilter]
GRPCFilter: type!=RequestHeaderModifier|ResponseHeaderModifier|RequestMirror|ExtensionRef \
requestHeaderModifier=HeaderFilter responseHeaderModifier=HeaderFilter requestMirror=Mirror \
extensionRef=LocalReference

TLSRoute: spec!=TLSRouteSpec
TLSRouteSpec: parentRefs=[ParentReference] useDefaultGateways=All|None hostnames=[] \
rules!=[StreamRule]
TCPRoute: spec!=StreamRouteSpec
UDPRoute: spec!=StreamRouteSpec
StreamRouteSpec: parentRefs=[ParentReference] useDefaultGateways=All|None rules!=[StreamRule]
StreamRule: name backendRefs=[BackendReference]

ReferenceGrant: spec=ReferenceGrantSpec
ReferenceGrantSpec: from!=[GrantFrom] to!=[GrantTo]
GrantFrom: group! kind! namespace!
GrantTo: group! kind! name

BackendTLSPolicy: spec!=BackendTLSPolicySpec
BackendTLSPolicySpec: targetRefs!=[PolicyTarget] validation!=BackendValidation options={}
PolicyTarget: group! kind! name! sectionName
BackendValidation: caCertificateRefs=[LocalReference] wellKnownCACertificates hostname! \
subjectAltNames=[SubjectAltName]
SubjectAltName: type!=Hostname|URI hostname uri
"""

_VERSIONS: dict[str, str] = {
    "GatewayClass": "v1 v1beta1",
    "Gateway": "v1 v1beta1",
    "HTTPRoute": "v1 v1beta1",
    "GRPCRoute": "v1 v1alpha2",
    "TLSRoute": "v1 v1alpha2 v1alpha3",
    "TCPRoute": "v1 v1alpha2",
    "UDPRoute": "v1 v1alpha2",
    "ReferenceGrant": "v1 v1beta1",
    "BackendTLSPolicy": "v1 v1alpha3",
    "ListenerSet": "v1",
}

_OTHERS: dict[str, Any] = {
    "Any": {"type": "object"},
    "Boolean": {"type": "boolean"},
    "StatusCode": {"type": "integer", "enum": [301, 302, 303, 307, 308]},
    "LabelSelector": {"$ref": "#/$defs/meta.v1.LabelSelector"},
}


def gateway_api_schema(kind: str, metadata: Mapping[str, Any]) -> Schema | None:
    """The schema of a kind (`gateway.networking.k8s.io/v1/Gateway`); None for an unknown one.

    `metadata` is the JSON Schema of ObjectMeta with its `$defs`.
    """
    # Either part may be anything here, with slashes in it as well.
    version, _, name = kind.partition("/")[2].partition("/")
    if version not in _VERSIONS.get(name, "").split():
        return None
    types = _types()
    root = types[name]
    return Schema(
        {
            **root,
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"$ref": metadata["$ref"]},
                **root["properties"],
                "status": {},
            },
            "$defs": {**metadata["$defs"], **types, **_selector()},
        }
    )


@cache
def _types() -> Mapping[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for line in _TYPES.splitlines():
        name, _, declared = line.partition(": ")
        if not declared:
            continue
        properties: dict[str, Any] = {}
        required: list[str] = []
        for entry in declared.split():
            field, _, of = entry.partition("=")
            if field.endswith("!"):
                field = field[:-1]
                required.append(field)
            properties[field] = _of(of)
        found[name] = {"type": "object", "properties": properties, "additionalProperties": False}
        if required:
            found[name]["required"] = required
    return found


def _of(of: str) -> dict[str, Any]:
    if of.startswith("["):
        return {"type": "array", "items": _of(of[1:-1])}
    if of.startswith("{"):
        return {"type": "object", "additionalProperties": _of(of[1:-1])}
    low, dots, high = of.partition("..")
    if dots:
        limits = {"minimum": int(low), **({"maximum": int(high)} if high else {})}
        return {"type": "integer", **limits}
    if not of:
        return {"type": "string"}
    if "|" in of:
        return {"type": "string", "enum": of.split("|")}
    return _OTHERS.get(of) or {"$ref": f"#/$defs/{of}"}


def _selector() -> dict[str, Any]:
    requirement = {
        "type": "object",
        "properties": {
            "key": {"type": "string"},
            "operator": {"type": "string", "enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
            "values": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["key", "operator"],
        "additionalProperties": False,
    }
    return {
        "meta.v1.LabelSelector": {
            "type": "object",
            "properties": {
                "matchLabels": {"type": "object", "additionalProperties": {"type": "string"}},
                "matchExpressions": {"type": "array", "items": requirement},
            },
            "additionalProperties": False,
        }
    }
