"""`python -m triskel.local.simulator --cloud aws --port 0`: one simulated cloud in this process.

Its key comes in the environment as TRISKEL_SIMULATOR_KEY, or by `--key`; without either one is made and shown. One rule:
what cannot start says so in one line and ends with status 2.
"""

import argparse
import asyncio
import contextlib
import os
import secrets
import sys
from pathlib import Path

from triskel.local.simulator.chat import Manner
from triskel.local.simulator.offer import DATA_FILE, OfferInvalid, read_offer
from triskel.local.simulator.process import Start, serve

KEY_VARIABLE = "TRISKEL_SIMULATOR_KEY"


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal comes; the exit status."""
    parsed = _parser().parse_args(arguments)
    given = parsed.key or os.environ.get(KEY_VARIABLE, "")
    try:
        offer = read_offer(parsed.data)
        if parsed.cloud not in offer.clouds:
            raise OfferInvalid(f"{parsed.data}: there is no cloud `{parsed.cloud}`, only {', '.join(sorted(offer.clouds))}")
        start = Start(
            cloud=parsed.cloud,
            offer=offer,
            key=given or secrets.token_urlsafe(24),
            shows_key=not given,
            host=parsed.host,
            port=parsed.port,
            manner=Manner(
                pace=parsed.pace,
                limits_capacity=parsed.pace > 0 if parsed.capacity == "auto" else parsed.capacity == "on",
                records=parsed.record,
            ),
            ends_with_stdin=parsed.exit_with_stdin,
        )
        _run(start)
    except (OfferInvalid, OSError) as error:
        print(f"the simulator of {parsed.cloud} cannot start: {error}", file=sys.stderr)
        return 2
    return 0


def _run(start: Start) -> None:
    loop_factory = None
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415  not on every platform

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(serve(start))


def _pace(text: str) -> float:
    pace = float(text)
    if not 0 <= pace <= 1000:
        raise argparse.ArgumentTypeError("must be from 0 to 1000")
    return pace


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m triskel.local.simulator", description="One simulated cloud.")
    parser.add_argument("--cloud", required=True, help="a cloud of the data file: aws, azure or gcp")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default 0: a free one)")
    parser.add_argument("--key", help=f"the key that clients must show (better: {KEY_VARIABLE} in the environment)")
    parser.add_argument("--pace", type=_pace, default=1.0, help="1 is as modelled, 0 as fast as possible (default 1)")
    parser.add_argument(
        "--capacity", choices=("auto", "on", "off"), default="auto", help="refuse what exceeds it (auto: unless the pace is 0)"
    )
    parser.add_argument("--record", action="store_true", help="keep the newest requests for GET /simulator/calls")
    parser.add_argument("--exit-with-stdin", action="store_true", help="end when standard input ends, as with the parent")
    parser.add_argument("--data", type=Path, default=DATA_FILE, help="another data file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
