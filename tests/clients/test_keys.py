"""API keys from the command line, while a gateway runs."""

import subprocess
from pathlib import Path

from tests.clients.conftest import Start
from tests.clients.simulated import Clouds
from tests.clients.triskel_process import TRISKEL, eventually


def keys(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One `triskel keys` command."""
    command = [TRISKEL, "keys", *arguments, "--data-dir", directory]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_key_is_made_listed_used_and_revoked(start: Start, clouds: Clouds) -> None:
    """A running gateway takes a new key at once and refuses a revoked one."""
    served = start()
    made = keys(served.directory, "create", "--tenant", "umbra", "--principal", "crawler", "--team", "research")
    assert made.returncode == 0, made.stderr
    served.key = made.stdout.strip()
    assert served.chat("hi").status == 200
    key_id = served.key.split("_")[1]
    listed = keys(served.directory, "list", "--tenant", "umbra").stdout
    assert key_id in listed
    assert "research" in listed
    assert served.key not in listed
    assert keys(served.directory, "revoke", key_id).returncode == 0
    assert "revoked" in keys(served.directory, "list", "--tenant", "umbra").stdout
    eventually(lambda: served.chat("hi").status == 401, "the revoked key to be refused")


def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path) -> None:
    """An unknown key, an empty name."""
    for arguments, words in (
        (("revoke", "nobody"), "no key `nobody`"),
        (("create", "--tenant", "", "--principal", "x"), "--tenant"),
    ):
        done = keys(tmp_path / "data", *arguments)
        assert done.returncode == 1
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
