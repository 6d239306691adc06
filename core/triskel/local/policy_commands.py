"""`triskel policy …`: what can be typed. One rule: nothing is imported before a command needs it."""

import argparse
from collections.abc import Callable
from pathlib import Path

Homed = Callable[[argparse.ArgumentParser], None]


def add_policy_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", homed: Homed) -> None:
    """Add the commands. `homed` gives a parser `--data-dir`."""
    policy = commands.add_parser("policy", help="write, test, publish and explain policies")
    actions = policy.add_subparsers(metavar="COMMAND", required=True)

    validate = _foldered(actions.add_parser("validate", help="say everything that is wrong with a folder of policies"))
    validate.set_defaults(run=_validate)

    layout = _foldered(actions.add_parser("format", help="lay out the policies of a folder"), owned=False)
    layout.add_argument("--check", action="store_true", help="change nothing; status 1 where something would be changed")
    layout.set_defaults(run=_format)

    test = _foldered(actions.add_parser("test", help="try the golden cases beside the policies"))
    test.set_defaults(run=_test)

    publish = _foldered(actions.add_parser("publish", help="validate, test and make active"), required=True)
    publish.add_argument("--if-active", metavar="HASH", help="only where this bundle is the active one")
    homed(publish)
    publish.set_defaults(run=_publish)

    back = actions.add_parser("rollback", help="make an earlier bundle active again")
    _owned(back, required=True)
    back.add_argument("--to", metavar="HASH", help="this bundle instead of the one before")
    homed(back)
    back.set_defaults(run=_roll_back)

    history = actions.add_parser("list", help="which bundles were active, and which is")
    _owned(history)
    history.add_argument("--limit", type=int, default=20, help="so many, the newest first (default: %(default)s)")
    homed(history)
    history.set_defaults(run=_list)

    diff = actions.add_parser("diff", help="which requests two bundles decide differently, and by which policies")
    diff.add_argument("a", help="a folder, a bundle's hash, or `active`")
    diff.add_argument("b", help="the same")
    which = diff.add_mutually_exclusive_group(required=True)
    which.add_argument("--requests", type=Path, metavar="FILE", help="cases in YAML or JSON; what they expect is not looked at")
    which.add_argument("--audit", action="store_true", help="the calls that the audit has recorded")
    _owned(diff)
    _limited(diff)
    homed(diff)
    diff.set_defaults(run=_diff)

    simulate = _foldered(actions.add_parser("simulate", help="replay the audit against policies that are not published"))
    _limited(simulate)
    homed(simulate)
    simulate.set_defaults(run=_simulate)

    explain = actions.add_parser("explain", help="why a call was decided as it was")
    explain.add_argument("decision", help="the id of the decision: dec_…")
    explain.add_argument("--json", action="store_true", help="for programs")
    homed(explain)
    explain.set_defaults(run=_explain)


def _foldered(parser: argparse.ArgumentParser, *, owned: bool = True, required: bool = False) -> argparse.ArgumentParser:
    parser.add_argument("folder", type=Path, help="the folder: *.cedar, schema.cedarschema, tests/*.yaml")
    if owned:
        _owned(parser, required=required)
    return parser


def _owned(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    default = "" if required else " (default: %(default)s)"
    parser.add_argument(
        "--owner",
        required=required,
        default=None if required else "default",
        help=f"whose policies: `platform`, a tenant's id, or `default` for tenants without their own{default}",
    )


def _limited(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--limit", type=int, default=100_000, help="so many calls of each tenant, the newest (default: %(default)s)"
    )


def _validate(arguments: argparse.Namespace) -> int:
    from triskel.local.policy_authoring import validate  # noqa: PLC0415 - each command pays for its own imports

    return validate(arguments.folder, arguments.owner)


def _format(arguments: argparse.Namespace) -> int:
    from triskel.local.policy_authoring import lay_out  # noqa: PLC0415

    return lay_out(arguments.folder, check=arguments.check)


def _test(arguments: argparse.Namespace) -> int:
    from triskel.local.policy_authoring import test  # noqa: PLC0415

    return test(arguments.folder, arguments.owner)


def _publish(arguments: argparse.Namespace) -> int:
    from triskel.local.policy_store import publish  # noqa: PLC0415

    return publish(arguments.data_dir, arguments.folder, arguments.owner, arguments.if_active)


def _roll_back(arguments: argparse.Namespace) -> int:
    from triskel.local.policy_store import roll_back  # noqa: PLC0415

    return roll_back(arguments.data_dir, arguments.owner, arguments.to)


def _list(arguments: argparse.Namespace) -> int:
    from triskel.local.policy_store import show_history  # noqa: PLC0415

    return show_history(arguments.data_dir, arguments.owner, arguments.limit)


def _diff(arguments: argparse.Namespace) -> int:
    from triskel.local.policy_store import diff  # noqa: PLC0415

    requests = None if arguments.audit else arguments.requests
    return diff(arguments.data_dir, arguments.owner, (arguments.a, arguments.b), requests=requests, limit=arguments.limit)


def _simulate(arguments: argparse.Namespace) -> int:
    from triskel.local.policy_store import simulate  # noqa: PLC0415

    return simulate(arguments.data_dir, arguments.folder, arguments.owner, arguments.limit)


def _explain(arguments: argparse.Namespace) -> int:
    from triskel.local.policy_store import explain  # noqa: PLC0415

    return explain(arguments.data_dir, arguments.decision, as_json=arguments.json)
