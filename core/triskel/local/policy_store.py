"""`triskel policy publish`, `rollback`, `list`, `diff`, `simulate` and `explain`: by who may touch the data directory.

One rule: whoever holds the store may publish for any owner; over HTTP a tenant may do so for itself alone.
"""

import asyncio
import json
import os
import pwd
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from triskel.adapters.sqlite_store import SqliteStore
from triskel.adapters.system_clock import SystemClock
from triskel.control.publishing import ACTIVE, Published, Publisher
from triskel.control.records import calls_of, explain_decision, recorded, tenants_of
from triskel.control.records import simulate as simulated
from triskel.errors import ConfigurationInvalid, NotFound
from triskel.local.home import Home
from triskel.local.policy_authoring import compiled, detectors, report, tried
from triskel.local.policy_files import read_text
from triskel.local.policy_texts import changes_text, explanation_text, summary_text
from triskel.policy.bundle import Bundle, bundle_hash, load_bundle
from triskel.policy.cedar.source import Source
from triskel.policy.packs import load_pack
from triskel.policy.publishing.cases import read_cases
from triskel.policy.publishing.comparison import Change, changed_cases
from triskel.policy.publishing.draft import BY_OPERATOR
from triskel.policy.publishing.owners import PLATFORM, TENANT_DEFAULT, check_owner, may_own
from triskel.policy.publishing.replay import verdict_under
from triskel.policy.verdict import Layers
from triskel.ports.store import Store

MOST_CHANGES = 100
"""So many changed calls of the audit are shown one by one."""


def publish(data_dir: Path, folder: Path, owner: str, if_active: str | None) -> int:
    """Validate, test and activate. Returns 1 where a golden case fails; raises ConfigurationInvalid, Conflict, NotFound."""
    draft, bundle = compiled(folder, owner)

    async def work(store: Store, publisher: Publisher) -> int:
        layers = _with(owner, bundle, await _other(publisher, owner))
        if report(tried(folder, draft, owner, layers)):
            print("nothing was published")
            return 1
        if may_own(owner) and await store.tenant(owner) is None:
            print(f"note: the store knows no tenant `{owner}` (yet)")
        _say(await publisher.publish(owner, bundle.document, by=_operator(), if_active=if_active))
        return 0

    return _in_store(data_dir, work)


def roll_back(data_dir: Path, owner: str, to: str | None) -> int:
    """Activate an earlier bundle. Raises NotFound where there is none, Conflict where somebody publishes meanwhile."""

    async def work(_: Store, publisher: Publisher) -> int:
        _say(await publisher.roll_back(owner, to, by=_operator()))
        return 0

    return _in_store(data_dir, work)


