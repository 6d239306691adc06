"""Ids and randomness from the operating system's generator. Its one rule: nothing that was drawn is ever used twice.

Random characters are drawn in blocks, because a system call for each id costs more than the id itself. A block belongs
to one process: a forked child throws away what it inherited.
"""

import os
import random
import secrets
import time
import weakref
from collections.abc import Callable, Iterator

# Douglas Crockford's alphabet: no I, L, O, U. https://www.crockford.com/base32.html
_ALPHABET = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# 256 is a multiple of 32, so the low five bits of a random byte choose each character equally often.
_TO_CHARACTER = bytes(_ALPHABET[byte & 31] for byte in range(256))
_TAIL_CHARACTERS = 16  # 80 bits
_TAILS_IN_BLOCK = 256


class RandomIds:
    """`ports.ids.Ids`. Time is the wall clock, and never goes back within the process."""

    __slots__ = ("__weakref__", "_now_ns", "_stamp", "_tails")

    def __init__(self, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._now_ns = now_ns
        self._stamp = (0, _encoded_ms(0))
        self._tails: Iterator[str] = iter(())
        _forget_after_fork(self)

    def new(self, prefix: str) -> str:
        """`prefix`, an underscore, 10 characters of milliseconds and 16 random ones."""
        now_ms = self._now_ns() // 1_000_000
        stamp = self._stamp
        if now_ms > stamp[0]:
            stamp = self._stamp = (now_ms, _encoded_ms(now_ms))
        tail = next(self._tails, None)
        if tail is None:
            # Two threads may both draw a block here; each uses its own, and one of them is lost unused.
            tails = self._tails = _block()
            tail = next(tails)
        return f"{prefix}_{stamp[1]}{tail}"

    def secret(self) -> str:
        """43 URL-safe characters that hold 256 random bits."""
        return secrets.token_urlsafe(32)

    def fraction(self) -> float:
        """A number in [0, 1). Python seeds this generator anew in a forked child."""
        return random.random()  # noqa: S311  the port says: not for secrets

    def forget(self) -> None:
        """Throw away what was drawn in advance."""
        self._tails = iter(())


def _block() -> Iterator[str]:
    text = os.urandom(_TAILS_IN_BLOCK * _TAIL_CHARACTERS).translate(_TO_CHARACTER).decode("ascii")
    return iter([text[start : start + _TAIL_CHARACTERS] for start in range(0, len(text), _TAIL_CHARACTERS)])


def _encoded_ms(ms: int) -> str:
    """48 bits in 10 characters; the first is 0 to 7, because 50 bits would fit."""
    ms &= (1 << 48) - 1
    return bytes(_ALPHABET[ms >> shift & 31] for shift in range(45, -1, -5)).decode("ascii")


def _forget_after_fork(ids: RandomIds) -> None:
    """A child must not use the block of its parent. The hook holds `ids` weakly, so that it can be collected."""
    reference = weakref.ref(ids)

    def forget() -> None:
        alive = reference()
        if alive is not None:
            alive.forget()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)
