"""Which role of a maintenance order each command needs, and how it is called in the journal."""

from typing import Final

from firmware.console import wire as w
from firmware.core.terms import Role

ROLE_OF: Final[dict[type[w.Request], Role]] = {
    w.Refill: Role.CASH,
    w.Collect: Role.CASH,
    w.Count: Role.CASH,
    w.CloseDay: Role.SETTLE,
    w.PrintDay: Role.SETTLE,
    w.PrintSelfTest: Role.SERVICE,
    w.AskClaim: Role.SETTLE,
    w.SettleClaim: Role.SETTLE,
    w.AskNonce: Role.LOOK,
    w.Login: Role.LOOK,
    w.Logout: Role.LOOK,
    w.AskStatus: Role.LOOK,
    w.AskEvents: Role.LOOK,
    w.TestPart: Role.SERVICE,
    w.ShowCash: Role.LOOK,
    w.ShowDays: Role.LOOK,
    w.AskJournal: Role.SERVICE,
    w.ListClaims: Role.SETTLE,
    w.ListVisits: Role.LOOK,
    w.ResolveVisit: Role.SETTLE,
    w.SayPrinterOff: Role.SETTLE,
    w.SwitchMaintenance: Role.SERVICE,
    w.PlanMaintenance: Role.SERVICE,
    w.ShowHours: Role.LOOK,
    w.MakeBundle: Role.SERVICE,
    w.ShowCertificate: Role.LOOK,
    w.RenewCertificate: Role.SYSTEM,
    w.CheckConfig: Role.SYSTEM,
    w.ReloadConfig: Role.SYSTEM,
    w.Reboot: Role.SYSTEM,
    w.AskUpdate: Role.LOOK,
    w.InstallUpdate: Role.SYSTEM,
    w.Decommission: Role.SYSTEM,
}


def role_of(request: w.AnyRequest) -> Role:
    """What an order must allow for this. The test of a hopper lets a coin out, as `cash` does."""
    if isinstance(request, w.TestPart) and request.part is w.Part.HOPPER:
        return Role.CASH
    return ROLE_OF[type(request)]


def command_word(request: w.AnyRequest) -> str:
    """The command as the journal keeps it: its name, for some what it is about, never a claim's number."""
    name = str(type(request).__struct_config__.tag)
    match request:
        case w.TestPart(part=part):
            return f"{name} {part.value}"
        case w.SwitchMaintenance(on=on):
            return f"{name} {'on' if on else 'off'}"
        case w.AskJournal(what=what):
            return f"{name} {what}"
        case _:
            return name
