"""The faults that are planted one at a time, each of which the tests named must notice.

One entry a fault: the hazard in words, the file, its text and what stands there instead, and pytest's
arguments. The text must be found exactly once.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """A plausible mistake. tests: words of pytest's command line."""

    hazard: str
    path: str
    text: str
    instead: str
    tests: str


MONEY, PAYING, RECOVERY = "firmware/core/money.py", "firmware/core/paying.py", "firmware/core/recovery.py"
JOURNAL, RUNNER, OUTBOX = "firmware/shell/journal.py", "firmware/shell/runner.py", "firmware/shell/outbox.py"
EVENTS, FRAMES, HOPPER = "hw/coin/event_buffer.py", "hw/coin/cctalk.py", "hw/coin/hopper_state.py"
ACCOUNTS, CLOSING = "firmware/core/accounts.py", "firmware/core/closing.py"
BOOKKEEPING, OFFICE = "firmware/core/bookkeeping.py", "firmware/shell/office.py"
PULSES = "hw/coin/pulses.py"
TRIAL, _TRIAL = "firmware/shell/trial_coin.py", "tests/unit/test_shell_trial_coin.py"
PROOF, READINESS, CANCELLER = (f"hw/printer/{name}.py" for name in ("proof", "readiness", "canceller"))
QUEUE, _QUEUE = "hw/printer/queue.py", "tests/unit/test_print_queue.py"
CREW, TELLING = "firmware/shell/crew.py", "firmware/core/telling.py"
SESSION = "hw/card/session.py"

_MONEY, _CELLS = "tests/unit/test_core_money.py", "tests/unit/test_core_cells.py"
_RECOVERY, _JOURNAL = "tests/unit/test_core_recovery.py", "tests/unit/test_journal.py"
_RUNNER, _OUTBOX, _CREW = (f"tests/unit/test_shell_{name}.py" for name in ("runner", "outbox", "crew"))
_EVENTS, _FRAMES = "tests/unit/test_cctalk_events.py", "tests/unit/test_cctalk_frames.py"
_VERDICT, _PAYOUT = "tests/unit/test_cctalk_hopper_verdict.py", "tests/contract/test_coin_payout.py"
_ACCOUNTS, _BOOKKEEPING = "tests/unit/test_core_accounts.py", "tests/unit/test_core_bookkeeping.py"
_OFFICE = "tests/unit/test_shell_office.py"
_PULSES = "tests/unit/test_pulse_groups.py"
_PROOF, _CANCELLER = "tests/unit/test_ipp_proof.py", "tests/unit/test_print_canceller.py"
_PATHS = "tests/unit/test_money_paths.py"
_FUZZ, _READER = "tests/unit/test_card_fuzz.py", "tests/unit/test_card_reader.py"
_FONTS = "tests/unit/test_documents_fonts.py"
ISSUE, SIGNED = "firmware/documents/issue.py", "firmware/documents/protection/signed.py"
REREAD, VERDICT = "firmware/documents/protection/reread.py", "firmware/documents/scramble/sheet.py"
_BACKS, _VERIFY = "tests/unit/test_protected_backs.py", "tests/unit/test_verify.py"
_MAINTENANCE = "tests/unit/test_shell_maintenance.py"

_HANDS, _COMPLAINTS = "tests/unit/test_wrong_person.py", "tests/unit/test_core_complaints.py"
_ISSUE = "tests/unit/test_documents_issue.py"
_WORKERS = "tests/unit/test_shell_workers.py"

