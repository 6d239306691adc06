"""What a call used and what it cost."""

from dataclasses import dataclass

from triskel.model.units import MicroUsd, Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens by price bucket. `cached_tokens` are part of `input_tokens`; `estimated` where the provider did not say."""

    input_tokens: Tokens = Tokens(0)
    output_tokens: Tokens = Tokens(0)
    cached_tokens: Tokens = Tokens(0)
    estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Micro-dollars for a million tokens of each bucket, as providers publish them (dollars per million x 10^6)."""

    input: MicroUsd
    output: MicroUsd
    cached_input: MicroUsd | None = None

    def cost(self, usage: Usage) -> MicroUsd:
        """The price of `usage`, rounded up to a whole micro-dollar."""
        cached_rate = self.input if self.cached_input is None else self.cached_input
        total = (
            (usage.input_tokens - usage.cached_tokens) * self.input
            + usage.cached_tokens * cached_rate
            + usage.output_tokens * self.output
        )
        return MicroUsd(-(-total // 1_000_000))
