"""The sets, by name. One rule: the same seed gives the same texts, in every run and on every machine."""

from collections.abc import Iterator
from random import Random

from bench.accuracy_sets.credentials import harmless, leaks
from bench.accuracy_sets.injections import plain_argument, shell, sql
from bench.accuracy_sets.instructions import everyday, takeovers
from bench.accuracy_sets.personal import nothing, spans
from bench.accuracy_sets.record import Labelled

SEED = 20261120


def generated(seed: int = SEED) -> dict[str, list[Labelled]]:
    """Every set by its name, whose prefix says what is to be found in it."""
    makers = {
        "pii_records": spans(Random(f"{seed} personal"), 4_000),
        "secrets_leaks": leaks(Random(f"{seed} secrets"), 1_800),
        "sqli_arguments": sql(Random(f"{seed} sql"), 1_800),
        "shell_arguments": shell(Random(f"{seed} shell"), 1_200),
        "pi_takeovers": takeovers(Random(f"{seed} takeovers"), 1_200),
        "benign_prompts": _benign(Random(f"{seed} benign"), 3_000),
    }
    return {name: _distinct(texts) for name, texts in makers.items()}


def _benign(source: Random, count: int) -> Iterator[Labelled]:
    """Prompts with nothing in them: everyday ones, sentences full of numbers, talk of keys, arguments of tools."""
    kinds = (everyday, everyday, everyday, nothing, harmless, plain_argument)
    for number in range(count):
        text = kinds[number % len(kinds)](source)
        if source.random() < 0.3:
            text = f"{text}\n\n{everyday(source)}"
        yield Labelled(text, 0)


def _distinct(texts: Iterator[Labelled]) -> list[Labelled]:
    """Each text once, in order."""
    return list({each.text: each for each in texts}.values())
