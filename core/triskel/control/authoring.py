"""Checks uploaded policies beside the calls. One rule: no upload can stop a call, whatever it takes to read it.

The reference implementation of Cedar keeps the interpreter to itself while it works, for seconds where a text is large, and
a text that is made for it may bring it down. So it runs in a process of its own, one at a time and for a limited time.
"""

import asyncio
import json
import sys
from typing import Any

from triskel.errors import ConfigurationInvalid, Unavailable
from triskel.policy.publishing.draft import Draft

LIMIT_S = 20.0
"""How long a check may take."""

MAX_WAITING = 8
"""So many uploads wait for their turn; the next one is sent away."""


class Authoring:
    """What needs `cedarpy`, for whoever cannot wait for it."""

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._one = asyncio.Lock()
        self._waiting = 0

    async def compiled(self, draft: Draft, owner: str) -> bytes:
        """The draft's document. Raises ConfigurationInvalid with every fault, or Unavailable."""
        document: str = (await self._done("compile", draft, owner))["document"]
        return document.encode()

    async def formatted(self, draft: Draft) -> dict[str, str]:
        """The draft's policies, laid out, by file. Raises ConfigurationInvalid with every fault, or Unavailable."""
        files: dict[str, str] = (await self._done("format", draft, ""))["files"]
        return files

    async def _done(self, task: str, draft: Draft, owner: str) -> Any:
        if self._waiting >= MAX_WAITING:
            raise Unavailable("too many policies are being checked", retry_after_ms=5_000)
        files = {source.name: source.text for source in (*draft.sources, draft.schema)}
        question = json.dumps({"task": task, "owner": owner, "files": files}).encode()
        self._waiting += 1
        try:
            async with self._one:
                answer = await self._asked(question)
        finally:
            self._waiting -= 1
        if "message" in answer:
            raise ConfigurationInvalid(answer["message"], faults=tuple(answer["faults"]))
        return answer

    async def _asked(self, question: bytes) -> Any:
        process = await asyncio.create_subprocess_exec(
            # -P: the folder that we happen to stand in has no say in what is imported.
            *(sys.executable, "-P", "-m", "triskel.policy.publishing"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._limit_s):
                answer, _ = await process.communicate(question)
        except TimeoutError:
            raise ConfigurationInvalid(f"the policies take more than {self._limit_s:g} s to check") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise ConfigurationInvalid("the policies cannot be checked: they are too large or too deep")
        return json.loads(answer)
