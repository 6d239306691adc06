"""Checks what somebody uploaded, in a process of its own: `python -m triskel.policy.publishing`, asked by `gateway.authoring`.

One JSON object comes on standard input, `{"task": "compile" | "format", "owner", "files"}`, and one goes to standard output:
`{"document"}` or `{"files"}`, or `{"message", "faults"}`. One rule: whoever asks holds the clock; this may die at any time.
"""

import json
import sys

from triskel.errors import ConfigurationInvalid
from triskel.policy.publishing.draft import BY_OPERATOR, compile_draft, format_draft, read_draft


def main() -> None:
    """Do one task."""
    asked = json.load(sys.stdin.buffer)
    answer: dict[str, object]
    try:
        draft = read_draft(asked["files"], BY_OPERATOR)
        if asked["task"] == "format":
            answer = {"files": format_draft(draft)}
        else:
            answer = {"document": compile_draft(draft, asked["owner"]).decode()}
    except ConfigurationInvalid as error:
        answer = {"message": error.message, "faults": error.faults}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
