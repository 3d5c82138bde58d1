"""The parts of a machine as the kiosk builds them from its configuration, none of them started."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from firmware.compose.a4_slips import A4SlipPrinter, slip_command
from firmware.compose.kiosk import Kiosk, journal_medium, mistake_rules, open_journal, screen_server
from firmware.compose.telling import Told
from firmware.core.terms import Certainty
from firmware.logbook import Logbook
from firmware.ports import SlipLine
from firmware.settings import load
from firmware.shell.devices import Devices
from firmware.shell.event_ring import EventRing
from firmware.shell.past import Past
from hw.coin.bus import CcTalkBus


class Machine:
    """config: its kiosk.toml. Raises ConfigError."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.settings = load(config)

    @asynccontextmanager
    async def devices(self, log: Logbook) -> AsyncIterator[Devices]:
        """New adapters, not started; whoever starts one closes it."""
        settings = self.settings
        coins = settings.file.coins
        async with AsyncExitStack() as undo:
            bus = CcTalkBus(log, path=str(settings.path(coins.device)), baud=coins.baud)
            undo.callback(bus.close)
            screen = screen_server(settings, log, lambda _key, _is_shown: None)
            journal = open_journal(settings)
            undo.push_async_callback(journal.close)
            told = Told(settings, screen, log)
            undo.push_async_callback(told.close)
            kiosk = Kiosk(settings, self.config, EventRing(log), told)
            medium = journal_medium(settings, log)
            past = Past(mistake_rules(settings))
            yield kiosk.parts(past, journal, medium, bus, screen).devices

    async def print_page(self, devices: Devices, log: Logbook, lines: Sequence[SlipLine]) -> Certainty:
        """A page of A4, handed over and proven as the console's test does it."""
        page = A4SlipPrinter(
            devices.printer,
            log,
            command=slip_command(self.config),
            submit_seconds=self.settings.file.documents.print_seconds,
        )
        return await page.print_slip(lines)
