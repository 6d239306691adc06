"""Random ids and seeded ones against the suite of every source of ids."""

import subprocess
import sys
import threading

import pytest

from triskel.adapters.random_ids import RandomIds
from triskel.testing.contracts.ids import IdsContract
from triskel.testing.ids import SeededIds

_FORK = """
import os
from triskel.adapters.random_ids import RandomIds
ids = RandomIds()
ids.new("run")
child = os.fork()
if child:
    os.waitpid(child, 0)
os.write(1, (" ".join(ids.new("run")[-16:] for _ in range(300)) + chr(10)).encode())
"""


class TestRandomIds(IdsContract):
    """The machine's own."""

    @pytest.fixture
    def ids(self) -> RandomIds:
        return RandomIds()

    def test_a_clock_that_goes_back_does_not_make_ids_sort_earlier(self) -> None:
        """The process's ids stay in order until the clock has caught up."""
        readings = iter([5_000_000_000, 3_000_000_000, 6_000_000_000])
        ids = RandomIds(now_ns=lambda: next(readings))
        times = [ids.new("run")[4:14] for _ in range(3)]
        assert times[0] == times[1] < times[2]

    def test_a_forked_child_does_not_repeat_its_parent(self) -> None:
        """What was drawn before the fork is used by one of them only."""
        # In a process of its own: this one may have threads, with which it must not fork.
        ran = subprocess.run([sys.executable, "-c", _FORK], capture_output=True, text=True, check=True)
        mine, theirs = (set(line.split()) for line in ran.stdout.splitlines())
        assert len(mine) == len(theirs) == 300
        assert not mine & theirs

    def test_threads_do_not_share_an_id(self, ids: RandomIds) -> None:
        """However they interleave."""
        made: list[str] = []

        def many() -> None:
            made.extend([ids.new("run") for _ in range(5_000)])

        threads = [threading.Thread(target=many) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(made)) == len(made) == 20_000


class TestSeededIds(IdsContract):
    """The ones of tests."""

    @pytest.fixture
    def ids(self) -> SeededIds:
        return SeededIds()

    def test_one_seed_says_the_same_again(self) -> None:
        """And another seed something else."""
        first, second, other = ([SeededIds(seed).new("run") for _ in range(3)] for seed in (1, 1, 2))
        assert first == second != other
