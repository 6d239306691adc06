"""The gate that every call passes, whatever its kind."""

from triskel.gateway.gate import Answer, Check, Gateway
from triskel.gateway.passage import Gates

__all__ = ["Answer", "Check", "Gates", "Gateway"]
