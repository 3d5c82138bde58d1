"""What a ccTalk acceptor can be asked and told, one method each; no rules and no memory."""

from dataclasses import dataclass

from firmware.core.terms import Yen
from hw.coin.bus import CcTalkBus
from hw.coin.cctalk import Header, unsigned
from hw.coin.coin_ids import POSITIONS, coin_yen, is_programmed
from hw.coin.event_buffer import EventBuffer
from hw.coin.identity import Identity, polling_seconds, read_identity
from hw.coin.keep import GoneReason, Unfit


@dataclass(frozen=True, slots=True)
class CoinPositions:
    """yen_of: by position. unknown_mask: positions that take something whose value nobody knows."""

    yen_of: dict[int, Yen]
    unknown_mask: int

    def mask(self, denominations: frozenset[Yen]) -> int:
        """The positions of these coins, as header 231 wants them."""
        return sum(bit(position) for position, yen in self.yen_of.items() if yen in denominations)

    def require_all(self, denominations: frozenset[Yen]) -> None:
        """Raises Unfit, naming the smallest, if a coin that shall be taken has no position."""
        if missing := denominations.difference(self.yen_of.values()):
            raise Unfit(GoneReason.MISSING_COIN, min(missing))

    def require(self, mask: int, taken: int) -> None:
        """Compare what the unit says it takes with the mask it was told.

        Raises Unfit if an unknown coin cannot be kept out, or if an open slot takes other coins.
        """
        if unmasked := taken & self.unknown_mask:
            raise Unfit(GoneReason.UNKNOWN_COIN, unmasked.bit_length())
        known = sum(bit(position) for position in self.yen_of)
        if mask and taken & known != mask:
            raise Unfit(GoneReason.MASK_IGNORED)


@dataclass(frozen=True, slots=True)
class AcceptorUnit:
    """One unit on the bus. slow_reply_seconds: for identity and self-check.

    Every method raises as CcTalkBus.ask does.
    """

    bus: CcTalkBus
    address: int
    slow_reply_seconds: float

    async def identity(self) -> Identity:
        """Raises Unfit if it is no coin acceptor."""
        await self._ask(Header.SIMPLE_POLL, length=0)
        return await read_identity(self._ask_slowly, self._ask_if_known)

    async def check_itself(self) -> None:
        """Raises Unfit with the fault that its self-check finds."""
        verdict = await self._ask_slowly(Header.PERFORM_SELF_CHECK, length=None)
        if not verdict or verdict[0]:
            raise Unfit(GoneReason.FAULT, verdict[0] if verdict else 0)

    async def positions(self) -> CoinPositions:
        """What each position takes, by the coin's id and never by its position."""
        yen_of: dict[int, Yen] = {}
        unknown_mask = 0
        for position in POSITIONS:
            coin_id = await self._ask_slowly(Header.REQUEST_COIN_ID, bytes((position,)), length=None)
            if yen := coin_yen(coin_id):
                yen_of[position] = yen
            elif is_programmed(coin_id):
                unknown_mask |= bit(position)
        return CoinPositions(yen_of, unknown_mask)

    async def polling_seconds(self) -> float | None:
        """The pause between polls that it asks for, None if it says none."""
        priority = await self._ask_if_known(Header.REQUEST_POLLING_PRIORITY, length=2)
        return polling_seconds(priority) if priority else None

    async def accepted(self) -> int | None:
        """Coins ever accepted; None if the unit does not count them, as many do not."""
        counted = await self.bus.ask_if_known(
            self.address, Header.REQUEST_ACCEPT_COUNTER, length=3, urgent=True
        )
        return None if counted is None else unsigned(counted)

    async def events(self) -> EventBuffer:
        """Its last five events; reading them changes nothing."""
        return EventBuffer.parse(await self._ask(Header.READ_BUFFERED_CREDIT, length=11))

    async def close(self) -> None:
        """Inhibit everything at once."""
        await self._ask(Header.MODIFY_MASTER_INHIBIT, b"\x00", length=0)

    async def turn(self, mask: int, positions: CoinPositions) -> None:
        """Take the coins of this mask and no others; nothing with 0.

        The other devices of the bus wait meanwhile: a unit that is not polled soon inhibits itself.
        Raises Unfit, with everything inhibited, if it would take others.
        """
        async with self.bus.held():
            await self.close()
            await self._ask(Header.MODIFY_INHIBIT_STATUS, mask.to_bytes(2, "little"), length=0)
            positions.require(mask, unsigned(await self._ask(Header.REQUEST_INHIBIT_STATUS, length=2)))
            if mask:
                await self._ask(Header.MODIFY_MASTER_INHIBIT, b"\x01", length=0)

    async def _ask(self, header: Header, data: bytes = b"", *, length: int | None) -> bytes:
        return await self.bus.ask(self.address, header, data, length=length, urgent=True)

    async def _ask_slowly(self, header: Header, data: bytes = b"", *, length: int | None) -> bytes:
        return await self.bus.ask(
            self.address, header, data, length=length, reply_seconds=self.slow_reply_seconds
        )

    async def _ask_if_known(self, header: Header, *, length: int | None) -> bytes | None:
        return await self.bus.ask_if_known(self.address, header, length=length)


def bit(position: int) -> int:
    """The bit of a position (from 1) in a mask."""
    return 1 << position - 1
