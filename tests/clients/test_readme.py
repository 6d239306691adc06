"""What the README shows works when it is pasted."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.clients.triskel_process import Triskel

from triskel.local.documents import parse_config

README = (Path(__file__).parents[2] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    with Triskel("up", tmp_path_factory.mktemp("readme") / ".triskel", "--port", "0", "--pace", "0") as triskel:
        yield triskel


def here(snippet: str, up: Triskel) -> str:
    return snippet.replace("http://127.0.0.1:8080", up.address)


def test_the_exchange_is_a_real_one(up):
    """The curl of the first screen answers as it is shown: the headers, and the number redacted."""
    [console] = blocks("console")
    command = console.split("\nHTTP/1.1")[0].removeprefix("$ ")
    done = subprocess.run(["sh", "-c", here(command, up)], cwd=up.directory.parent, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("HTTP/1.1 200 OK")
    for header in re.findall(r"^(x-triskel-[a-z-]+):", console, re.MULTILINE):
        assert f"\n{header}: " in done.stdout
    assert "my SSN is [REDACTED:us_ssn]" in done.stdout
    assert "536-90-4399" not in done.stdout


def test_the_sdk_snippets_run(up):
    for snippet in blocks("python"):
        done = subprocess.run(
            [sys.executable, "-c", here(snippet, up)], cwd=up.directory.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()


def test_what_up_prints_works_when_it_is_pasted(up):
    """Both the curl and the SDK snippet of the greeting."""
    curl = re.search(r"^  curl .*?}'$", up.said, re.MULTILINE | re.DOTALL).group()
    answered = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, check=True).stdout
    assert '"object":"chat.completion"' in answered
    program = "\n".join(
        line[2:] for line in up.said.splitlines() if line.startswith(("  from openai", "  client =", "  reply =", "  print("))
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Who answers me?" in done.stdout


def test_the_configuration_is_valid():
    for snippet in blocks("yaml"):
        assert parse_config(snippet, "README.md").deployments


def test_the_requests_named_exist(up):
    """Every method and path of the table is answered by something other than 404."""
    for method, path in re.findall(r"`(GET|POST) (/v1[a-z/_]*)", README):
        assert up.ask(method, path, {} if method == "POST" else None).status not in (404, 405), path


def test_the_commands_named_exist():
    for command in set(re.findall(r"`(triskel [a-z]+(?: [a-z]+)?)`", README)):
        done = subprocess.run(
            [Path(sys.executable).with_name("triskel"), *shlex.split(command)[1:], "--help"], capture_output=True, check=False
        )
        assert done.returncode == 0, command
