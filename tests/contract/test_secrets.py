"""Secrets in files and in variables against the suite of every place that keeps secrets, and what is each one's own."""

import os
from pathlib import Path

import pytest

from triskel.adapters.env_secrets import EnvSecrets
from triskel.adapters.file_secrets import FileSecrets
from triskel.errors import ConfigurationInvalid
from triskel.testing.contracts.secrets import KNOWN, SecretsContract


def put(directory: Path, name: str, data: bytes, mode: int = 0o600) -> None:
    """A file of that mode, whatever the umask."""
    path = directory / name
    path.write_bytes(data)
    path.chmod(mode)


class TestFileSecrets(SecretsContract):
    """A directory."""

    @pytest.fixture
    def secrets(self, tmp_path: Path) -> FileSecrets:
        for name, value in KNOWN.items():
            put(tmp_path, name, value.encode())
        return FileSecrets(tmp_path)

    @pytest.mark.parametrize(
        ("data", "value"),
        [
            (b"abc\n", "abc"),
            (b"abc\r\n", "abc"),
            (b"abc\n\n", "abc\n"),
            (b" abc ", " abc "),
            (b"a\nb\n", "a\nb"),
            (b"a\r", "a\r"),
        ],
    )
    async def test_one_newline_at_the_end_is_not_part_of_it(
        self, secrets: FileSecrets, tmp_path: Path, data: bytes, value: str
    ) -> None:
        """Editors add one; everything else is the secret's own."""
        put(tmp_path, "new", data)
        assert await secrets.secret("new") == value

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
    async def test_a_file_that_others_may_use_is_refused(self, secrets: FileSecrets, tmp_path: Path, mode: int) -> None:
        """The message says how to mend it; where a platform mounts files so, the check is off."""
        put(tmp_path, "open", b"abc", mode)
        with pytest.raises(ConfigurationInvalid, match=r"`open` is open to others .*0600"):
            await secrets.secret("open")
        assert await FileSecrets(tmp_path, private=False).secret("open") == "abc"

    async def test_a_link_within_the_directory_is_followed(self, secrets: FileSecrets, tmp_path: Path) -> None:
        """As platforms mount them: a name that links to a versioned file."""
        (tmp_path / "..v1").mkdir()
        put(tmp_path / "..v1", "linked", b"abc")
        (tmp_path / "linked").symlink_to(Path("..v1") / "linked")
        assert await secrets.secret("linked") == "abc"

    async def test_a_link_out_of_the_directory_is_refused(
        self, secrets: FileSecrets, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Whatever it leads to."""
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        put(elsewhere, "stolen", b"abc")
        (Path(secrets._directory) / "stolen").symlink_to(elsewhere / "stolen")
        with pytest.raises(ConfigurationInvalid, match="leads out"):
            await secrets.secret("stolen")

    async def test_what_is_no_secret_is_refused(self, secrets: FileSecrets, tmp_path: Path) -> None:
        """A directory, a pipe (without waiting for it), an empty, a huge and an unreadable text, each with its name."""
        (tmp_path / "directory").mkdir()
        os.mkfifo(tmp_path / "pipe", 0o600)
        put(tmp_path, "empty", b"\n")
        put(tmp_path, "huge", b"x" * 65_537)
        put(tmp_path, "binary", b"sk-\xff\xfe")
        for name in ("directory", "pipe", "empty", "huge", "binary"):
            with pytest.raises(ConfigurationInvalid, match=f"`{name}`") as caught:
                await secrets.secret(name)
            assert caught.value.__cause__ is None
            assert "sk-" not in caught.value.message

    async def test_a_changed_secret_is_read_anew(self, secrets: FileSecrets, tmp_path: Path) -> None:
        """Rotation needs no restart of this place."""
        put(tmp_path, "openai-key", b"second")
        assert await secrets.secret("openai-key") == "second"


class TestEnvSecrets(SecretsContract):
    """Variables."""

    @pytest.fixture
    def secrets(self) -> EnvSecrets:
        names = {name: name.upper().replace("-", "_").replace(".", "_") for name in KNOWN}
        return EnvSecrets({"HOME": "/home/ann"} | {f"TRISKEL_SECRET_{names[name]}": value for name, value in KNOWN.items()})

    async def test_only_variables_with_the_prefix_are_secrets(self) -> None:
        """Whatever else stands in the environment."""
        secrets = EnvSecrets({"HOME": "/home/ann", "TRISKEL_SECRETHOME": "no", "TRISKEL_SECRET_EMPTY": ""})
        for name in ("HOME", "empty", "SECRETHOME"):
            with pytest.raises(ConfigurationInvalid):
                await secrets.secret(name)

    async def test_the_message_says_which_variable_to_set(self) -> None:
        """In its exact spelling."""
        with pytest.raises(ConfigurationInvalid, match="`TRISKEL_SECRET_MY_KEY_2`"):
            await EnvSecrets({}).secret("my-key.2")
