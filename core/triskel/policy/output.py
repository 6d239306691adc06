"""The gate of replies. Its one rule: a text passes only when nothing can still be found in it.

A whole reply is a stream of one frame, so both get the same verdict and the same redaction.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from triskel.errors import PolicyDenied
from triskel.model.call import Surface
from triskel.model.decision import STRICTNESS, Decision, Verdict
from triskel.model.finding import NO_FACTS, Facts, Finding, FindingRecord
from triskel.model.frame import Channel, Frame
from triskel.policy.json_text import ends_in_string, redact_json
from triskel.policy.scan import Released, Scanner, StreamScan, redact

MAX_CHANNELS = 1_000
"""Texts that one reply may interleave. A reply with more is stopped."""

MAX_RECORDED = 1_000
"""Findings of one request, or of its reply, that are put on record one by one; all of them count."""

MAX_KEPT_CHARACTERS = 65_536
"""Of a request, and of its reply, where policy wants the content on record; a record must stay readable."""


class OutputGate:
    """One reply's way out."""

    def __init__(
        self,
        scanner: Scanner,
        decision: Decision,
        decide: Callable[[Facts, str], Decision],
        record: Callable[[str, Finding, str], FindingRecord],
        salt: bytes,
    ) -> None:
        """`decide` evaluates policy with what was found; `record` makes proof of a finding."""
        self._scanner = scanner
        self._input_decision = decision
        self._decide = decide
        self._record = record
        self._hash = hashlib.blake2b(key=salt, digest_size=32)
        self._streams: dict[Channel, StreamScan] = {}
        self._in_string: dict[Channel, bool] = {}
        self._facts = NO_FACTS
        self._decided: dict[Facts, Decision] = {}
        self._records: list[FindingRecord] = []
        self._kept: dict[Channel, str] | None = {} if decision.records_content else None
        self.decision = decision
        self.characters = 0

    @property
    def findings(self) -> tuple[FindingRecord, ...]:
        """What was found so far."""
        return tuple(self._records)

    @property
    def kept(self) -> dict[Channel, str] | None:
        """The texts that passed, by channel and up to `MAX_KEPT_CHARACTERS`, where policy wants them kept; else None."""
        return self._kept

    def fingerprint(self) -> str:
        """A salted hash of the texts that passed, as they passed."""
        return self._hash.hexdigest()

    def admit(self, frame: Frame) -> Sequence[Frame]:
        """What may go on to the caller now, in order: this frame, as edited, is the last of them.

        Raises PolicyDenied where policy stops the reply.
        """
        edits: dict[Channel, str] = {}
        present: dict[Channel, str] = {}
        whole = "" in frame.ends and not self._streams
        for delta in frame.deltas:
            text = delta.text
            passed = ""
            if whole and text:
                passed = self._passed(delta.channel, self._scanned(delta.channel, text))
            elif text:
                passed = self._passed(delta.channel, self._stream(delta.channel).feed(text))
            present[delta.channel] = passed
            if passed != text:
                edits[delta.channel] = passed
        late: dict[Channel, str] = {}
        if frame.ends and self._streams:
            for channel in [c for c in self._streams if c.startswith(tuple(frame.ends))]:
                rest = self._passed(channel, self._streams.pop(channel).close())
                if rest and channel in present:
                    edits[channel] = present[channel] + rest
                elif rest:
                    late[channel] = rest
        edits = _really_edited(frame, edits) if edits else edits
        last = frame.with_texts(edits) if edits else frame
        return (frame.bearing(late), last) if late else (last,)

    def _scanned(self, channel: Channel, text: str) -> Released:
        """A text that is whole at once: the scanner finds in it what it finds in any stream of it, for less."""
        scan = self._scanner.scan(text, _surface(channel))
        return Released(text, scan.findings, incomplete=scan.incomplete)

    def _stream(self, channel: Channel) -> StreamScan:
        stream = self._streams.get(channel)
        if stream is None:
            if len(self._streams) >= MAX_CHANNELS:
                raise PolicyDenied("the reply has too many parts to be looked at", decision_id=self.decision.decision_id)
            stream = self._streams[channel] = self._scanner.stream(_surface(channel))
        return stream

    def _passed(self, channel: Channel, released: Released) -> str:
        """What may be shown of a released text."""
        text = released.text
        if released.findings or released.incomplete:
            text = self._cleared(channel, released)
        if channel.endswith(".arguments"):
            self._in_string[channel] = ends_in_string(released.text, in_string=self._in_string.get(channel, False))
        if self._kept is not None and text:
            room = max(0, MAX_KEPT_CHARACTERS - self.characters)
            self._kept[channel] = self._kept.get(channel, "") + text[:room]
        self.characters += len(text)
        self._hash.update(text.encode("utf-8", "surrogatepass"))
        return text

    def _cleared(self, channel: Channel, released: Released) -> str:
        found = released.findings
        self._facts = self._facts.merged(
            Facts(
                data_classes=tuple(sorted({finding.category.value for finding in found})),
                finding_types=tuple(sorted({finding.type for finding in found})),
                finding_count=len(found),
            )
        )
        room = MAX_RECORDED - len(self._records)
        self._records.extend(self._record(channel, finding, released.text) for finding in found[:room])
        decision = self._decided_on(self._facts, released.incomplete)
        if STRICTNESS[decision.verdict] >= STRICTNESS[self._input_decision.verdict]:
            self.decision = decision
        else:
            self.decision = replace(decision, verdict=self._input_decision.verdict)
        if decision.verdict in (Verdict.DENY, Verdict.NEEDS_APPROVAL):
            raise PolicyDenied(
                "the reply was stopped by policy", decision_id=decision.decision_id, policy_ids=decision.policy_ids
            )
        if channel.endswith(".arguments"):
            return redact_json(released.text, found, decision.redacts, in_string=self._in_string.get(channel, False))
        return redact(released.text, found, decision.redacts)

    def _decided_on(self, facts: Facts, incomplete: str) -> Decision:
        """Policy sees which kinds were found; a count that only grows is not a reason to ask again for each finding."""
        key = replace(facts, finding_count=min(facts.finding_count, 100))
        decision = None if incomplete else self._decided.get(key)
        if decision is None:
            decision = self._decided[key] = self._decide(facts, incomplete)
        return replace(decision, facts=facts)


def _surface(channel: Channel) -> Surface:
    return Surface.TOOL_ARGUMENT if channel.endswith(".arguments") else Surface.OUTPUT


def _really_edited(frame: Frame, edits: dict[Channel, str]) -> dict[Channel, str]:
    """Those of `edits` that change something: what was held back and then released in the same frame does not."""
    originals = {delta.channel: delta.text for delta in frame.deltas}
    return {channel: text for channel, text in edits.items() if originals[channel] != text}
