"""The engines that look at every character: which gates match, and where they end.

One rule: an engine only proposes. It reports every (gate, end of a match) and may report too much; what a finding is, is
decided by the same code for all of them. So Hyperscan and RE2 cannot differ in what they find, only in how long it takes.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from triskel.errors import ConfigurationInvalid
from triskel.model.call import Surface
from triskel.policy.scan.detector import Detector, LookAhead, Pack

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
    """An engine over some gates. `all_ends`: it reports every end of a match and not one for each start."""

    all_ends: bool

    def hits(self, data: bytes) -> list[int]:
        """Every hit in `data`, unsorted.

        Raises:
            HitLimitReached: more than one for each four characters, and more than ten thousand.
        """
        ...


def hit_limit(length: int) -> int:
    """How many hits are believed of a text of so many characters."""
    return max(10_000, length // 4)


PHRASES = "phrases"
"""The engine over phrases."""

ARGUMENTS = "arguments"
"""The engine over phrases that only tool arguments are searched for."""

ENGINES = (VALUES, NAMES, PHRASES, ARGUMENTS)


def engine_of(detector: Detector) -> str:
    """The engine that holds a detector's gates."""
    if detector.look_ahead is not LookAhead.PHRASE:
        return VALUES
    return ARGUMENTS if set(detector.surfaces) == {Surface.TOOL_ARGUMENT} else PHRASES


def numbers(pack: Pack, engine: str) -> dict[str, int]:
    """An engine's gates, each with its number.

    Raises:
        ConfigurationInvalid: there are more than a hit can number.
    """
    if engine == NAMES:
        gates = {detector.context_gate for detector in pack.detectors} - {""}
    else:
        gates = {pattern.gate for detector in pack.detectors if engine_of(detector) == engine for pattern in detector.patterns}
        gates.discard("")
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

    all_ends = True
    __slots__ = ("_database", "_halted", "_scan", "_scratch_in_use", "_scratch_of")

    def __init__(self, serialised: bytes) -> None:
        import hyperscan  # noqa: PLC0415  a native library; a process that never scans does not load it

        database = hyperscan.loadb(serialised, hyperscan.HS_MODE_BLOCK)
        # A loaded database has no scratch space of its own (python-hyperscan issue 50).
        database.scratch = hyperscan.Scratch(database)
        self._database = database
        self._scan: Callable[..., None] = database.scan
        self._scratch_of: Callable[[Any], Any] = hyperscan.Scratch
        self._scratch_in_use = hyperscan.ScratchInUseError
        self._halted = hyperscan.ScanTerminated

    def hits(self, data: bytes) -> list[int]:
        """See `Gate`."""
        found: list[int] = []
        try:
            self._scan(data, _note, 0, found)
        except self._scratch_in_use:  # another thread is scanning
            found = []
            self._scan_apart(data, found)
        except self._halted:
            raise HitLimitReached from None
        return found

    def _scan_apart(self, data: bytes, found: list[int]) -> None:
        try:
            self._scan(data, _note, 0, found, self._scratch_of(self._database))
        except self._halted:
            raise HitLimitReached from None


def _note(gate: int, _start: int, end: int, _flags: int, found: list[int]) -> bool | None:
    found.append(end << GATE_BITS | gate)
    return True if len(found) > 10_000 and len(found) > (end >> 2) + 10_000 else None


def gates_in(hits: list[int]) -> set[int]:
    """The gates of some hits."""
    return {hit & GATE_MASK for hit in hits}


class Re2Gate:
    """The same on RE2, where no Hyperscan database for this machine is at hand: slower, never different.

    `once`: the first hit of a gate is enough.
    """

    all_ends = False
    __slots__ = ("_filter", "_once", "_searches")

    def __init__(self, gates: Iterable[str], *, once: bool) -> None:
        import re2  # noqa: PLC0415  a native library; a process that never scans does not load it

        options = re2_options()
        self._filter = re2.Filter()
        self._once = once
        count = 0
        for gate in gates:
            self._filter.Add(gate.encode("ascii"), options)
            count += 1
        if count:
            self._filter.Compile()
        self._searches = [self._filter.re(index).search for index in range(count)]

    def hits(self, data: bytes) -> list[int]:
        """See `Gate`."""
        found: list[int] = []
        limit = hit_limit(len(data)) + 10_000
        for gate in self._filter.Match(data, True) if self._searches else ():
            collect(self._searches[gate], gate, data, found, limit, once=self._once)
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
            made = self._made[engine] = Re2Gate(numbers(self._pack, engine), once=engine == NAMES)
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
