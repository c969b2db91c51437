"""As a program: so many registrations at once with one provisioning key; prints answers and seconds."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter

import aiohttp


async def main(url: str, key: str, number: int) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    timeout, connector = aiohttp.ClientTimeout(total=120), aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector, headers=headers) as session:

        async def register(name: int) -> int:
            async with session.post(url, json={"name": f"d-{name}"}) as answer:
                await answer.read()
                return answer.status

        began = time.monotonic()
        statuses = Counter(await asyncio.gather(*map(register, range(number))))
        print(json.dumps({"seconds": time.monotonic() - began, "answers": dict(statuses)}))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
