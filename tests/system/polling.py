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


async def live(uuid: str, key: str, url: str, session: aiohttp.ClientSession, told: TextIO) -> None:
    """Poll before the interval is over. A line for each answer of success: who, when sent, when told."""
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
        await asyncio.sleep(random.uniform(0.7, 0.9) * INTERVAL if status == 200 else AGAIN)


async def main(url: str, keys: dict[str, str], told: TextIO) -> None:
    timeout, connector = aiohttp.ClientTimeout(total=5), aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        lives = [asyncio.create_task(live(uuid, key, url, session, told)) for uuid, key in keys.items()]
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: [one.cancel() for one in lives])
        await asyncio.gather(*lives, return_exceptions=True)


if __name__ == "__main__":
    with Path(sys.argv[3]).open("w", buffering=1) as file:
        asyncio.run(main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), file))
