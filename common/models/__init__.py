"""Model families of the course, one module each."""

from .mlp import MLP

__all__ = ["MLP"]
