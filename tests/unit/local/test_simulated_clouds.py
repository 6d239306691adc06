"""Simulated clouds as processes: start, end, and death."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from triskel.errors import Unavailable
from triskel.local.clouds import SimulatedClouds
from triskel.model.route import Cloud, Deployment
from triskel.model.usage import Price

COMMAND = [sys.executable, "-P", "-m", "triskel.local.simulator", "--pace", "0"]


async def asked(port: int, key: str, path: str = "/v1/models") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n".encode())
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


async def closed(port: int) -> bool:
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return True
        writer.close()
        await asyncio.sleep(0.02)
    return False


async def test_three_clouds_start_answer_and_stop() -> None:
    """Each has its own process, port and key, and none is left afterwards."""
    async with SimulatedClouds(pace=0) as clouds:
        running = list(clouds.running.values())
        assert [cloud.name for cloud in running] == ["aws", "azure", "gcp"]
        assert len({cloud.key for cloud in running}) == len({cloud.port for cloud in running}) == 3
        for cloud in running:
            assert (await asked(cloud.port, cloud.key)).startswith(b"HTTP/1.1 200 ")
            assert clouds.keys[cloud.credential] == cloud.key
            assert cloud.key not in repr(cloud)
        assert (await asked(running[0].port, running[1].key)).startswith(b"HTTP/1.1 401 ")
        assert clouds.dead() == {}
    for cloud in running:
        assert await closed(cloud.port)
        with pytest.raises(ProcessLookupError):
            os.kill(cloud.pid, 0)
    await clouds.stop()


async def test_the_catalog_has_the_fields_of_a_deployment() -> None:
    """Each entry makes a Deployment, once its price is in micro-dollars; benchmarks are offered to who asks."""
    async with SimulatedClouds(clouds=["aws"], pace=0.5) as clouds:
        entries = clouds.catalog()
        assert [entry["name"] for entry in entries] == ["aws-small", "aws-large"]
        assert [entry["name"] for entry in clouds.catalog(benchmarks=True)][2:] == ["bench-50x10"]
        small = deployed(entries[0])
        assert small.route == "aws/simulated/aws-small"
        assert small.first_token_ms == 90
        assert small.base_url == f"http://127.0.0.1:{clouds.running['aws'].port}/v1"
        assert small.price == Price(input=150_000, output=600_000, cached_input=75_000)  # type: ignore[arg-type]


def deployed(entry: dict[str, Any]) -> Deployment:
    price = Price(**{bucket: round(dollars * 1_000_000) for bucket, dollars in entry["price"].items()})  # type: ignore[arg-type]
    return Deployment(
        **{**entry, "price": price, "cloud": Cloud(entry["cloud"]), "capabilities": frozenset(entry["capabilities"])}
    )


async def test_a_cloud_that_dies_is_noticed_and_can_be_restarted() -> None:
    """Its name and status are told, and it comes back with the same port and key."""
    async with SimulatedClouds(clouds=["aws", "gcp"], pace=0) as clouds:
        before = clouds.running["gcp"]
        os.kill(before.pid, signal.SIGKILL)
        assert await asyncio.wait_for(clouds.first_death(), 5) == "gcp"
        assert clouds.dead() == {"gcp": -signal.SIGKILL}
        await clouds.restart("gcp")
        after = clouds.running["gcp"]
        assert (after.port, after.key) == (before.port, before.key)
        assert after.pid != before.pid
        assert clouds.dead() == {}
        assert (await asked(after.port, after.key)).startswith(b"HTTP/1.1 200 ")


async def test_a_start_that_fails_says_so_and_leaves_none_running(capfd: pytest.CaptureFixture[str]) -> None:
    """One cloud that cannot start ends the others."""
    clouds = SimulatedClouds(clouds=["aws", "mars"], pace=0)
    with pytest.raises(Unavailable, match="`mars` could not start"):
        await clouds.start()
    assert clouds.running == {}
    assert "there is no cloud `mars`" in capfd.readouterr().err


async def test_a_port_in_use_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    """A second simulator on the same port does not start, and says why."""
    async with SimulatedClouds(clouds=["aws"], pace=0) as clouds:
        port = clouds.running["aws"].port
        with pytest.raises(Unavailable):
            await SimulatedClouds(clouds=["aws"], pace=0, ports={"aws": port}).start()
    complaint = capfd.readouterr().err.strip()
    assert "cannot start" in complaint
    assert "\n" not in complaint


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly(number: int) -> None:
    """By hand: it says where it is and its key, and ends with status 0 and without a word."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--cloud", "azure", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 10))
    assert (await asked(ready["port"], ready["key"])).startswith(b"HTTP/1.1 200 ")
    process.send_signal(number)
    assert await asyncio.wait_for(process.communicate(), 5) == (b"", b"")
    assert process.returncode == 0


async def test_a_call_under_way_is_finished_before_the_end() -> None:
    """The order to end lets a stream of half a second come to its end."""
    async with SimulatedClouds(clouds=["aws"], pace=0) as clouds:
        cloud = clouds.running["aws"]
        reader, writer = await asyncio.open_connection("127.0.0.1", cloud.port)
        body = b'{"model":"bench-50x10","stream":true,"messages":[{"role":"user","content":"hi"}]}'
        head = f"POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer {cloud.key}\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await reader.readuntil(b"data: ")
        os.kill(cloud.pid, signal.SIGTERM)
        assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        writer.close()


async def test_it_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    """Killing the owner, which can then clean up nothing, ends the simulators too."""
    program = tmp_path / "owner.py"
    program.write_text(
        "import asyncio\n"
        "from triskel.local.clouds import SimulatedClouds\n"
        "async def main():\n"
        "    async with SimulatedClouds(clouds=['aws'], pace=0) as clouds:\n"
        "        print(clouds.running['aws'].port, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    owner = await asyncio.create_subprocess_exec(sys.executable, str(program), stdout=subprocess.PIPE)
    assert owner.stdout is not None
    port = int(await asyncio.wait_for(owner.stdout.readline(), 20))
    assert (await asked(port, "wrong")).startswith(b"HTTP/1.1 401 ")
    owner.kill()
    await owner.wait()
    assert await closed(port)


@pytest.mark.parametrize("options", [["--cloud", "aws", "--data", "/nowhere"], ["--cloud", "aws", "--pace", "-1"], []])
def test_a_wrong_command_ends_with_status_2(options: list[str]) -> None:
    """And with a reason, not a traceback."""
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr
