"""A process that sends as much as it may: `python -m tests.traffic.child FOLDER URL LIMIT NAME SECONDS`."""

import asyncio
import sys
from pathlib import Path

import httpx

from bmconsole.domain.priority import Priority
from bmconsole.traffic import LimitedTransport, open_traffic


async def main(folder: str, url: str, limit: str, name: str, seconds: str) -> None:
    controller = await open_traffic({"edge": limit}, folder=Path(folder), key="test", program=name)
    transport = LimitedTransport(httpx.AsyncHTTPTransport(), controller)
    async with httpx.AsyncClient(transport=transport, base_url=url, headers={"x-child": name}) as client:
        end = asyncio.get_running_loop().time() + float(seconds)

        async def worker() -> None:
            while asyncio.get_running_loop().time() < end:
                await client.get("/ws/orders", extensions={"priority": Priority.LOW})

        workers = [asyncio.create_task(worker()) for _ in range(20)]
        await asyncio.sleep(float(seconds))
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    await controller.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
