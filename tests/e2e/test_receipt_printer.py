"""The receipt printer falls silent: the sale stands, the books say that the receipt did not come."""

from tests.e2e.books import read_books
from tests.e2e.visitor import kiosk


async def test_a_silent_receipt_printer_at_rest_closes_the_kiosk() -> None:
    async with kiosk() as visitor:
        await visitor.rests()
        await visitor.world.set_receipt_fault("silent")
        assert "receipt_printer" == (await visitor.sees("out_of_service"))["reason"]
        await visitor.world.set_receipt_fault(None)
        await visitor.rests()


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
