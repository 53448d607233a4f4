"""Installations of Istio, read from every form they come in."""
