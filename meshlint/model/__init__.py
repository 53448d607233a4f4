"""Kubernetes objects: identity, pod templates, selectors, quantities, an index over all."""
