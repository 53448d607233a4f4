"""Lints Kubernetes and Istio manifests for production readiness."""

__version__ = "0.1.0"
