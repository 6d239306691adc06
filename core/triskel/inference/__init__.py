"""The performer of model calls: rank, encode, authorize, send, decode."""

from triskel.inference.attempt import Providers, Timeouts
from triskel.inference.performer import Inference

__all__ = ["Inference", "Providers", "Timeouts"]
