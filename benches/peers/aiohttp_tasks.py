"""One POST per address from stdin, 64 at a time on one thread."""

import asyncio
import os
import sys

import aiohttp

URL, TOKEN, BODY = (os.environ[name] for name in ("URL", "TOKEN", "BODY"))
HEADERS = {"content-type": "application/json", "authorization": TOKEN}


async def main():
    connector = aiohttp.TCPConnector(limit=64)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:

        async def add(email):
            async with session.post(URL, data=BODY.replace("EMAIL", email)) as answer:
                answer.raise_for_status()
                return (await answer.json())["data"]

        await asyncio.gather(*(add(email) for email in sys.stdin.read().split()))


asyncio.run(main())
