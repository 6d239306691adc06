"""Starting, ending and starting again: what is kept, what is said when it cannot be, and that nothing stays behind."""

import json
import os
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.clients.conftest import Start
from tests.clients.simulated import Clouds
from tests.clients.triskel_process import Reply, Triskel, begin, eventually, run, serve

FAULTY = {
    "v": 1,
    "htpp": {},
    "http": {"port": 99_999, "max_body_bytes": 1},
    "credentials": {"k": {"secret": "the-secret-itself"}},
    "timeouts": {"whole_ms": "soon"},
    "deployments": [
        {
            "name": "a b",
            "model": "m",
            "provider": "p",
            "base_url": "ftp://x",
            "price": {"input": -1, "output": 1},
            "context_window": 0,
            "max_output": 100,
            "tools": True,
        }
    ],
}
FAULTS = {
    "htpp",
    "http.port",
    "http.max_body_bytes",
    "credentials.k.secret",
    "timeouts.whole_ms",
    "deployments.0.name",
    "deployments.0.base_url",
    "deployments.0.price.input",
    "deployments.0.context_window",
    "deployments.0.tools",
}


def complaint(ended: subprocess.CompletedProcess[str]) -> str:
    """The one line of a command that could not, which ends with status 1 and says nothing else but its progress."""
    assert ended.returncode == 1, ended
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    (line,) = [line for line in ended.stderr.splitlines() if not line.startswith("· ")]
    assert line.startswith("triskel: ")
    return line


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good configuration, `good.yaml`, of a deployment that nobody serves."""
    folder = tmp_path_factory.mktemp("base")
    deployment = {"name": "d", "model": "m", "provider": "p", "base_url": "http://127.0.0.1:9/v1"}
    numbers = {"price": {"input": 1, "output": 1}, "context_window": 1_000, "max_output": 100}
    (folder / "good.yaml").write_text(yaml.safe_dump({"deployments": [{**deployment, **numbers}]}))
    return folder


def test_a_second_start_finds_everything_again(tmp_path: Path) -> None:
    """`triskel up` twice: the same API key, policies and audit, whose chain goes on; files are their owner's alone."""
    directory = tmp_path / "data"
    with Triskel("up", directory, "--pace", "0") as first:
        key, before = first.key, first.chat("hi").headers["x-triskel-audit"]
        bundle = first.record(before)["decision"]["bundle_hash"]
    for path in (directory, *directory.rglob("*")):
        assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO), path
    with Triskel("up", directory, "--pace", "0") as second:
        assert second.key == key
        assert second.address in second.said
        assert (directory / "demo-key").read_text().strip() == key
        after = second.chat("hi").headers["x-triskel-audit"]
        records = second.audit()["data"]
        assert [record["id"] for record in records] == [after, before]
        assert {record["decision"]["bundle_hash"] for record in records} == {bundle}
        assert [record["chain"]["seq"] for record in records] == [2, 1]
        assert records[0]["chain"]["prev_hash"] == records[1]["chain"]["hash"]
        assert second.verify() == {**second.verify(), "valid": True, "entries": 2, "open_calls": 0, "abandoned_calls": 0}
    verified = run(["audit", "verify", "--data-dir", directory], tmp_path)
    assert (verified.returncode, verified.stdout.startswith("valid: 2 entries")) == (0, True)


def test_three_clouds_answer_behind_up(tmp_path: Path) -> None:
    """`triskel up` serves models of three clouds, ready from its greeting on, and nothing else listens on its port."""
    with Triskel("up", tmp_path / "data", "--pace", "0") as served:
        assert served.ask("GET", "/ready").status == 200
        assert served.ask("GET", "/health").json == {"status": "healthy", "version": served.ask("GET", "/health").json["version"]}
        routes = {served.chat("hi", model=name).headers["x-triskel-route"] for name in ("aws-small", "azure-small", "gcp-small")}
        assert routes == {"aws/simulated/aws-small", "azure/simulated/azure-small", "gcp/simulated/gcp-small"}


