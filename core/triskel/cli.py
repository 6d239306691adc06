"""`triskel`: the command. It parses, calls a room, prints. Rooms are imported by the command that needs them."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from triskel import __version__
from triskel.errors import ConfigurationInvalid, TriskelError
from triskel.local.policy_commands import add_policy_commands

_EPILOG = """\
Start with `triskel up`: it runs Triskel with three simulated clouds, makes a demo tenant and prints its API key.
Documentation: README.md and docs/architecture.md in the repository.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 done, 1 could not, 2 the command line is wrong."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except ConfigurationInvalid as error:
        _complain(error.message, *error.faults)
        return 1
    except TriskelError as error:
        _complain(error.message)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _complain(*lines: str) -> None:
    print(f"triskel: {lines[0]}", *(f"  {line}" for line in lines[1:]), sep="\n", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="triskel",
        description="An AI control plane: every call of an agent passes one gate.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"triskel {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    up = commands.add_parser("up", help="run everything on this machine, with three simulated clouds")
    up.add_argument("--pace", type=float, default=1.0, help="how fast the simulated models are: 1 as modelled, 0 at once")
    _serving(up)
    up.set_defaults(run=_up)

    serve = commands.add_parser("serve", help="run the gateway alone, for containers; --config says which models there are")
    _serving(serve)
    serve.set_defaults(run=_serve)

    config = commands.add_parser("config", help="work on the configuration").add_subparsers(metavar="COMMAND", required=True)
    check = config.add_parser("check", help="say everything that is wrong with a configuration file")
    check.add_argument("file", nargs="?", type=Path, default=Path("triskel.yaml"))
    check.set_defaults(run=_config_check)

    audit = commands.add_parser("audit", help="work on the audit").add_subparsers(metavar="COMMAND", required=True)
    verify = audit.add_parser("verify", help="check every chain against its signed heads")
    verify.add_argument("--tenant", help="one tenant's chains instead of all")
    _homed(verify)
    verify.set_defaults(run=_audit_verify)

    add_policy_commands(commands, _homed)
    _key_commands(commands)

    scan = commands.add_parser("scan", help="read JSON lines with `text`, write what the detectors find in each")
    scan.add_argument("--surface", default="prompt", choices=["prompt", "tool_argument", "tool_result", "output"])
    scan.set_defaults(run=_scan)
    return parser


def _key_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    keys = commands.add_parser("keys", help="make, list and revoke API keys").add_subparsers(metavar="COMMAND", required=True)
    create = keys.add_parser("create", help="make a key and print it; it is shown this once")
    create.add_argument("--tenant", required=True)
    create.add_argument("--principal", required=True, help="who calls with it")
    create.add_argument("--kind", default="agent", choices=["user", "agent", "service"])
    create.add_argument("--tier", default="pilot", choices=["pilot", "growth", "enterprise"])
    create.add_argument("--team", action="append", default=[], help="a team of the principal; may be given again")
    _homed(create)
    create.set_defaults(run=_keys_create)
    show = keys.add_parser("list", help="a tenant's keys, without their secrets")
    show.add_argument("--tenant", required=True)
    _homed(show)
    show.set_defaults(run=_keys_list)
    revoke = keys.add_parser("revoke", help="refuse a key from now on")
    revoke.add_argument("key_id", help="the 26 characters between `tk_` and the next underscore")
    _homed(revoke)
    revoke.set_defaults(run=_keys_revoke)


def _homed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir", type=Path, default=Path(".triskel"), help="where keys, policies and audit are kept (default: %(default)s)"
    )


def _serving(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1, or what the configuration says)")
    parser.add_argument("--port", type=int, help="port to listen on; 0 takes a free one (default: 8080)")
    parser.add_argument("--config", type=Path, help="configuration file (default: triskel.yaml, where there is one)")
    _homed(parser)


def _up(arguments: argparse.Namespace) -> int:
    from triskel.local.up import up  # noqa: PLC0415 - each command pays for its own imports

    return up(arguments.config, arguments.host, arguments.port, arguments.data_dir, arguments.pace)


def _serve(arguments: argparse.Namespace) -> int:
    from triskel.local.up import serve  # noqa: PLC0415

    return serve(arguments.config, arguments.host, arguments.port, arguments.data_dir)


def _config_check(arguments: argparse.Namespace) -> int:
    from triskel.local.documents import read_config  # noqa: PLC0415
    from triskel.system import check_config  # noqa: PLC0415

    config = read_config(arguments.file)
    check_config(config)
    deployments = len(config.deployments)
    print(f"{arguments.file}: no fault found; {deployments} deployment{'' if deployments == 1 else 's'}")
    return 0


def _audit_verify(arguments: argparse.Namespace) -> int:
    from triskel.local.home import Home  # noqa: PLC0415
    from triskel.local.proof import verify_home  # noqa: PLC0415

    return verify_home(Home(arguments.data_dir), arguments.tenant)


def _keys_create(arguments: argparse.Namespace) -> int:
    from triskel.local import keys  # noqa: PLC0415
    from triskel.local.home import Home  # noqa: PLC0415

    new = keys.NewKey(
        tenant_id=arguments.tenant,
        principal_id=arguments.principal,
        kind=arguments.kind,
        tier=arguments.tier,
        teams=tuple(arguments.team),
    )
    return keys.create(Home(arguments.data_dir), new)


def _keys_list(arguments: argparse.Namespace) -> int:
    from triskel.local import keys  # noqa: PLC0415
    from triskel.local.home import Home  # noqa: PLC0415

    return keys.show(Home(arguments.data_dir), arguments.tenant)


def _keys_revoke(arguments: argparse.Namespace) -> int:
    from triskel.local import keys  # noqa: PLC0415
    from triskel.local.home import Home  # noqa: PLC0415

    return keys.revoke(Home(arguments.data_dir), arguments.key_id)


def _scan(arguments: argparse.Namespace) -> int:
    from triskel.local.scanning import scan_lines  # noqa: PLC0415

    return scan_lines(sys.stdin.buffer, sys.stdout.buffer, arguments.surface)


if __name__ == "__main__":
    sys.exit(main())
