"""Names of the metrics that Istio exports, and what a name that nobody exports was meant to be.

Prometheus names: "Exported metrics" of the command pages on istio.io, the standard metrics page,
`pilot/pkg/xds/monitoring.go` and its neighbors; names of every release are kept, because a rule
may watch an old mesh. Datadog names: `istio/datadog_checks/istio/metrics.py` of
DataDog/integrations-core.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from meshlint.patterns import regexp

_HISTOGRAMS = """
    istio_request_duration_milliseconds istio_request_duration_seconds istio_request_duration
    istio_request_bytes istio_response_bytes istio_request_size istio_response_size
    istio_dns_upstream_request_duration_seconds istio_mcp_message_sizes_bytes
    pilot_debounce_time pilot_proxy_convergence_time pilot_proxy_queue_time
    pilot_pushcontext_init_seconds pilot_worker_queue_duration pilot_worker_queue_latency
    pilot_xds_config_size_bytes pilot_xds_push_time pilot_xds_send_time
    galley_runtime_processor_event_span_duration_milliseconds
    galley_runtime_processor_snapshot_events_total
    galley_runtime_processor_snapshot_lifetime_duration_milliseconds
"""
_OTHERS = """
    istio_requests_total istio_request_count istio_request_messages_total
    istio_response_messages_total istio_tcp_connections_opened_total
    istio_tcp_connections_closed_total istio_tcp_connections_failed_total
    istio_tcp_received_bytes_total istio_tcp_sent_bytes_total istio_tcp_sockets_open istio_build
    istio_dns_requests_total istio_dns_upstream_requests_total istio_dns_upstream_failures_total
    istio_on_demand_dns_total istio_xds_connection_terminations_total istio_xds_message_total
    istio_xds_message_bytes_total istio_cni_install_ready istio_cni_installs_total
    istio_cni_plugin_requests_total istio_cni_repair_pods_repaired_total istio_mcp_clients_total
    istio_mcp_reconnections istio_mcp_recv_failures_total istio_mcp_request_acks_total
    istio_mcp_request_nacks_total istio_mcp_send_failures_total
    istiod_managed_clusters istiod_uptime_seconds istiod_remote_cluster_sync_status
    istiod_connection_failures istiod_connection_terminations
    pilot_conflict_inbound_listener pilot_conflict_outbound_listener_http_over_current_tcp
    pilot_conflict_outbound_listener_http_over_https
    pilot_conflict_outbound_listener_tcp_over_current_http
    pilot_conflict_outbound_listener_tcp_over_current_tcp pilot_destrule_subsets
    pilot_dns_cluster_without_endpoints pilot_duplicate_envoy_clusters pilot_eds_no_instances
    pilot_endpoint_not_ready pilot_envoy_filter_status pilot_inbound_updates pilot_info
    pilot_invalid_out_listeners pilot_jwks_resolver_network_fetch_fail_total
    pilot_jwks_resolver_network_fetch_success_total pilot_k8s_cfg_events
    pilot_k8s_endpoints_pending_pod pilot_k8s_endpoints_with_no_pods pilot_k8s_object_errors
    pilot_k8s_reg_events pilot_mcp_sink_reconnections pilot_mcp_sink_recv_failures_total
    pilot_mcp_sink_request_acks_total pilot_no_ip pilot_push_triggers pilot_rds_expired_nonce
    pilot_sds_certificate_errors_total pilot_services pilot_total_k8s_object_errors
    pilot_total_rejected_configs pilot_total_xds_internal_errors pilot_total_xds_rejects
    pilot_virt_services pilot_vservice_dup_domain pilot_worker_queue_depth pilot_xds
    pilot_xds_cds_reject pilot_xds_delayed_push_timeouts_total pilot_xds_delayed_pushes_total
    pilot_xds_eds_all_locality_endpoints pilot_xds_eds_instances pilot_xds_eds_reject
    pilot_xds_expired_nonce pilot_xds_lds_reject pilot_xds_push_context_errors
    pilot_xds_push_timeout pilot_xds_push_timeout_failures pilot_xds_pushes pilot_xds_rds_reject
    pilot_xds_write_timeout
    sidecar_injection_failure_total sidecar_injection_requests_total sidecar_injection_skip_total
    sidecar_injection_success_total
    citadel_secret_controller_csr_err_count citadel_secret_controller_csr_sign_err_count
    citadel_secret_controller_secret_deleted_cert_count
    citadel_secret_controller_svc_acc_created_cert_count
    citadel_secret_controller_svc_acc_deleted_cert_count
    citadel_server_authentication_failure_count citadel_server_cert_chain_expiry_seconds
    citadel_server_cert_chain_expiry_timestamp citadel_server_citadel_root_cert_expiry_timestamp
    citadel_server_csr_count citadel_server_csr_parsing_err_count
    citadel_server_csr_sign_err_count citadel_server_id_extraction_err_count
    citadel_server_root_cert_expiry_seconds citadel_server_root_cert_expiry_timestamp
    citadel_server_success_cert_issuance_count
    galley_mcp_source_clients_total galley_runtime_processor_events_processed_total
    galley_runtime_processor_snapshots_published_total galley_runtime_state_type_instances_total
    galley_runtime_strategy_on_change_total galley_runtime_strategy_timer_max_time_reached_total
    galley_runtime_strategy_timer_quiesce_reached_total galley_runtime_strategy_timer_resets_total
    galley_source_kube_dynamic_converter_failure_total
    galley_source_kube_dynamic_converter_success_total galley_source_kube_event_error_total
    galley_source_kube_event_success_total galley_validation_cert_key_update_errors
    galley_validation_cert_key_updates galley_validation_config_delete_error
    galley_validation_config_load galley_validation_config_load_error
    galley_validation_config_update_error galley_validation_config_updates
    galley_validation_failed galley_validation_http_error galley_validation_passed
