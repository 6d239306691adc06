"""What every `ports.ids.Ids` must do. A backend's test module inherits `IdsContract` and has a fixture `ids`."""

import re
import time

from triskel.ports.ids import Ids

_ID = re.compile(r"call_[0-7][0-9A-HJKMNP-TV-Z]{25}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class IdsContract:
    """Of every source of ids."""

    def test_an_id_is_its_prefix_and_26_crockford_characters(self, ids: Ids) -> None:
        """The first of them is 0 to 7, because 128 bits are spelt."""
        for _ in range(1_000):
            assert _ID.fullmatch(ids.new("call"))

    def test_no_two_ids_are_equal(self, ids: Ids) -> None:
        """Many in the same millisecond, and whatever the prefix: the 26 characters alone differ."""
        made = [ids.new(prefix).partition("_")[2] for _ in range(20_000) for prefix in ("call", "aud")]
        assert len(set(made)) == len(made)

    def test_later_ids_sort_later(self, ids: Ids) -> None:
        """To the millisecond: ids made some milliseconds apart are in order."""
        made = []
        for _ in range(20):
            made.append(ids.new("run"))
            time.sleep(0.002)
        assert made == sorted(made)

    def test_the_first_ten_characters_are_the_time(self, ids: Ids) -> None:
        """48 bits of milliseconds since the epoch."""
        characters = ids.new("run").partition("_")[2][:10]
        milliseconds = 0
        for character in characters:
            milliseconds = milliseconds * 32 + _ALPHABET.index(character)
        assert 1_577_836_800_000 < milliseconds < 4_102_444_800_000

    def test_every_random_character_varies(self, ids: Ids) -> None:
        """No position of the last sixteen is stuck."""
        tails = [ids.new("run")[-16:] for _ in range(1_000)]
        assert [len(set(column)) for column in zip(*tails, strict=True)] == [32] * 16

    def test_a_secret_has_43_url_safe_characters_and_is_new(self, ids: Ids) -> None:
        """256 bits."""
        secrets = [ids.secret() for _ in range(1_000)]
        assert all(_SECRET.fullmatch(secret) for secret in secrets)
        assert len(set(secrets)) == len(secrets)

    def test_fractions_lie_from_zero_to_below_one(self, ids: Ids) -> None:
        """And they are spread."""
        fractions = [ids.fraction() for _ in range(1_000)]
        assert all(0 <= fraction < 1 for fraction in fractions)
        assert 0.4 < sum(fractions) / len(fractions) < 0.6
