"""The receipt printer cannot print: whoever pays knows it, the sale stands, the books say that none came."""

from tests.e2e.books import read_books
from tests.e2e.visitor import kiosk


async def test_without_receipt_paper_only_who_knows_it_pays_and_the_certificate_comes() -> None:
    async with kiosk() as visitor:
        await visitor.rests()
        await visitor.world.set_receipt_fault("paper_out")
        await visitor.world.eyes.until(
            lambda now: (now["screen"], now["reason"]) == ("idle", "supplies"), 20.0
        )
        picture = await visitor.walk_to("confirm", kind="2")
        assert "no_receipt" == picture["reason"]
        await visitor.stops()
        await visitor.ends_with("cancelled")
        await visitor.leave()

        assert "no_receipt" == (await visitor.walk_to("coins", kind="2"))["reason"]
        await visitor.pays(100, 100, 100)
        assert "paper_no_receipt" == (await visitor.sees("take_all", seconds=60.0))["reason"]
        assert 0 == await visitor.leave()
        books = await read_books(visitor.world)
        assert [("receipt", "not_done")] == books.last.slips
        assert not visitor.world.receipts.slips
        await visitor.world.set_receipt_fault(None)
        await visitor.world.logged("receipt-printer-back")


async def test_a_receipt_that_is_not_proven_does_not_undo_the_sale() -> None:
    async with kiosk() as visitor:
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([500])
        await visitor.world.set_receipt_fault("silent")
        await visitor.touch("confirm")
        picture = await visitor.sees("take_all", seconds=60.0)
        assert "paper_no_receipt" == picture["reason"]
        assert "receipt" not in {item["id"] for item in picture["checklist"]}
        await visitor.world.set_receipt_fault(None)
        assert 200 == await visitor.leave()
        books = await read_books(visitor.world)
        assert (300, 200) == (books.last.earned, books.last.paid_out)
        assert [("receipt", "not_done")] == books.last.slips


async def test_what_a_lost_contact_left_of_a_receipt_is_not_on_the_next_persons() -> None:
    async with kiosk() as visitor:
        receipts = visitor.world.receipts
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([100, 100, 100])
        receipts.lose_contact(after_bytes=150)
        await visitor.touch("confirm")
        assert "paper_no_receipt" == (await visitor.sees("take_all", seconds=60.0))["reason"]
        assert not receipts.slips
        receipts.plug_in()
        await visitor.world.logged("receipt-printer-back")
        await visitor.leave()
        (remains,) = receipts.slips

        await visitor.walk_to("coins", kind="2")
        await visitor.pays(100, 100, 100)
        await visitor.sees("take_all", seconds=60.0)
        await visitor.leave()
        assert [("receipt", "done")] == (await read_books(visitor.world)).last.slips
        number = "領収番号"
        assert [1, 1] == [receipts.text(slip).count(number) for slip in (remains, *receipts.slips[1:])]
