"""pcscd is killed: the daemon lives, says so once, and serves again when pcscd is back."""

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
        await visitor.world.kill_pcscd()
        await visitor.ends_with("reader_fault")
        await visitor.leave()
        await visitor.rests(seconds=30.0)
        seen = await visitor.world.cards_stand.state("shiken_taro")
        assert (3, 0) == (seen["tries_left"], seen["verify_count"])
