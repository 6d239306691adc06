"""`triskel scan`: a line in, a line out."""

import json

from triskel.model.call import Surface
from triskel.policy.scan.lines import scan_lines
from triskel.policy.scan.scanner import Scanner


def test_each_line_is_answered_in_order(scanner: Scanner) -> None:
    lines = [b'{"text": "mail bob@example.com"}\n', b"\n", '{"text": "nothing", "label": 0}', "not json", '{"label": 1}']
    out = [json.loads(line) for line in scan_lines(scanner, lines, Surface.PROMPT)]
    assert out == [
        {"findings": [{"type": "email", "category": "pii", "start": 5, "end": 20, "confidence": 950}], "injection_risk": 0},
        {"findings": [], "injection_risk": 0},
        {"error": "the line is not a JSON object with a text"},
        {"error": "the line is not a JSON object with a text"},
    ]


def test_a_scan_that_was_given_up_says_so(scanner: Scanner) -> None:
    (line,) = scan_lines(scanner, [json.dumps({"text": "1" * 5_000_000})], Surface.PROMPT)
    assert json.loads(line) == {"findings": [], "injection_risk": 0, "incomplete": "text_limit"}
