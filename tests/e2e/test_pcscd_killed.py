"""pcscd is killed or swallows a command: the daemon lives, says so once, and serves again when it is back."""

import asyncio

from tests.e2e.clean_log import events
from tests.e2e.visitor import kiosk


async def test_pcscd_killed_at_rest_closes_the_kiosk_until_it_is_back() -> None:
    async with kiosk() as visitor:
        await visitor.rests()
        await visitor.world.cards_stand.kill_pcscd()
        assert "card_reader" == (await visitor.sees("out_of_service"))["reason"]
        await visitor.world.cards_stand.restart_pcscd()
        await visitor.rests()
        assert 1 == len(events(visitor.world, "card-reader-gone"))
        assert 1 == len(events(visitor.world, "card-reader-back"))
        await visitor.walk_to("coins", kind="2")
        await visitor.pays(100, 100, 100)
        await visitor.sees("take_all", "thanks")
        await visitor.leave()


async def test_pcscd_killed_during_the_pin_ends_the_visit_and_keeps_the_tries() -> None:
    async with kiosk() as visitor:
        await visitor.walk_to("pin")
        await visitor.world.press("1")
        await visitor.world.cards_stand.kill_pcscd()
        await visitor.ends_with("reader_fault")
        await visitor.world.remove_card()  # while nobody can see it: no visit begins when pcscd is back
        await visitor.world.cards_stand.restart_pcscd()
        await visitor.leave()
        await visitor.rests(seconds=30.0)
        seen = await visitor.world.cards_stand.state("shiken_taro")
        assert (3, 0) == (seen["tries_left"], seen["verify_count"])


HASTE = {"card_reader": {"apdu_timeout_seconds": 4.0, "restart_seconds": 0.2}}


async def test_a_command_that_never_comes_back_closes_the_kiosk_until_pcscd_is_restarted_as_it_asks() -> None:
    """The test does what systemd does when it sees the request."""
    async with kiosk(overrides=HASTE) as visitor:
        stand, request = visitor.world.cards_stand, visitor.world.restart_request
        await visitor.walk_to("pin")
        await stand.set(visitor.card, silent_at_apdu=2)  # VERIFY
        await visitor.type_pin("9753")
        await visitor.ends_with("pin_uncertain")
        async with asyncio.timeout(60):
            while not request.exists():  # noqa: ASYNC110 - a file wakes nobody
                await asyncio.sleep(0.05)
        await stand.set(visitor.card, silent_at_apdu=None)
        await stand.restart_pcscd()
        await visitor.world.remove_card()
        await visitor.leave()
        await visitor.rests(seconds=30.0)
        gone, back = (events(visitor.world, f"card-reader-{told}") for told in ("gone", "back"))
        assert 1 <= len(gone) == len(back)
        seen = await stand.state(visitor.card)
        assert (2, 1) == (seen["tries_left"], seen["verify_count"])
        await visitor.walk_to("pin")
        await visitor.touch("cancel")
        await visitor.ends_with("cancelled")
