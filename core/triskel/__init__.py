"""Triskel: an AI control plane. Every call of an agent passes one gate."""

__version__ = "0.1.0"