"""
_HISTOGRAM_SERIES = ("", "_bucket", "_sum", "_count", "_created")

EXPORTED = frozenset(_OTHERS.split()) | frozenset(
    f"{name}{series}" for name in _HISTOGRAMS.split() for series in _HISTOGRAM_SERIES
)
"""Series of Istio in Prometheus, of any release."""

# Without .count, .total and the like, which depend on the version of the check.
_DATADOG = """
    mesh.request.count mesh.request.duration mesh.request.duration.milliseconds mesh.request.size
    mesh.request.messages mesh.response.size mesh.response.messages mesh.tcp.connections_closed
    mesh.tcp.connections_opened mesh.tcp.received_bytes mesh.tcp.send_bytes
    citadel.secret_controller.csr_err_count citadel.secret_controller.secret_deleted_cert_count
    citadel.secret_controller.svc_acc_created_cert_count
    citadel.secret_controller.svc_acc_deleted_cert_count
    citadel.server.authentication_failure_count citadel.server.citadel_root_cert_expiry_timestamp
    citadel.server.csr_count citadel.server.csr_parsing_err_count
    citadel.server.id_extraction_err_count citadel.server.root_cert_expiry_timestamp
    citadel.server.success_cert_issuance_count
    galley.endpoint_no_pod galley.mcp_source.clients galley.validation.config_load
    galley.validation.config_update galley.validation.config_updates
    galley.validation.config_update_error galley.validation.failed
    galley.validation.http_error galley.validation.passed
    mcp.clients mcp.request.acks mcp.request.nacks
    pilot.conflict.inbound_listener pilot.conflict.outbound_listener.http_over_current_tcp
    pilot.conflict.outbound_listener.http_over_https
    pilot.conflict.outbound_listener.tcp_over_current_http
    pilot.conflict.outbound_listener.tcp_over_current_tcp pilot.destrule_subsets
    pilot.duplicate_envoy_clusters pilot.eds_no_instances pilot.endpoint_not_ready
    pilot.inbound_updates pilot.invalid_out_listeners pilot.k8s.cfg_events pilot.k8s.reg_events
    pilot.no_ip pilot.proxy_convergence_time pilot.proxy_queue_time pilot.push.triggers
    pilot.rds_expired_nonce pilot.services pilot.total_xds_internal_errors pilot.total_xds_rejects
    pilot.virt_services pilot.vservice_dup_domain pilot.xds pilot.xds.cds_reject
    pilot.xds.eds_all_locality_endpoints pilot.xds.eds_instances pilot.xds.eds_reject
    pilot.xds.lds_reject pilot.xds.push.context_errors pilot.xds.push.time
    pilot.xds.push.timeout pilot.xds.push.timeout_failures pilot.xds.pushes pilot.xds.rds_reject
    pilot.xds.write_timeout
    sidecar_injection.failure sidecar_injection.requests sidecar_injection.skip
    sidecar_injection.success
