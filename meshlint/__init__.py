"""Lints Kubernetes and Istio manifests for production readiness."""

__version__ = "0.1.0"

DOCS_URL = ""
"""Where the documentation is published, without a slash at the end; empty while it is nowhere.

The links of findings to the pages of their rules, and the site's own address, follow from it.
"""
