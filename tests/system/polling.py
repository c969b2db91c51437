"""Virtual devices as a program: they poll, and remember what they were told."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import time
from pathlib import Path
from typing import TextIO

import aiohttp

INTERVAL = 10  # seconds, the shortest there is
AGAIN = 1.0  # seconds until a device that was not answered calls again


async def live(
    uuid: str, key: str, url: str, session: aiohttp.ClientSession, told: TextIO, failed: TextIO
) -> None:
    """Poll before the interval is over. A line for each answer of success: who, when sent, when told.

    `failed` has a line for each other one: who, when sent, the status (0: there was no answer).
    """
    headers = {"Authorization": f"Bearer {key}"}
    while True:
        sent = time.time()
        try:
            async with session.post(url, headers=headers) as answer:
                await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        if status == 200:
            told.write(f"{json.dumps([uuid, sent, time.time()])}\n")
        else:
            failed.write(f"{json.dumps([uuid, sent, status])}\n")
        await asyncio.sleep(random.uniform(0.7, 0.9) * INTERVAL if status == 200 else AGAIN)


async def main(url: str, keys: dict[str, str], told: TextIO, failed: TextIO) -> None:
    # Whatever certificate a proxy has: it is of the test's own.
    timeout, connector = aiohttp.ClientTimeout(total=5), aiohttp.TCPConnector(limit=0, ssl=False)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        lives = [
            asyncio.create_task(live(uuid, key, url, session, told, failed)) for uuid, key in keys.items()
        ]
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: [one.cancel() for one in lives])
        await asyncio.gather(*lives, return_exceptions=True)


if __name__ == "__main__":
    answers, failures = Path(sys.argv[3]), Path(f"{sys.argv[3]}.failed")
    with answers.open("w", buffering=1) as file, failures.open("w", buffering=1) as other:
        asyncio.run(main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), file, other))
