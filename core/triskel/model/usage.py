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
        saved = 0 if self.cached_input is None else usage.cached_tokens * (self.input - self.cached_input)
        return MicroUsd(-(-(usage.input_tokens * self.input + usage.output_tokens * self.output - saved) // 1_000_000))

    def bound(self, input_tokens: int, output_tokens: int) -> MicroUsd:
        """The price of so many tokens, none of them cached, rounded up."""
        return MicroUsd(-(-(input_tokens * self.input + output_tokens * self.output) // 1_000_000))
