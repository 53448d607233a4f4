"""JSON Schemas of Kubernetes and custom resources, and what a value does to violate one."""
