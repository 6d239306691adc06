"""Labelled texts of the project's own making. One rule: everything is generated from a seed, and nothing is copied.

What is labelled was put there by the generator, with check digits worked out here and not by the checks that are measured.
Nobody is named; domains, addresses and telephone numbers are those kept for documentation where such ones exist.
"""

from bench.accuracy_sets.record import Labelled, Span
from bench.accuracy_sets.sets import SEED, generated

__all__ = ["SEED", "Labelled", "Span", "generated"]
