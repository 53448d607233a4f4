"""Kubernetes objects as checks see them: identity, pod templates, selectors, quantities, an index."""