FAULTS: tuple[Fault, ...] = (
    # money
    Fault("change is forgotten", MONEY, "return paid_yen - fee_yen", "return 0", _MONEY),
    Fault(
        "coins are taken whose refund cannot be paid",
        MONEY,
        "for yen in sums | changes)",
        "for yen in changes)",
        _MONEY,
    ),
    Fault(
        "a hopper that does not work counts as change",
        MONEY,
        "return hopper.coins if hopper.working else 0",
        "return hopper.coins",
        _MONEY,
    ),
    Fault(
        "a coin nobody saw fall counts as paid",
        MONEY,
        "paid = yen if certainty is Certainty.DONE else 0",
        "paid = yen if certainty is not Certainty.NOT_DONE else 0",
        _MONEY,
    ),
    Fault(
        "claims are left out of the books",
        MONEY,
        "return replace(balance, claims_yen=balance.claims_yen + yen)",
        "return balance",
        _MONEY,
    ),
    Fault(
        "more goes out than came in and the books look right",
        MONEY,
        "if balance.held_yen < 0:",
        "if balance.held_yen < -1000:",
        _MONEY,
    ),
    Fault(
        "a second unclaimed coin replaces the first",
        MONEY,
        "unclaimed_yen += yen",
        "unclaimed_yen = yen",
        _MONEY,
    ),
    Fault(
        "the largest coin is paid although the rest cannot follow",
        MONEY,
        "if _coins(hopper) and after_yen >= 0 and _payable_sums(rest, after_yen) >> after_yen & 1:",
        "if _coins(hopper) and after_yen >= 0:",
        _MONEY,
    ),
    # paying
    Fault(
        "a coin that comes while money goes back is kept",
        PAYING,
        "            remaining_yen=state.remaining_yen + event.yen,\n",
        "",
        _PATHS,
    ),
    Fault(
        "a coin that may have left again is paid back",
        PAYING,
        "        state = replace(state, withheld=True)\n    visit",
        "        pass\n    visit",
        _CELLS,
    ),
    Fault(
        "a coin nobody was asked for is not written down",
        PAYING,
        "return Step(state, (r.CoinUnclaimed(event.yen, event.serial, event.counter),))",
        "return Step(state)",
        _PATHS,
    ),
    Fault(
        "the release is sent without its intent",
        PAYING,
        "        (r.IssueIntended(state.visit, purchase.order_id, purchase.fee_yen),),\n",
        "        (),\n",
        _PATHS,
    ),
    Fault(
        "a print is ordered without its intent",
        PAYING,
        "            r.PrintIntended(state.visit, purchase.order_id, name, purchase.pages),\n",
        "",
        _PATHS,
    ),
    Fault(
        "a coin is ordered without its intent",
        PAYING,
        "        (r.CoinPayIntended(paying.visit, hopper.hopper, hopper.coin_yen, hopper.life_count),),\n",
        "        (),\n",
        _PATHS,
    ),
    Fault(
        "after a doubtful coin paying goes on",
        PAYING,
        "return ended.before(_end_payout(replace(state, coin=None)))",
        "return ended.before(next_coin(replace(state, coin=None), facts))",
        _PATHS,
    ),
    Fault(
        "the fee is kept for a print that failed",
        PAYING,
        "return ended.before(_refund(state, s.EndReason.PRINT_FAILED, facts))",
        "return ended.before(_earn(state, facts))",
        _PATHS,
    ),
    Fault(
        "an empty hopper is asked again and again",
        PAYING,
        "state.failed if coin.coins is None else state.failed | {coin.hopper}",
        "state.failed",
        _PATHS,
    ),
    Fault(
        "what cannot be paid is owed to nobody",
        PAYING,
        "if owed_yen else ()\n    ended = r.PayoutEnded",
        "if False else ()\n    ended = r.PayoutEnded",
        _PATHS,
    ),
    Fault(
        "a refund gives back the fee and keeps the rest",
        PAYING,
        "        remaining_yen=state.paid_yen,\n        reason=reason,",
        "        remaining_yen=min(state.paid_yen, state.purchase.fee_yen),\n        reason=reason,",
        _PATHS,
    ),
    Fault(
        "a person who walks away has bought",
        PAYING,
        "return _give_back(state, s.EndReason.TIMED_OUT)",
        "return _close_slot(state, None)",
        _PATHS,
    ),
    Fault(
        "where the acceptor's counter stood is forgotten",
        PAYING,
        "shut = () if event.serial is None else",
        "shut = () if True else",
        _PATHS,
    ),
    Fault(
        "the municipality's refusal of the release keeps the money",
        PAYING,
        "return Step(state, (failed,)).before(_refund(state, s.EndReason.MUNICIPALITY_DOWN, facts))",
        "return Step(state, (failed,)).before(end(state.visit, s.EndReason.MUNICIPALITY_DOWN))",
        _PATHS,
    ),
    # recovery
    Fault(
        "after a cut nobody asks whether the last coin fell",
        RECOVERY,
        "            visit.coin_intent = record\n",
        "            pass\n",
        _RECOVERY,
    ),
    Fault(
        "after a cut a doubtful coin counts as paid",
        RECOVERY,
        "visit.back_yen += yen if certainty is Certainty.DONE else 0",
        "visit.back_yen += yen",
        _RECOVERY,
    ),
    Fault(
        "after a cut the job is printed again",
        RECOVERY,
        "orders=(o.FollowPrint(visit.visit,",
        "orders=(o.Print(visit.visit,",
        _RECOVERY,
    ),
    Fault(
        "after a cut a payout that ended begins anew",
        RECOVERY,
        "    if visit.payout_ended is not None:\n",
        "    if visit.payout_ended is not None and not visit.payout_ended.owed_yen:\n",
        _RECOVERY,
    ),
    Fault(
        "after a cut a sale that is earned is given back",
        RECOVERY,
        "    if visit.earned:\n        return _settled_sale",
        "    if visit.earned and visit.slips_done:\n        return _settled_sale",
        _RECOVERY,
    ),
    Fault(
        "after a cut a doubtful print decides itself",
        RECOVERY,
        "return ended.certainty is Certainty.UNKNOWN or self.attempt > 0",
        "return ended.certainty is Certainty.NOT_DONE or self.attempt > 0",
        _RECOVERY,
    ),
    Fault(
        "after a cut the fee goes back with the change",
        RECOVERY,
        "(visit.fee_yen if visit.earned else 0)",
        "0",
        _RECOVERY,
    ),
    Fault(
        "after a long cut coins fall before nobody",
        RECOVERY,
        "visit.withheld = visit.withheld or late",
        "visit.withheld = visit.withheld",
        _RECOVERY,
    ),
    # journal
    Fault(
        "an acknowledged record is not on disk",
        JOURNAL,
        'connection.execute("PRAGMA synchronous=FULL")',
        'connection.execute("PRAGMA synchronous=NORMAL")',
        _JOURNAL,
    ),
    Fault(
        "amounts are outside the chain",
        JOURNAL,
        "json.dumps([seq, at, name, fields])",
        "json.dumps([seq, at, name])",
        _JOURNAL,
    ),
    Fault("an entry fits into any history", JOURNAL, "before + text, hashlib", "text, hashlib", _JOURNAL),
    Fault("a gap goes unnoticed", JOURNAL, "if seq != expected:", "if seq < expected:", _JOURNAL),
    Fault(
        "a coin is written past one that is missing",
        JOURNAL,
        "        self._failed = True\n",
        "",
        _JOURNAL,
    ),
    Fault(
        "a cancelled append may be forgotten",
        JOURNAL,
        "await asyncio.shield(writing)\n",
        "await writing\n",
        _JOURNAL,
    ),
    Fault(
        "a log whose sync failed is built upon",
        JOURNAL,
        '            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")\n',
        "",
        _JOURNAL,
    ),
    # engine's shell
    Fault(
        "orders leave and no record is kept",
        RUNNER,
        "        if done.records:\n            await self._keep(done)",
        "        if done.records:\n            pass",
        _RUNNER,
    ),
    Fault(
        "an answer of an order long gone moves the visit",
        RUNNER,
        "self._bound.get(order) is not task",
        "order not in self._bound",
        _RUNNER,
    ),
    Fault(
        "a coin that rolls in while the kiosk stops is lost",
        RUNNER,
        "            if not isinstance(item, _Posted):\n                continue",
        "            if isinstance(item, _Posted):\n                continue",
        _RUNNER,
    ),
    Fault(
        "coins that come after a record that failed are written past it",
        RUNNER,
        "            if self.stranded is None:\n",
        "            if True:\n",
        _RUNNER,
    ),
    Fault(
        "a broken hopper order counts as not carried out",
        CREW,
        "o.PayCoin: e.CoinPaid(Certainty.UNKNOWN)",
        "o.PayCoin: e.CoinPaid(Certainty.NOT_DONE)",
        _CREW,
    ),
    Fault(
        "a broken release counts as not carried out",
        CREW,
        "o.Release: e.MunicipalityFailed(Certainty.UNKNOWN)",
        "o.Release: e.MunicipalityFailed(Certainty.NOT_DONE)",
        _CREW,
    ),
    Fault(
        "the municipality's pause is its last word",
        OUTBOX,
        "if refused.refusal in _FOR_NOW:",
        "if refused.refusal in ():",
        _OUTBOX,
    ),
    Fault(
        "what the municipality was told is told again",
        OUTBOX,
        "        await self._journal.append((record,))\n        self._records.append(record)\n",
        "        self._records.append(record)\n",
        _OUTBOX,
    ),
    # ccTalk arithmetic
    Fault("the event counter wraps at 256", EVENTS, "(new - old) % 255", "(new - old) % 256", _EVENTS),
    Fault("more than five events are no doubt", EVENTS, "lost = max(0, count - SLOTS)", "lost = 0", _EVENTS),
    Fault(
        "coins are told newest first",
        EVENTS,
        "known = reversed(buffer.pairs[: count - lost])",
        "known = buffer.pairs[: count - lost]",
        _EVENTS,
    ),
    Fault(
        "a wrapped counter is taken for a reset",
        EVENTS,
        "return buffer.counter < old and _is_young(buffer)",
        "return buffer.counter < old",
        _EVENTS,
    ),
    Fault(
        "a swallowed coin came back",
        EVENTS,
        "19, 20, 23, 31, 36, 39, 40}",
        "19, 20, 23, 31, 39, 40}",
        _EVENTS,
    ),
    Fault(
        "an acceptor that was reset and caught up tells coins twice or never",
        EVENTS,
        "return buffer.pairs[count:] != seen.pairs[: max(0, SLOTS - count)]",
        "return False",
        _EVENTS,
    ),
    Fault(
        "a dispense command that was heard is sent again",
        "hw/coin/payout.py",
        "            if heard or certainty is not Certainty.NOT_DONE:\n",
        "            if certainty is not Certainty.NOT_DONE:\n",
        f"{_PAYOUT} -k lost_reply_of_an_empty_hopper",
    ),
    Fault(
        "a coin paid still lies in the hopper",
        "hw/coin/hopper.py",
        "            if payment.certainty is not Certainty.NOT_DONE:\n"
        "                self._coins = max(0, self._coins - 1)\n",
        "",
        f"{_PAYOUT} -k level_is_true_before",
    ),
    Fault(
        "a checksum of 256",
        FRAMES,
        "return -sum(body) & 0xFF",
        "return 256 - sum(body) % 256",
        _FRAMES,
    ),
    Fault(
        "a garbled reply is believed",
        FRAMES,
        '    if sum(received) & 0xFF:\n        raise Garbled("checksum")\n',
        "",
        _FRAMES,
    ),
    Fault(
        "a hopper that lost its counters is believed",
        HOPPER,
        "if found.life_count != life_count or found.flags.counters_lost:",
        "if found.life_count != life_count:",
        _VERDICT,
    ),
    Fault(
        "the life counter does not wrap",
        HOPPER,
        "(life_count + 1) % LIFE_COUNT_MODULUS",
        "life_count + 1",
        _VERDICT,
    ),
    Fault(
        "an earlier coin's result counts for this one",
        HOPPER,
        "return Certainty.NOT_DONE if counter else Certainty.UNKNOWN",
        "return Certainty.DONE",
        _VERDICT,
    ),
    # the counter's books
    Fault(
        "a payout nobody saw leaves a coin to rely on",
        ACCOUNTS,
        "self.unsure = min(self.unsure + 1,",
        "self.unsure = min(self.unsure,",
        _ACCOUNTS,
    ),
    Fault("coins collected stay in the books", ACCOUNTS, "self.coins -= coins\n", "pass\n", _ACCOUNTS),
    Fault(
        "a count leaves the books as they were",
        ACCOUNTS,
        "self.coins, self.unsure, self.known = coins, 0, True",
        "self.known = True",
        _ACCOUNTS,
    ),
    Fault(
        "an empty hopper is believed to be full",
        ACCOUNTS,
        "position.unsure = max(0, position.coins)",
        "position.unsure = 0",
        _ACCOUNTS,
    ),
    Fault("unclaimed coins are in no day", ACCOUNTS, "self._day.unclaimed_yen += yen", "pass", _ACCOUNTS),
    Fault(
        "a claim is paid twice",
        ACCOUNTS,
        "or claim.settled_by is not None or claim.yen != yen",
        "or claim.yen != yen",
        _ACCOUNTS,
    ),
    Fault("a day is closed twice", ACCOUNTS, 'if date <= (self.last_closed or ""):', "if False:", _ACCOUNTS),
    Fault(
        "a day's totals may be changed afterwards",
        ACCOUNTS,
        "if day.settled is not None and (day.settled.totals, day.settled.closed_at) != (",
        "if day.settled is not None and (day.totals, day.closed_at) != (",
        _ACCOUNTS,
    ),
    Fault(
        "the next day begins with this day's coins",
        ACCOUNTS,
        "self._day = _Day()\n                for",
        "for",
        _ACCOUNTS,
    ),
    Fault(
        "coins are handled during a visit or through a shut door",
        BOOKKEEPING,
        "event.entries if facts.panel.door_open or not handled else ()",
        "event.entries",
        _BOOKKEEPING,
    ),
    Fault(
        "what follows a closing counts for the closed day",
        CLOSING,
        "max(opened, last_closed + timedelta(days=1))",
        "opened",
        _ACCOUNTS,
    ),
    Fault(
        "a claim is paid that the municipality has not noted",
        OFFICE,
        "await self._municipality.settle_claim(claim_no, claim.yen)",
        "pass",
        _OFFICE,
    ),
    Fault(
        "a hopper is not told of the coins refilled",
        OFFICE,
        "self._payouts[hopper].set_coins(",
        "repr(",
        _OFFICE,
    ),
    Fault(
        "a day is closed by a clock nobody trusts",
        OFFICE,
        "if self._trusted() and is_over(",
        "if is_over(",
        _OFFICE,
    ),
    Fault(
        "a power cut at the closing loses the day's totals",
        OFFICE,
        "                await self._keep_totals()\n                if self",
        "                if self",
        _OFFICE,
    ),
    Fault(
        "a day is compared before its orders are told",
        OUTBOX,
        "day = tells[:1] if isinstance(tells[0], TellDay) else ()",
        "day = tuple(tell for tell in tells if isinstance(tell, TellDay))",
        _OUTBOX,
    ),
    Fault(
        "what contradicts the municipality is told for ever",
        OUTBOX,
        "except ReportRefused as refused:\n"
        "            record = self._contradicts(tell, subject, refused.code)",
        "except ReportRefused as refused:\n            return self._not_told(subject, refused)",
        f"{_OUTBOX} -k contradicts_the_municipalitys",
    ),
    Fault(
        "a certificate is renewed in the middle of a visit",
        "firmware/shell/renewal.py",
        "while not self._resting():",
        "while False:",
        "tests/unit/test_shell_renewal.py -k waits_for_the_end",
    ),
    Fault(
        "a claim is told to nobody",
        TELLING,
        "if ended.owed_yen:",
        "if False:",
        "tests/unit/test_core_telling.py",
    ),
    Fault(
        "a journal's cut tail goes unseen",
        JOURNAL,
        "if said.seq > len(entries):",
        "if False:",
        "tests/unit/test_journal_head.py",
    ),
    Fault(
        "a journal's tail written anew goes unseen",
        JOURNAL,
        "if not hmac.compare_digest(entries[said.seq - 1].chain, said.chain):",
        "if False:",
        "tests/unit/test_journal_head.py",
    ),
    Fault(
        "two close the day together and the second empties it",
        OFFICE,
        "        async with self.desk:\n            day = self.open_day",
        "        if True:\n            day = self.open_day",
        _OFFICE,
    ),
    Fault(
        "two take the same coins out",
        OFFICE,
        "        async with self.desk:\n            position = ",
        "        if True:\n            position = ",
        _OFFICE,
    ),
    Fault(
        "a technician's coin moves that no intent on disk foretold",
        TRIAL,
        "            await self._write((intended,))\n",
        "            await asyncio.sleep(0)\n",
        _TRIAL,
    ),
    Fault(
        "a technician's coin is still in the hopper by the books",
        ACCOUNTS,
        "            case r.TrialCoinEnded(certainty=Certainty.DONE):\n                position.take(1)",
        "            case r.TrialCoinEnded(certainty=Certainty.DONE):\n                pass",
        _TRIAL,
    ),
    Fault(
        "a stop forgets the coins behind a command given up",
        RUNNER,
        " and not item.written.done():\n                item.written.set_result(False)",
        ":\n                item.written.set_result(False)",
        _RUNNER,
    ),
    Fault(
        "a coin of which nobody knows where it is goes unseen",
        EVENTS,
        "frozenset(range(256)) - RETURNED_CODES",
        "KEPT_CODES",
        _EVENTS,
    ),
    Fault(
        "a restart whose counter caught up passes for nothing",
        EVENTS,
        "or (contradictory and _is_young(buffer))",
        "",
        _EVENTS,
    ),
    Fault(
        "slots that contradict the last reading are money",
        EVENTS,
        "if contradictory and not reset:",
        "if False:",
        _EVENTS,
    ),
    Fault(
        "a pulse of any length counts",
        PULSES,
        "<= width <= self._timing.longest_seconds",
        "<= width",
        _PULSES,
    ),
    Fault(
        "a contact that bounces makes coins",
        PULSES,
        "quiet_seconds < self._timing.bounce_seconds",
        "quiet_seconds <= 0",
        _PULSES,
    ),
    Fault(
        "the rest of a coin whose beginning nobody saw is a smaller coin",
        PULSES,
        "            if self._unseen:\n                self._note(PulseFault.BEGUN_UNSEEN)",
        "            pass",
        _PULSES,
    ),
    Fault(
        "an edge that was lost is not missed",
        PULSES,
        "self._note(PulseFault.EDGE_LOST)",
        "pass",
        _PULSES,
    ),
    Fault(
        "pulses of a coin already told are another coin",
        PULSES,
        "self._note(PulseFault.GOES_ON)",
        "pass",
        _PULSES,
    ),
    # characters
    Fault(
        "a variant that the font does not list is drawn as its base character",
        "firmware/documents/cmap.py",
        "                return self.glyph(code)\n        return 0",
        "                return self.glyph(code)\n        return self.glyph(code)",
        _FONTS,
    ),
    Fault(
        "a private-use character is drawn by a font that means something else by it",
        "firmware/documents/fonts.py",
        "faces = self._private if is_private(character) else self._typefaces",
        "faces = self._typefaces",
        _FONTS,
    ),
    Fault(
        "text from right to left is printed in another order than in the record",
        "firmware/documents/characters.py",
        "return unicodedata.bidirectional(point) in _LEFT_TO_RIGHT",
        "return bool(_LEFT_TO_RIGHT)",
        _FONTS,
    ),
    Fault(
        "a variation selector counts as a character of its own",
        "firmware/documents/limits.py",
        "or count(text) > most",
        "or len(text) > most",
        "tests/unit/test_documents_limits.py",
    ),
    Fault(
        "a 個人番号 with a wrong digit is printed",
        "firmware/documents/contents.py",
        "self.my_number[-1] != check_digit(self.my_number[:-1])",
        "not check_digit(self.my_number[:-1])",
        f"{_ISSUE} -k numbers",
    ),
    Fault(
        "whoever ordered a 個人番号 pays for a paper without it",
        "firmware/documents/sealed.py",
        "None in shown[RecordItem.MY_NUMBER]",
        "not shown[RecordItem.MY_NUMBER]",
        f"{_ISSUE} -k numbers",
    ),
    Fault(
        "a new era that begins before the one it follows is taken",
        "firmware/documents/era.py",
        "if later.begins <= earlier.begins:",
        "if later.begins < earlier.begins:",
        "tests/unit/test_documents_era.py",
    ),
    # the console
    Fault(
        "an order that had its session opens another",
        "firmware/shell/maintenance.py",
        "if self._state.spent(order.order_id):",
        "if False:",
        _MAINTENANCE,
    ),
    Fault(
        "refused orders are forgotten by a restart",
        "firmware/core/maintenance.py",
        "        case r.MaintenanceRefused():",
        "        case r.VisitEnded():",
        _MAINTENANCE,
    ),
    Fault(
        "a command is done before the journal has it",
        "firmware/compose/technician.py",
        "            await self._maintenance.command(session.order_id, session.by, command_word(request))",
        "            pass",
        "tests/unit/test_console_desk.py",
    ),
    Fault(
        "an order's times open a console whose clock nobody trusts",
        "firmware/console/orders.py",
        "(now is None or claims.nonce)",
        "claims.nonce",
        "tests/unit/test_console_orders.py",
    ),
    Fault(
        "the watchdog is fed while the journal hangs",
        "firmware/shell/health.py",
        "if self._journal_busy() > self._rule.journal_seconds:",
        "if False:",
        "tests/unit/test_shell_health.py",
    ),
    Fault(
        "a command from afar is carried out again after a restart",
        "firmware/shell/remote.py",
        "if hands.given(command):",
        "if False:",
        "tests/unit/test_shell_remote.py",
    ),
    # paper
    Fault(
        "a print is refunded that a silent printer may still hold",
        "firmware/core/facts.py",
        "{PrinterReason.JOBS_WAITING, PrinterReason.UNREACHABLE}",
        "{PrinterReason.JOBS_WAITING}",
        _PATHS,
    ),
    Fault(
        "coins are taken for more sheets than the printer has",
        "firmware/core/facts.py",
        "return not self.reasons and (self.most_sheets is None or sheets <= self.most_sheets)",
        "return not self.reasons",
        _PATHS,
    ),
    Fault(
        "after a cut nobody cancels the job that staff decide about",
        RECOVERY,
        "cancel = (o.CancelPrint(visit.visit, visit.print_job),) if visit.print_job is not None else ()",
        "cancel = ()",
        _RECOVERY,
    ),
    Fault(
        "the exit sensor is not believed",
        PROOF,
        "agrees = expected is None or witness.sheets == expected",
        "agrees = expected is None or witness.sheets >= expected",
        _PROOF,
    ),
    Fault(
        "one witness who disagrees is outvoted",
        PROOF,
        "if agree and all(agree) else",
        "if any(agree) else",
        _PROOF,
    ),
    Fault(
        "a printer that counts no pages is believed",
        PROOF,
        "            return Finding.UNCOUNTED\n",
        "            return Finding.ALL_OUT\n",
        _PROOF,
    ),
    Fault(
        "a tray that does not count is taken for empty",
        READINESS,
        "return sum(levels) if levels and min(levels) >= 0 else None",
        "return sum(level for level in levels if level >= 0) if levels else None",
        _PROOF,
    ),
    Fault(
        "one look that finds nothing proves a printer empty",
        CANCELLER,
        "CLEAN_LOOKS = 2\n",
        "CLEAN_LOOKS = 1\n",
        _CANCELLER,
    ),
    Fault(
        "a job that a silent printer may hold is forgotten",
        CANCELLER,
        "            except DeviceGone:\n                clean = False\n",
        "            except DeviceGone:\n                pass\n",
        _CANCELLER,
    ),
    Fault(
        "a document that tore on its way stays in the print server's memory",
        QUEUE,
        "    finally:\n        blank(cups_socket)\n    return job_id\n",
        "    finally:\n        pass\n    blank(cups_socket)\n    return job_id\n",
        _QUEUE,
    ),
    Fault(
        "the empty job of a refused document keeps the queue busy",
        QUEUE,
        "            server.cancelJob(job_id, purge_job=True)\n",
        "            pass\n",
        _QUEUE,
    ),
    Fault(
        "a single printer promises the sheets that its slips need",
        READINESS,
        "[max(left - reserves.slip_sheets, 0)]",
        "[left]",
        _PROOF,
    ),
    Fault(
        "paper that was left is told at every look",
        "firmware/shell/tray_watch.py",
        "        if left == self._left:\n            return\n",
        "",
        "tests/unit/test_shell_health.py -k paper_left",
    ),
    # whose page it is: the four published mechanisms, and reprints
    Fault(
        "a time-out frees the worker of one person for the next",
        "firmware/shell/workers.py",
        "            await self._end_before()\n            coming = self._coming()\n"
        "            started = await asyncio.shield(coming)\n            if coming is not self._next:\n"
        "                return await self.take()\n            self._next = None\n",
        "            coming = self._coming()\n            started = await asyncio.shield(coming)\n",
        _HANDS,
    ),
    Fault(
        "somebody gets a worker while the one before still lives",
        "firmware/shell/workers.py",
        "        if before.alive():\n",
        "        if not before:\n",
        _WORKERS,
    ),
    Fault(
        "jobs are named by the clock",
        PAYING,
        'return f"cert-{visit[:16]}" + (',
        'return f"cert-{len(visit):016}" + (',
        _HANDS,
    ),
    Fault(
        "the next file is taken, whose ever it is",
        "firmware/documents/sealed.py",
        "        if expected != actual:\n",
        "        if not actual:\n",
        _ISSUE,
    ),
    Fault(
        "the previous output stays when the next cannot be made",
        "firmware/documents/issue.py",
        "        self._prepared = None\n        try:\n",
        "        try:\n",
        _ISSUE,
    ),
    Fault(
        "another issuance is printed as a reprint",
        PAYING,
        "if (event.fee_yen, event.sheets, event.pages, event.fingerprint) != same:",
        "if event.fee_yen != purchase.fee_yen:",
        _COMPLAINTS,
    ),
    Fault(
        "a hopper that a technician found empty is full again by the books",
        TRIAL,
        "if believed_coins > 0 and not self._payouts[hopper].coins:",
        "if believed_coins > 0 and not self._facts().hopper(hopper).coins:",
        _TRIAL,
    ),
    Fault(
        "a refund's coin and a technician's count as one",
        "firmware/core/staffing.py",
        " and not facts.maintenance.on",
        "",
        _COMPLAINTS,
    ),
    Fault(
        "a technician's next coin leaves beside a visit's",
        "firmware/shell/fitness.py",
        "            self._must_not_serve()\n            self._must_hold_coins(level)\n",
        "            self._must_hold_coins(level)\n",
        "tests/unit/test_shell_fitness.py",
    ),
    Fault(
        "a technician's coin comes out of a hopper that holds none by the books",
        "firmware/shell/fitness.py",
        "if self._coins(level.hopper, level.coin_yen) <= 0:",
        "if False:",
        "tests/unit/test_shell_fitness.py",
    ),
    Fault(
        "a plan that ends during a test lets a visit begin",
        "firmware/shell/maintenance.py",
        "return self._kept_on or self._held or out_of_service(self._state, self._now())",
        "return self._held or out_of_service(self._state, self._now())",
        "tests/unit/test_shell_maintenance.py",
    ),
    Fault(
        "a plan forgotten during a test lets a visit begin",
        "firmware/compose/technician.py",
        "        self._must_not_test()\n        if request.begins is None",
        "        if request.begins is None",
        "tests/unit/test_console_desk.py",
    ),
    Fault(
        "a card left behind begins a visit once staff were called in vain",
        "firmware/core/staffing.py",
        "    if state.left is not None:\n",
        "    if False:\n",
        _COMPLAINTS,
    ),
    Fault(
        "a bad coin thrown in for ever holds the visit's money",
        PAYING,
        "if state.rejected >= rules.most_rejected:",
        "if False:",
        "tests/unit/test_core_asking.py",
    ),
    Fault(
        "a wrong staff code is forgotten",
        "firmware/core/staffing.py",
        "return Step(wrong, (r.StaffRefused(visit),), ",
        "return Step(wrong, (), ",
        _COMPLAINTS,
    ),
    Fault(
        "a power cut ends a complaint whose sheets are destroyed",
        RECOVERY,
        "    if visit.sold and visit.destroyed:\n",
        "    if False:\n",
        _COMPLAINTS,
    ),
    Fault(
        "a fee given back is kept as well",
        MONEY,
        "return replace(balance, fee_yen=balance.fee_yen - yen)",
        "return balance",
        _HANDS,
    ),
    Fault(
        "staff who went away can be stood in for",
        PAYING,
        "return Step(replace(state, admitted=False), orders=(o.Sound(o.Alarm.ALARM),))",
        "return Step(state)",
        _COMPLAINTS,
    ),
    # the card
    Fault(
        "VERIFY is sent again after a transport error",
        SESSION,
        "            answer = self._transmit(command)\n        except PcscError as cause:",
        "            try:\n                answer = self._transmit(command)\n            except PcscError:\n"
        "                answer = self._transmit(command)\n        except PcscError as cause:",
        f"{_FUZZ} -k each_failure_after",
    ),
    Fault(
        "an unsure answer to VERIFY counts as a wrong PIN",
        SESSION,
        "if left != self._tries_left - 1:",
        "if left > self._tries_left:",
        f"{_FUZZ} -k each_failure_after",
    ),
    Fault(
        "a signature that is not the card's is handed on",
        SESSION,
        "if not reply.is_ok or signature is None:",
        "if not reply.is_ok:",
        f"{_FUZZ} -k each_failure_after",
    ),
    Fault(
        "the VERIFY command stays in memory",
        SESSION,
        "apdu.wipe(command)",
        "pass",
        f"{_FUZZ} -k each_failure_after",
    ),
    Fault(
        "a locked card gets a PIN",
        SESSION,
        "if self._tries_left == 0:",
        "if self._tries_left < 0:",
        f"{_FUZZ} -k a_locked_card",
    ),
    Fault(
        "a My Number Card behind another card is called a wrong one",
        SESSION,
        "if error.refusal in _ANOTHER_CARD and self",
        "if not _ANOTHER_CARD and self",
        "tests/unit/test_card_two_cards.py",
    ),
    Fault(
        "a read that nobody waits for goes on",
        SESSION,
        "if self._is_abandoned():",
        "if not self._is_abandoned:",
        _READER,
    ),
    Fault(
        "a card signs what is not this kiosk's",
        "hw/card/reader.py",
        "if not message.startswith(self._domain):",
        "if not message.startswith(self._domain[:0]):",
        _READER,
    ),
    Fault(
        "a card that gives its answer in parts holds the reader for ever",
        "hw/card/jpki.py",
        "for _ in range(MOST_PARTS):",
        "while True:",
        "tests/unit/test_card_jpki.py",
    ),
    # the backs
    Fault(
        "a back is drawn and nobody reads it before the coins",
        ISSUE,
        "    require_order(pages[::2], opened, settings.form)\n    reread_backs(certificate)\n",
        "    require_order(pages[::2], opened, settings.form)\n",
        _BACKS,
    ),
    Fault(
        "persons of somebody else are signed on the back",
        SIGNED,
        "        _compare_document(front.opened.document, opened.document, number)\n",
        "",
        _BACKS,
    ),
    Fault(
        "a back without its number is taken",
        SIGNED,
        '    _same("number", contents.number, claims.number)\n',
        "",
        _BACKS,
    ),
    Fault(
        "a single wrong cell is corrected away",
        REREAD,
        "    if ((raster.draw(message, form) == 1) != (darkness > 0)).any():\n",
        "    if ((raster.draw(message, form) == 1) != (darkness > 0)).all():\n",
        _BACKS,
    ),
    Fault(
        "a withdrawn or foreign key's day is not looked at",
        VERDICT,
        "    if not key.first <= claims.issued_on <= key.last:\n",
        "    if not key.first <= claims.issued_on:\n",
        f"{_VERIFY} -k a_key_is_not_good",
    ),
)