@pytest.mark.parametrize("command", ["up", "serve"])
def test_a_port_in_use(base: Path, tmp_path: Path, command: str) -> None:
    """One line that names the address and the way out; status 1; at once."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        config = ("--config", "good.yaml") if command == "serve" else ()
        line = complaint(run([command, *config, "--port", port, "--data-dir", tmp_path / "data"], base))
    assert f"127.0.0.1:{port}" in line
    assert "--port" in line


@pytest.mark.parametrize(
    ("command", "where"), [("up", "{file}"), ("serve", "{file}/below"), ("up", "/proc/triskel"), ("serve", "/dev/null")]
)
def test_a_data_directory_that_cannot_be_written(base: Path, tmp_path: Path, command: str, where: str) -> None:
    """One line that names the directory and the way out; status 1."""
    (tmp_path / "file").write_text("")
    directory = where.format(file=tmp_path / "file")
    config = ("--config", "good.yaml") if command == "serve" else ()
    line = complaint(run([command, *config, "--port", "0", "--data-dir", directory], base))
    assert f"`{directory}`" in line
    assert "--data-dir" in line


@pytest.mark.parametrize("command", [["up", "--config"], ["serve", "--config"], ["config", "check"]])
def test_a_configuration_with_faults(tmp_path: Path, command: list[str]) -> None:
    """Every fault is named with its field, none with its value, and nothing is started."""
    (tmp_path / "faulty.yaml").write_text(yaml.safe_dump(FAULTY))
    ended = run([*command, "faulty.yaml"], tmp_path)
    head, *faults = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout, head) == (1, "", "triskel: faulty.yaml: 10 faults")
    assert {fault.strip().partition(": ")[0] for fault in faults} == FAULTS
    assert "the-secret-itself" not in ended.stderr
    assert not (tmp_path / ".triskel").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1\n", "triskel.yaml:2:"),
        ("- 1\n", "mapping"),
        ("a: &x 1\nb: *x\n", "aliases are not allowed"),
        ("v: 1\n---\nv: 1\n", "triskel.yaml:2:"),
        ("v: 2\n", "v: input should be 1"),
        ("!!python/object/apply:os.system ['id']\n", "triskel.yaml:1:"),
        ("\0", "triskel.yaml"),
        ("{" * 30, "nested"),
        ("deployments: [{}]\n", "deployments.0.name"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_document_that_is_none(tmp_path: Path, text: str | bytes, said: str) -> None:
    """What is wrong is said in a few lines that name the file and, where there is one, the place."""
    (tmp_path / "triskel.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    ended = run(["config", "check"], tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("triskel: ")
    assert "triskel.yaml:" in ended.stderr
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_nothing_to_serve(base: Path, tmp_path: Path) -> None:
    """`serve` without deployments, and a file that is not there, are one line each."""
    (tmp_path / "empty.yaml").write_text("v: 1\n")
    assert "no deployments" in complaint(run(["serve", "--config", "empty.yaml"], tmp_path))
    assert "missing.yaml" in complaint(run(["serve", "--config", "missing.yaml"], tmp_path))
    assert "--port" in complaint(run(["serve", "--config", "good.yaml", "--port", "70000"], base))
    assert "--pace" in complaint(run(["up", "--pace", "-1"], tmp_path))
    assert "no store" in complaint(run(["audit", "verify", "--data-dir", "nowhere"], tmp_path))


def test_a_good_configuration_is_said_to_be_good(base: Path) -> None:
    """`triskel config check` ends with status 0 and says how much it found."""
    ended = run(["config", "check", "good.yaml"], base)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "good.yaml: no fault found; 1 deployment\n", "")


@pytest.mark.parametrize("arguments", [[], ["up", "--help"], ["serve", "--help"], ["audit", "verify", "--help"], ["--version"]])
def test_help(base: Path, arguments: list[str]) -> None:
    """Every command explains itself; no command at all is status 2 with the usage."""
    ended = run(arguments, base)
    assert ended.returncode == (0 if arguments else 2)
    assert "triskel" in ended.stdout + ended.stderr


def test_a_second_process_on_the_same_data(start: Start, clouds: Clouds, base: Path) -> None:
    """One line that says who has it, status 1, and the first goes on undisturbed."""
    served = start()
    for command in (["serve", "--config", base / "good.yaml"], ["up", "--pace", "0"]):
        line = complaint(run([*command, "--port", "0", "--data-dir", served.directory], base))
        assert "in use by another process" in line
    assert served.chat("hi").status == 200
    assert served.verify()["valid"] is True
    assert run(["audit", "verify", "--data-dir", served.directory], base).returncode == 0


def children_of(pid: int) -> list[int]:
    """The processes that a process has started, those of its threads included."""
    lists = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for one in lists for child in one]


def is_alive(pid: int) -> bool:
    """Whether a process runs (and is not merely waiting for its parent to notice its end)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("later_s", [0.0, 0.3])
