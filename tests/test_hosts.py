"""The service registry: what hosts mean, seen from a namespace."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from mesh_input import make_world

from meshlint.mesh.host_names import HostTable, covers, overlap, service_parts
from meshlint.mesh.routing import GatewayName, gateway_name
from meshlint.mesh.world import World
from meshlint.model.resources import Resource


def service(name: str, namespace: str, exports: str = "", port: int = 80) -> str:
    annotation = (
        f'\n  annotations: {{networking.istio.io/exportTo: "{exports}"}}' if exports else ""
    )
    return f"""\
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}{annotation}
spec:
  selector: {{app: {name}}}
  ports: [{{name: http, port: {port}}}]
"""


def entry(name: str, namespace: str, hosts: str, exports: str = "") -> str:
    export = f"\n  exportTo: {exports}" if exports else ""
    return f"""\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: {hosts}{export}
  resolution: DNS
  ports: [{{number: 443, name: tls, protocol: TLS}}]
"""


def rule(name: str, namespace: str, host: str, exports: str = "") -> str:
    export = f"\n  exportTo: {exports}" if exports else ""
    return f"""\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  host: "{host}"{export}
"""


def names(found: Sequence[Resource]) -> list[str]:
    return [f"{one.namespace}/{one.name}" for one in found]


@pytest.fixture
def bank() -> World:
    return make_world(
        service("ledger", "bank"),
        service("rates", "bank", exports="., shop"),
        service("cart", "shop"),
        entry("cards", "bank", '["*.cards.example", pay.cards.example]'),
        entry("maps", "shop", "[maps.example]", exports='["."]'),
    )


# ------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    "host",
    [
        "ledger",
        "LEDGER",
        "ledger.bank",
        "ledger.bank.svc",
        "ledger.bank.svc.cluster.local",
        "ledger.bank.svc.cluster.local.",
    ],
)
def test_every_form_of_a_service_has_one_full_name(bank: World, host: str) -> None:
    assert bank.hosts.full_name(host, "bank") == "ledger.bank.svc.cluster.local"


def test_a_short_name_belongs_to_the_namespace_of_the_object(bank: World) -> None:
    assert bank.hosts.full_name("ledger", "shop") == "ledger.shop.svc.cluster.local"


@pytest.mark.parametrize("host", ["cards.example", "*.bank.svc.cluster.local", "10.0.0.1", "*"])
def test_other_hosts_stay_as_they_are(bank: World, host: str) -> None:
    assert bank.hosts.full_name(host, "bank") == host


def test_two_labels_are_a_service_where_the_namespace_is_known(bank: World) -> None:
    assert bank.hosts.full_name("unknown.shop", "bank") == "unknown.shop.svc.cluster.local"
    assert bank.hosts.service_of("unknown.shop", "bank") == ("shop", "unknown")
    assert bank.hosts.service_of("unknown.example", "bank") is None


@pytest.mark.parametrize(
    ("host", "parts"),
    [
        ("a", ("here", "a")),
        ("a.b", ("b", "a")),
        ("a.b.svc", ("b", "a")),
        ("a.b.svc.mesh.internal", ("b", "a")),
        ("a.b.svc.cluster.local", None),
        ("a.b.c", None),
        ("*.b", None),
        ("", None),
    ],
)
def test_parts_of_services(host: str, parts: tuple[str, str] | None) -> None:
    assert service_parts(host, "here", "mesh.internal") == parts


# --------------------------------------------------------------------------------------- wildcards


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("*", "a.example", True),
        ("*.example", "a.example", True),
        ("*.example", "a.b.example", True),
        ("*.example", "example", False),
        ("*.example", "*.b.example", True),
        ("*.b.example", "*.example", False),
        ("*.example", "*.example", True),
        ("*foo.example", "barfoo.example", True),
        ("*foo.example", "foo.example", False),
        ("a.example", "a.example", True),
        ("a.example", "*.example", False),
    ],
)
def test_wildcards_cover(pattern: str, host: str, expected: bool) -> None:
    assert covers(pattern, host) is expected
    table = HostTable([(pattern, "found")])
    assert list(table.covering(host)) == (["found"] if expected else [])


def test_hosts_overlap_in_either_direction() -> None:
    assert overlap("*.example", "a.example")
    assert overlap("a.example", "*.example")
    assert not overlap("a.example", "b.example")


def test_tables_find_the_narrowest_first() -> None:
    hosts = ["*", "*.example", "a.b.example", "*.b.example", "*b.example", "c.example"]
    table = HostTable((host, host) for host in hosts)
    assert list(table.covering("a.b.example")) == [
        "a.b.example",
        "*.b.example",
        "*.example",
        "*",
        "*b.example",
    ]
    assert set(table.below("*.example")) == {
        "*.example",
        "*.b.example",
        "*b.example",
        "a.b.example",
        "c.example",
    }
    assert list(table.exact("*b.example")) == ["*b.example"]
    assert set(table.overlapping("*.b.example")) >= {"*.b.example", "a.b.example", "*.example"}


# ----------------------------------------------------------------------------------------- meaning


def test_services_are_found_by_name(bank: World) -> None:
    assert names(bank.hosts.meaning("ledger", "bank").services) == ["bank/ledger"]
    assert names(bank.hosts.meaning("ledger.bank", "shop").services) == ["bank/ledger"]
    assert not bank.hosts.meaning("ledger", "shop")


def test_what_is_not_exported_does_not_count(bank: World) -> None:
    assert bank.hosts.meaning("rates.bank", "shop")
    assert not bank.hosts.meaning("rates.bank", "audit")
    assert bank.hosts.meaning("maps.example", "shop")
    assert not bank.hosts.meaning("maps.example", "bank")
    assert names(bank.hosts.anywhere("maps.example", "bank").entries) == ["shop/maps"]


def test_readers_look_instead_of_the_own_namespace(bank: World) -> None:
    assert bank.hosts.meaning("rates.bank", "bank", ("shop",))
    assert not bank.hosts.meaning("rates.bank", "bank", ("audit",))
    assert bank.hosts.meaning("rates.bank", "bank", ("audit", "shop"))


def test_the_mesh_sets_a_default_for_exports() -> None:
    world = make_world(
        service("ledger", "bank"),
        service("open", "bank", exports="*"),
        """\
        apiVersion: install.istio.io/v1alpha1
        kind: IstioOperator
        metadata: {name: istio, namespace: istio-system}
        spec:
          meshConfig:
            defaultServiceExportTo: ["."]
        """,
    )
    assert world.hosts.meaning("ledger", "bank")
    assert not world.hosts.meaning("ledger.bank", "shop")
    assert world.hosts.meaning("open.bank", "shop")


def test_wildcards_of_service_entries_count(bank: World) -> None:
    assert names(bank.hosts.meaning("api.cards.example", "shop").entries) == ["bank/cards"]
    assert names(bank.hosts.meaning("pay.cards.example", "shop").entries) == ["bank/cards"]
    assert names(bank.hosts.meaning("*.cards.example", "shop").entries) == ["bank/cards"]
    assert not bank.hosts.meaning("cards.example", "shop")


def test_cluster_sets_and_the_api_server_are_assumed(bank: World) -> None:
    assert bank.hosts.meaning("stock.warehouse.svc.clusterset.local", "bank").assumed
    assert bank.hosts.meaning("kubernetes.default.svc.cluster.local", "bank").assumed


def test_services_of_installations_are_assumed() -> None:
    world = make_world(
        service("cart", "shop"),
        """\
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: partners, namespace: shop}
        spec: {gatewayClassName: istio, listeners: []}
        """,
        """\
        apiVersion: flagger.app/v1beta1
        kind: Canary
        metadata: {name: checkout, namespace: shop}
        spec:
          targetRef: {kind: Deployment, name: checkout}
        """,
    )
    for name in ("partners-istio", "checkout", "checkout-primary", "checkout-canary"):
        assert world.hosts.meaning(name, "shop").assumed, name
        assert not world.hosts.is_missing(name, "shop")
    assert world.hosts.is_missing("checkouts", "shop")


# ----------------------------------------------------------------------------------------- missing


@pytest.mark.parametrize(
    ("host", "namespace", "missing"),
    [
        ("ledgers", "bank", True),
        ("ledger", "shop", True),
        ("ledger.railway", "bank", False),  # may be a host outside, or a namespace not shown
        ("stations.railway.svc.cluster.local", "bank", False),
        ("metrics-server.kube-system.svc.cluster.local", "bank", False),
        ("rates.bank", "audit", True),
        ("other.example", "shop", True),  # the namespace sees ServiceEntries
        ("*.other.example", "shop", False),
        ("10.0.0.1", "shop", False),
        ("{{ .Values.host }}", "shop", False),
        ("", "shop", False),
        ("istiod.bank", "bank", False),
    ],
)
def test_only_what_would_be_shown_is_missing(
    bank: World, host: str, namespace: str, missing: bool
) -> None:
    if host == "ledger.railway":
        bank = make_world(service("ledger", "bank"))
    assert bank.hosts.is_missing(host, namespace) is missing


@pytest.mark.parametrize(
    ("host", "namespace", "nearest"),
    [
        ("ledgr", "bank", "ledger"),
        ("ledgr.bank.svc.cluster.local", "shop", "ledger.bank.svc.cluster.local"),
        ("ledger", "shop", "ledger.bank.svc.cluster.local"),
        ("pay.card.example", "shop", "pay.cards.example"),
        ("map.example", "bank", None),  # the one alike is not exported
        ("entirely-different", "bank", None),
    ],
)
def test_the_nearest_host(bank: World, host: str, namespace: str, nearest: str | None) -> None:
    assert bank.hosts.nearest(host, namespace) == nearest


# ------------------------------------------------------------------------------- destination rules


def test_rules_count_in_three_namespaces() -> None:
    world = make_world(
        service("ledger", "bank"),
        rule("client", "shop", "ledger.bank.svc.cluster.local"),
        rule("service", "bank", "ledger"),
        rule("root", "istio-system", "*.bank.svc.cluster.local"),
        rule("third", "audit", "ledger.bank.svc.cluster.local"),
        rule("hidden", "bank", "ledger", exports='["."]'),
    )
    found = names(world.hosts.destination_rules("ledger.bank", "shop"))
    assert found == ["shop/client", "bank/service", "istio-system/root"]
    assert "bank/hidden" in names(world.hosts.destination_rules("ledger", "bank"))
    assert len(world.hosts.rules_on("ledger.bank.svc.cluster.local")) == 4


# ---------------------------------------------------------------------------------------- gateways


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("public", GatewayName("shop", "public")),
        ("./public", GatewayName("shop", "public")),
        ("ingress/public", GatewayName("ingress", "public")),
        ("public.ingress", GatewayName("ingress", "public")),
        ("public.ingress.svc.cluster.local", GatewayName("ingress", "public")),
    ],
)
def test_names_of_gateways(written: str, expected: GatewayName) -> None:
    assert gateway_name(written, "shop") == expected
