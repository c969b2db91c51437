"""The relay of one process: from a call to the API's answer, and to what it proves."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from devices.ingest.database import in_database
from devices.ingest.http import Disconnected, Refused, json_reply, send_reply
from devices.ingest.relay.backlog import Backlog, Seen
from devices.ingest.relay.conclusions import concluded
from devices.ingest.relay.connection import Failed, Unreachable
from devices.ingest.relay.hosts import LOOK_EVERY, REFRESH_EVERY, Hosts, Target
from devices.ingest.relay.observations import Away
from devices.ingest.relay.passing import Exchange, Ways, pass_on
from devices.ingest.relay.paths import Call, call_of
from devices.ingest.relay.pool import Pool
from devices.ingest.relay.proofs import Proofs
from devices.ingest.relay.writing import Writer

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

logger = logging.getLogger("devices.ingest")

AWAY_EVERY: Final = 10.0  # seconds
NOT_RELAYED: Final = {
    "error": "This call is not relayed. The proxy in front must send it straight to the API.",
    "field": "path",
}


class Relay:
    """Relays the calls of one event loop to the hosts that sources name."""

    def __init__(self) -> None:
        self.hosts = Hosts()
        self.backlog = Backlog(Writer().write)
        self._ways = Ways(Pool())
        self._proofs = Proofs()
        self._away: dict[int, float] = {}  # by source, seconds of the monotonic clock

    async def serve(
        self, target: Target, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Answer a call of a relayed host as its API does; 421 where the call tells of no link.

        502 where the API does not answer, 508 where the call comes back again and again. An answer that the
        API breaks off is broken off here, too.
        """
        call = call_of(scope["method"], scope["path"])
        if call is None:
            await send_reply(send, json_reply(421, NOT_RELAYED))
            return
        exchange = Exchange(scope)
        try:
            await pass_on(exchange, receive, send, self._ways, target.address)
        except Disconnected:
            return
        except Refused as refusal:
            logger.info("%s %r was not relayed: %s", scope["method"], scope["path"], refusal)
            await send_reply(send, refusal.reply())
            return
        except Failed as failure:
            logger.warning("%s %r was relayed: %s", scope["method"], scope["path"], failure)
            if isinstance(failure, Unreachable):
                self._note_away(target.source)
            if not exchange.status:
                await send_reply(send, json_reply(502, {"error": str(failure)}))
            return
        self._conclude(target, call, exchange)

    def _conclude(self, target: Target, call: Call, exchange: Exchange) -> None:
        """Keep what the exchange proves; a body that cannot be read proves nothing, and fails nothing."""
        try:
            observation = concluded(call, exchange, self._proofs)
        except Refused as refusal:
            logger.info("%s: the body of a relayed call is not read: %s", call.kind.name, refusal)
        except Exception as error:  # noqa: BLE001  our fault, of which no caller hears
            logger.warning("%s: a relayed call was not read: %s", call.kind.name, type(error).__qualname__)
        else:
            if observation is not None:
                self.backlog.add(Seen(target.source, observation))

    def _note_away(self, source: int) -> None:
        """Keep that the API of a source cannot be reached, every AWAY_EVERY seconds at most."""
        now = time.monotonic()
        if now - self._away.get(source, -AWAY_EVERY) >= AWAY_EVERY:
            self._away[source] = now
            self.backlog.add(Seen(source, Away()))

    async def keep_hosts(self, threads: Executor) -> None:
        """Read the hosts every REFRESH_EVERY seconds, or LOOK_EVERY while there are none, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_EVERY if self.hosts.any else LOOK_EVERY)
            await self.refresh_hosts(threads)

    async def refresh_hosts(self, threads: Executor) -> None:
        """Read the hosts; those that are known stay where the database does not answer."""
        try:
            await asyncio.get_running_loop().run_in_executor(threads, in_database, self.hosts.refresh)
        except Exception as error:  # noqa: BLE001  the next time may do better
            logger.warning("which hosts are relayed was not read: %s", str(error).partition("\n")[0])

    async def stop(self) -> None:
        """Write what waits, and close the connections."""
        await self.backlog.stop()
        self._ways.pool.close()
