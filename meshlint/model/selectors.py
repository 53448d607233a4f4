"""Label selectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshlint.model.values import items, mapping, mappings, text


def matches_labels(wanted: Any, labels: Mapping[str, Any]) -> bool:
    """Whether labels hold every pair of an equality selector; an empty selector matches nothing.

    That is the meaning in a Service; kinds where an empty selector means everything ask first.
    """
    pairs = mapping(wanted)
    return bool(pairs) and all(labels.get(key) == value for key, value in pairs.items())


def matches_selector(selector: Any, labels: Mapping[str, Any]) -> bool:
    """Whether a LabelSelector (`matchLabels`, `matchExpressions`) selects labels.

    An empty selector selects everything, an absent one nothing (Kubernetes API, LabelSelector).
    An operator the API does not know selects nothing.
    """
    if not isinstance(selector, dict):
        return False
    if any(labels.get(key) != value for key, value in mapping(selector, "matchLabels").items()):
        return False
    return all(
        _matches_expression(expression, labels)
        for _, expression in mappings(selector, "matchExpressions")
    )


def _matches_expression(expression: dict[str, Any], labels: Mapping[str, Any]) -> bool:
    key, operator = text(expression, "key"), text(expression, "operator")
    values = items(expression, "values")
    if operator == "In":
        return key in labels and labels[key] in values
    if operator == "NotIn":
        return key not in labels or labels[key] not in values
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    return False
