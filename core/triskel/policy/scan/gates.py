"""The engines that look at every character: which gates match, and where they end.

One rule: an engine only proposes. It reports every (gate, end of a match) and may report too much; what a finding is, is
decided by the same code for all of them. So Hyperscan and RE2 cannot differ in what they find, only in how long it takes.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from triskel.errors import ConfigurationInvalid
from triskel.policy.scan.detector import LookAhead, Pack

GATE_BITS = 12
"""A hit is `end << GATE_BITS | gate`: integers sort fast."""

GATE_MASK = (1 << GATE_BITS) - 1


VALUES = "values"
"""The engine over the gates of values, which every text meets."""

NAMES = "names"
"""The engine over context words, asked only where a value was found that needs one."""


class HitLimitReached(Exception):
    """A text made more gates match than are believed of honest text."""


class Gate(Protocol):
    """An engine over some gates."""

    def hits(self, data: bytes) -> list[int]:
        """Every hit in `data`, unsorted.

        Raises:
            HitLimitReached: more than one for each four characters, and more than ten thousand.
        """
        ...


def hit_limit(length: int) -> int:
    """How many hits are believed of a text of so many characters."""
    return max(10_000, length // 4)


def engine_names(pack: Pack) -> list[str]:
    """Every engine that a pack needs: those two, and one for the phrases of each surface that has any."""
    phrased = {surface for d in pack.detectors if d.look_ahead is LookAhead.PHRASE for surface in d.surfaces}
    return [VALUES, NAMES, *sorted(phrased)]


def numbers(pack: Pack, engine: str) -> dict[tuple[str, bool], int]:
    """An engine's gates, each with its number; with True where it is enough to know that the gate hits at all.

    Raises:
        ConfigurationInvalid: there are more than a hit can number.
    """
    gates: set[tuple[str, bool]] = set()
    for detector in pack.detectors:
        phrased = detector.look_ahead is LookAhead.PHRASE
        if engine == NAMES:
            gates |= {(detector.context_gate, True)} if detector.context_gate else set()
        elif phrased if engine != VALUES else not phrased:
            if engine == VALUES or engine in detector.surfaces:
                gates |= {(pattern.gate, False) for pattern in detector.patterns}
                gates |= {(pattern.also, True) for pattern in detector.patterns if pattern.also}
    if len(gates) > GATE_MASK:
        raise ConfigurationInvalid("the detector pack has too many patterns")
    return {gate: number for number, gate in enumerate(sorted(gates))}


class Engines(Protocol):
    """The engines of a pack, made or loaded when first asked for."""

    kind: str

    def __call__(self, engine: str) -> Gate:
        """The engine of this name."""
        ...


class HyperscanGate:
    """All gates in one pass (https://intel.github.io/hyperscan/dev-reference/). The database was built elsewhere."""

    __slots__ = ("_database", "_halted", "_scratch_in_use", "_scratch_of")

    def __init__(self, serialised: bytes) -> None:
        import hyperscan  # noqa: PLC0415  a native library; a process that never scans does not load it

        database = hyperscan.loadb(serialised, hyperscan.HS_MODE_BLOCK)
        # A loaded database has no scratch space of its own (python-hyperscan issue 50).
        database.scratch = hyperscan.Scratch(database)
        self._database = database
        self._scratch_of: Callable[[Any], Any] = hyperscan.Scratch
        self._scratch_in_use = hyperscan.ScratchInUseError
        self._halted = hyperscan.ScanTerminated

    def hits(self, data: bytes) -> list[int]:
        """See `Gate`."""
        found: list[int] = []
        try:
            self._database.scan(data, _note, 0, found)
        except self._scratch_in_use:  # another thread is scanning
            found = []
            self._scan_apart(data, found)
        except self._halted:
            raise HitLimitReached from None
        return found

    def _scan_apart(self, data: bytes, found: list[int]) -> None:
        try:
            self._database.scan(data, _note, 0, found, self._scratch_of(self._database))
        except self._halted:
            raise HitLimitReached from None


def _note(gate: int, _start: int, end: int, _flags: int, found: list[int]) -> bool | None:
    found.append(end << GATE_BITS | gate)
    return True if len(found) > 10_000 and len(found) > (end >> 2) + 10_000 else None


def gates_in(hits: list[int]) -> set[int]:
    """The gates of some hits."""
    return {hit & GATE_MASK for hit in hits}


class Re2Gate:
    """The same on RE2, where no Hyperscan database for this machine is at hand: slower, never different."""

    __slots__ = ("_filter", "_once", "_searches")

    def __init__(self, gates: Iterable[tuple[str, bool]]) -> None:
        import re2  # noqa: PLC0415  a native library; a process that never scans does not load it

        options = re2_options()
        self._filter = re2.Filter()
        self._once: list[bool] = []
        for gate, once in gates:
            self._filter.Add(gate.encode("ascii"), options)
            self._once.append(once)
        if self._once:
            self._filter.Compile()
        self._searches = [self._filter.re(index).search for index in range(len(self._once))]

    def hits(self, data: bytes) -> list[int]:
        """See `Gate`."""
        found: list[int] = []
        limit = hit_limit(len(data)) + 10_000
        for gate in self._filter.Match(data, True) if self._searches else ():
            collect(self._searches[gate], gate, data, found, limit, once=self._once[gate])
        return found


class Re2Engines:
    """Every engine on RE2."""

    kind = "re2"
    __slots__ = ("_made", "_pack")

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._made: dict[str, Gate] = {}

    def __call__(self, engine: str) -> Gate:
        """See `Engines`."""
        made = self._made.get(engine)
        if made is None:
            made = self._made[engine] = Re2Gate(numbers(self._pack, engine))
        return made


def collect(search: Callable[[bytes, int], Any], gate: int, data: bytes, found: list[int], limit: int, *, once: bool) -> None:
    """Adds a hit for each place at which the gate begins to match; matches may overlap."""
    match = search(data, 0)
    while match is not None:
        found.append(match.end() << GATE_BITS | gate)
        if len(found) > limit:
            raise HitLimitReached
        match = None if once else search(data, match.start() + 1)


def re2_options() -> Any:
    """Bytes in Latin-1, as all engines read them, and no words on standard error."""
    import re2  # noqa: PLC0415  as above

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    return options
