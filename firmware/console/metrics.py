"""Figures of the running kiosk on a local Unix socket, in Prometheus' text format over HTTP.

`curl --unix-socket /run/madoguchi/metrics.sock http://kiosk/metrics`. Nothing of a person is in them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from firmware.logbook import EventId, Logbook


@dataclass(frozen=True, slots=True)
class Figures:
    """One look. events: how often each event was logged since the start. devices: does it work."""

    serving: bool
    well: bool
    loop_lag_seconds: float
    loop_longest_seconds: float
    journal_entries: int
    open_claims_yen: int
    change_yen: Mapping[str, int]
    devices: Mapping[str, bool]
    events: Mapping[str, int]


class MetricsServer:
    """Answers GET /metrics at path until closed; look gives the figures of that moment.

    A socket that cannot be made is logged: a kiosk without figures serves residents all the same.
    """

    def __init__(self, path: Path, look: Callable[[], Figures], log: Logbook) -> None:
        self._path = path
        self._registry = CollectorRegistry()
        self._registry.register(_Kiosk(look))
        self._log = log
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen."""
        application = web.Application()
        application.router.add_get("/metrics", self._answer)
        self._runner = web.AppRunner(application, access_log=None)
        try:
            await self._runner.setup()
            self._path.unlink(missing_ok=True)
            await web.UnixSite(self._runner, str(self._path)).start()
            self._path.chmod(0o600)
        except OSError as error:
            self._log(EventId.CONSOLE_GONE, error=type(error).__name__)

    async def close(self) -> None:
        """Listen no more; may be called twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
            self._path.unlink(missing_ok=True)

    def text(self) -> str:
        """The figures as they are served."""
        return generate_latest(self._registry).decode()

    async def _answer(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), content_type="text/plain", charset="utf-8")


class _Kiosk(Collector):
    def __init__(self, look: Callable[[], Figures]) -> None:
        self._look = look

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        now = self._look()
        for name, text, value in (
            ("madoguchi_serving", "1 while a visit can begin or is under way", now.serving),
            ("madoguchi_well", "1 while the watchdog is fed", now.well),
            (
                "madoguchi_loop_lag_seconds",
                "How late the loop was at worst in a minute",
                now.loop_lag_seconds,
            ),
            ("madoguchi_loop_longest_seconds", "How late it ever was", now.loop_longest_seconds),
            ("madoguchi_journal_entries", "Entries of the journal", now.journal_entries),
            ("madoguchi_open_claims_yen", "Yen owed by slips", now.open_claims_yen),
        ):
            yield GaugeMetricFamily(name, text, value=float(value))
        yield _labelled("madoguchi_change_yen", "Yen by place", "place", now.change_yen)
        yield _labelled("madoguchi_device_up", "1 while a device works", "device", now.devices)
        events = CounterMetricFamily(
            "madoguchi_events", "Events of the log since the start", labels=["event"]
        )
        for event, count in sorted(now.events.items()):
            events.add_metric([event], count)
        yield events


def _labelled(name: str, text: str, label: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], float(value))
    return family