def test_an_interrupt_during_the_start(tmp_path: Path, require: Callable[[bool, str], None], later_s: float) -> None:
    """A Ctrl-C while the clouds start ends everything at once, with status 0, in silence, and leaves no cloud behind."""
    require(Path("/proc/self/task").exists(), "/proc")
    log = tmp_path / "log"
    process = begin("up", tmp_path / "data", "--pace", "0", log=log)
    with process:
        eventually(lambda: "starting three simulated clouds" in log.read_text(), "the start to begin")
        time.sleep(later_s)
        started = children_of(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(10) == 0
        assert "Traceback" not in log.read_text()
        eventually(lambda: not any(map(is_alive, started)), "the clouds to end")
    with Triskel("up", tmp_path / "data", "--pace", "0") as again:
        assert again.chat("hi").status == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_while_idle(tmp_path: Path, require: Callable[[bool, str], None], number: signal.Signals) -> None:
    """Ctrl-C at a terminal and a container's SIGTERM both end it within a second or two, with status 0, clouds and all."""
    require(Path("/proc/self/task").exists(), "/proc")
    served = Triskel("up", tmp_path / "data", "--pace", "0")
    clouds = children_of(served.pid)
    assert len(clouds) == 3
    served.chat("hi")
    began_s = time.monotonic()
    os.killpg(served.pid, number)
    assert served.ended() == 0
    assert time.monotonic() - began_s < 4
    assert "Traceback" not in served.log
    eventually(lambda: not any(map(is_alive, clouds)), "the clouds to end")
    assert run(["audit", "verify", "--data-dir", served.directory], tmp_path).stdout.startswith("valid: 1 entries")


def test_clouds_do_not_outlive_a_crash(tmp_path: Path, require: Callable[[bool, str], None]) -> None:
    """After SIGKILL of their owner the simulated clouds end by themselves."""
    require(Path("/proc/self/task").exists(), "/proc")
    served = Triskel("up", tmp_path / "data", "--pace", "0")
    clouds = children_of(served.pid)
    assert len(clouds) == 3
    served.kill()
    eventually(lambda: not any(map(is_alive, clouds)), "the clouds to end")


@contextmanager
def asking(served: Triskel, text: str, **more: Any) -> Iterator[list[Reply]]:
    """A call in another thread; what it was answered is in the list once the context has ended."""
    replies: list[Reply] = []
    thread = threading.Thread(target=lambda: replies.append(served.chat(text, **more)))
    thread.start()
    try:
        yield replies
    finally:
        thread.join(20)


def test_an_interrupt_lets_a_stream_come_to_its_end(start: Start, clouds: Clouds, tmp_path: Path) -> None:
    """A stream that takes half a second more is finished before the process ends, and recorded as such."""
    served = start()
    with asking(served, "hi", model="bench", stream=True) as replies:
        clouds.wait_for("in_flight")
        served.stop()
    (reply,) = replies
    assert reply.body.endswith(b"data: [DONE]\n\n")
    verified = run(["audit", "verify", "--data-dir", served.directory], tmp_path)
    assert (verified.returncode, verified.stdout) == (0, "valid: 1 entries, 2 signed heads, 0 open and 0 abandoned calls\n")


def test_an_interrupt_ends_a_stream_that_does_not_end(start: Start, clouds: Clouds, tmp_path: Path) -> None:
    """What is still under way after the grace is cut off: the provider is told, the record is closed, the status is 0."""
    served = start(timeouts={"stall_ms": 60_000, "first_frame_ms": 60_000, "whole_ms": 60_000})
    clouds.order({"kind": "stall", "after_frames": 5})
    with asking(served, "hi", model="bench", stream=True) as replies:
        clouds.wait_for("in_flight")
        time.sleep(0.3)
        began_s = time.monotonic()
        served.stop()
        assert 3 < time.monotonic() - began_s < 10
    assert b"the server is ending" in replies[0].body
    clouds.wait_for("cancelled")
    verified = run(["audit", "verify", "--data-dir", served.directory], tmp_path)
    assert verified.returncode == 0
    assert ", 0 open and 0 abandoned calls" in verified.stdout
    with serve(served.directory, clouds.configuration()) as again:
        again.key = served.key
        assert again.audit(limit=1)["data"][0]["outcome"] == "cancelled"


def test_a_second_interrupt_ends_at_once(start: Start, clouds: Clouds, tmp_path: Path) -> None:
    """Who presses Ctrl-C twice does not wait for calls under way; they are told, and their end is on record."""
    served = start(timeouts={"whole_ms": 60_000})
    clouds.order({"kind": "hang"})
    with asking(served, "hi") as replies:
        clouds.wait_for("in_flight")
        served.interrupt()
        time.sleep(0.3)
        began_s = time.monotonic()
        served.stop()
        assert time.monotonic() - began_s < 3
    assert (replies[0].status, replies[0].code) == (503, "unavailable")
    clouds.wait_for("cancelled")
    verified = run(["audit", "verify", "--data-dir", served.directory], tmp_path)
    assert ", 0 open and 0 abandoned calls" in verified.stdout


def test_logs_are_lines_of_json(gateway: Triskel) -> None:
    """Everything on standard error is a JSON object with a level, a logger and a message."""
    gateway.chat("hi")
    lines = [json.loads(line) for line in gateway.log.splitlines()]
    assert lines
    assert all({"level", "logger", "message"} <= set(line) for line in lines)