def show_history(data_dir: Path, owner: str, limit: int) -> int:
    """Print activations, the newest first: which bundle, when, and by whom."""
    check_owner(owner)

    async def work(_: Store, publisher: Publisher) -> int:
        history = await publisher.history(owner, max(limit, 1))
        for activation in history:
            moment = datetime.fromtimestamp(activation.at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            print(f"{'*' if activation.active else ' '} {activation.bundle_hash}  {moment}  {activation.by or 'unknown'}")
        if not history:
            print(f"`{owner}` has published no policies" + ("; those of `default` apply" if may_own(owner) else ""))
        return 0

    return _in_store(data_dir, work)


def diff(data_dir: Path, owner: str, folders_or_hashes: tuple[str, str], *, requests: Path | None, limit: int) -> int:
    """Print the requests on which two bundles differ: of a file, or those on record. Folders alone need no store."""
    check_owner(owner)
    a, b = folders_or_hashes
    if requests is not None and Path(a).is_dir() and Path(b).is_dir() and not Home(data_dir).database.exists():
        other = load_pack(_other_owner(owner))
        before, after = (_with(owner, compiled(Path(folder), owner)[1], other) for folder in (a, b))
        return _differing(requests, before, after)

    async def work(store: Store, publisher: Publisher) -> int:
        other = await _other(publisher, owner)
        before = _with(owner, await _bundle(publisher, owner, a), other)
        after = _with(owner, await _bundle(publisher, owner, b), other)
        if requests is not None:
            return _differing(requests, before, after)
        total, changes = await _changed_calls(store, owner, before, after, limit)
        print(changes_text(total, changes[:MOST_CHANGES], len(changes)))
        return 0

    return _in_store(data_dir, work)


def _differing(requests: Path, before: Layers, after: Layers) -> int:
    cases = read_cases([Source(str(requests), read_text(requests))], most=BY_OPERATOR.cases, expecting=False)
    changes = changed_cases(cases, before, after, detectors().scan)
    print(changes_text(len(cases), changes, len(changes)))
    return 0


def simulate(data_dir: Path, folder: Path, owner: str, limit: int) -> int:
    """Print what the folder's policies would have changed about recorded calls."""
    _, candidate = compiled(folder, owner)

    async def work(store: Store, publisher: Publisher) -> int:
        print(summary_text((await simulated(store, owner, candidate, await _other(publisher, owner), limit)).view()))
        return 0

    return _in_store(data_dir, work)


def explain(data_dir: Path, decision_id: str, *, as_json: bool) -> int:
    """Print why. Raises NotFound."""

    async def work(store: Store, publisher: Publisher) -> int:
        found = await explain_decision(store, publisher, decision_id, None)
        print(json.dumps(found, indent=2, ensure_ascii=False) if as_json else explanation_text(found))
        return 0

    return _in_store(data_dir, work)


def _in_store(data_dir: Path, work: Callable[[Store, Publisher], Coroutine[Any, Any, int]]) -> int:
    """The status of some work on the store of a data directory. Raises NotFound where there is none."""
    home = Home(data_dir)
    if not home.database.exists():
        raise NotFound(f"there is no store in `{home.directory}`; name the data directory with --data-dir")

    async def opened() -> int:
        store = SqliteStore.open(home.database)
        try:
            return await work(store, Publisher(store, SystemClock()))
        finally:
            await store.aclose()

    return asyncio.run(opened())


def _operator() -> str:
    """Who runs this process: by the machine's account, since the environment may say anything."""
    user_id = os.getuid()
    try:
        return f"operator:{pwd.getpwuid(user_id).pw_name}"
    except KeyError:  # as in a container, where an account may have no name
        return f"operator:{user_id}"


def _other_owner(owner: str) -> str:
    """Whose policies are evaluated beside an owner's."""
    return TENANT_DEFAULT if owner == PLATFORM else PLATFORM


async def _other(publisher: Publisher, owner: str) -> Bundle:
    """The active bundle that is evaluated beside an owner's."""
    return await _active(publisher, _other_owner(owner))


async def _active(publisher: Publisher, owner: str) -> Bundle:
    """The active bundle of the platform or the default one; the one that ships where none is."""
    try:
        document = await publisher.document(owner, ACTIVE)
    except NotFound:
        return load_pack(owner)
    return load_bundle(document, bundle_hash(document))


def _with(owner: str, bundle: Bundle, other: Bundle) -> Layers:
    """An owner's bundle and the one beside it, each in its layer."""
    return Layers(bundle, other) if owner == PLATFORM else Layers(other, bundle)


async def _bundle(publisher: Publisher, owner: str, reference: str) -> Bundle:
    """A folder's bundle, or one that was published. Raises ConfigurationInvalid, NotFound or InvalidRequest."""
    folder = Path(reference)
    if folder.is_dir():  # noqa: ASYNC240 - a command waits for its disk, and nobody else waits meanwhile
        return compiled(folder, owner)[1]
    if reference == ACTIVE and not await publisher.history(owner, 1):
        return await _active(publisher, TENANT_DEFAULT if may_own(owner) else owner)
    try:
        document = await publisher.document(owner, reference)
    except NotFound as error:
        raise ConfigurationInvalid(f"`{reference}` is no folder, and {error.message}") from None
    return load_bundle(document, bundle_hash(document))


async def _changed_calls(store: Store, owner: str, before: Layers, after: Layers, limit: int) -> tuple[int, list[Change]]:
    """How many recorded calls there are, and those that the bundles decide differently; of each, the final decision's id."""
    total, changes = 0, []
    for tenant_id in await tenants_of(store, owner):
        async for page in calls_of(store, tenant_id, limit):
            for call in map(recorded, page):
                total += 1
                old, old_ids = verdict_under(before, call)
                new, new_ids = verdict_under(after, call)
                if old is not None and new is not None and old is not new:
                    changes.append(
                        Change(
                            name=(call.output or call.input).decision_id,
                            before=old,
                            after=new,
                            only_before=tuple(sorted(old_ids - new_ids)),
                            only_after=tuple(sorted(new_ids - old_ids)),
                        )
                    )
    return total, changes


def _say(published: Published) -> None:
    if published.before == published.after:
        print(f"{published.owner}: {published.after} is active already; nothing was changed")
        return
    print(f"{published.owner}: {published.before or 'none'} was active")
    print(f"{published.owner}: {published.after} is active")