"""
EXPORTED_TO_DATADOG = frozenset(f"istio.{name}" for name in _DATADOG.split())

_PROMETHEUS = regexp(r"(?:istio|pilot|galley|citadel|sidecar_injection|istiod)_[a-z]\w*\Z")
_DATADOG_NAME = regexp(r"istio\.[a-z][\w.]*\Z")
_DATADOG_SERIES = regexp(
    r"(?:[._]total|\.(?:count|sum|bucket|quantile|avg|max|min|median|\d+percentile))+\Z"
)
_PLAIN = {_DATADOG_SERIES.sub("", name): name for name in sorted(EXPORTED_TO_DATADOG)}
_MAX_NAME = 200


@lru_cache(maxsize=4096)
def meant(name: str) -> str | None:
    """The exported metric that a name nobody exports was meant to be.

    None for names that are exported, that are no names of the mesh, and that resemble none.
    """
    if len(name) > _MAX_NAME:
        return None
    if _PROMETHEUS.match(name):
        if name in EXPORTED or name.startswith("istio_agent_"):
            return None  # the agent puts its prefix before all names of its Go libraries
        return _nearest(name, _SAME_STEM.get(_stem(name), ())) or _nearest(
            name, (known for known in sorted(EXPORTED) if _one_edit(name, known))
        )
    if _DATADOG_NAME.match(name):
        plain = _DATADOG_SERIES.sub("", name)
        if plain in _PLAIN or name in EXPORTED_TO_DATADOG:
            return None
        near = _nearest(plain, (known for known in sorted(_PLAIN) if _one_edit(plain, known)))
        return _PLAIN[near] if near else None
    return None


def _stem(name: str) -> str:
    """A name without what people add and leave out: suffixes, `total`, plurals."""
    words = (w for w in name.split("_") if w not in ("total", "count", "sum", "bucket"))
    return "_".join(word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words)


def _same_stem() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in sorted(EXPORTED):
        if not name.endswith("_created"):
            found[_stem(name)] = (*found.get(_stem(name), ()), name)
    return found


_SAME_STEM = _same_stem()


def _nearest(name: str, candidates: Iterator[str] | tuple[str, ...]) -> str | None:
    from difflib import SequenceMatcher

    return max(
        candidates,
        key=lambda known: SequenceMatcher(None, name, known).ratio(),
        default=None,
    )


def _one_edit(name: str, known: str) -> bool:
    """Whether one letter is wrong, missing, too many, or changed places with the next one.

    Letters only: a separator in another place is another way of collecting the metric.
    """
    if abs(len(name) - len(known)) > 1 or name == known:
        return False
    start = 0
    while start < min(len(name), len(known)) and name[start] == known[start]:
        start += 1
    one, other = name[start:], known[start:]
    if (one[:1] + other[:1]).strip("._") != one[:1] + other[:1]:
        return False
    if len(one) == len(other):
        swapped = one[1:2] + one[:1] == other[:2] and one[2:] == other[2:]
        return one[1:] == other[1:] or swapped
    return one[1:] == other or one == other[1:]
