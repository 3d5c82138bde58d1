"""A machine with a TPM: its key moves into it, works from there over power cuts, and nowhere else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.appliance.shocks import Guest
from tests.appliance.store import BOOT_SECONDS, OTHERS, SOON, Store
from tests.simulators.tpm import SoftwareTpm

KEY_STORE = {
    "key_store": "tpm",
    "tpm_seconds": 120.0,
    "renewal_check_seconds": 20.0,
    "renewal_seconds": 900.0,
}
"""Of kiosk.toml, for a slow processor. What lies in clear beside a TPM is renewed at the first look."""

KEY = "/var/lib/madoguchi/own/kiosk.key"
SEALED = "BEGIN TSS2 PRIVATE KEY"


@asynccontextmanager
async def soldered(store: Store) -> AsyncIterator[None]:
    """A TPM of its own in the machine, from its next start on; afterwards the one that was there."""
    before, store.tpm = store.tpm, SoftwareTpm(soldered=True)
    try:
        await store.tpm.start()
        yield
    finally:
        await store.tpm.close()
        store.tpm = before


async def moves_in(guest: Guest) -> None:
    """The running kiosk, under all its restrictions, replaces a key in clear by one that the TPM has made."""
    store = guest.store
    async with asyncio.timeout(SOON):
        while SEALED not in (await store.shell(f"cat {KEY}"))[1]:  # noqa: ASYNC110 - a machine asked from outside
            await asyncio.sleep(1)
    await guest.until_idle()


async def is_renewed(guest: Guest) -> None:
    """Another process renews beside the running kiosk, with the TPM's few places; it takes the new key."""
    store, renewed = guest.store, '"certificate-renewed"'
    times = store.said().count(renewed)
    program = "/usr/lib/madoguchi/bin/madoguchi renewal-worker --config /etc/madoguchi/kiosk.toml"
    status, said = await store.shell(f"runuser -u madoguchi -G tss -- {program}")
    assert 0 == status, said
    await store.says(renewed, seconds=SOON, times=times + 1)


async def opens_to_the_kiosk_alone(store: Store) -> list[str]:
    """Users of the machine who can open its TPM, and may not."""
    found = []
    for user in OTHERS:
        as_user = f"setpriv --reuid {user} --regid {user} --init-groups"
        status, _ = await store.shell(f"{as_user} sh -c 'exec 3<>/dev/tpmrm0'")
        found += [] if status else [f"{user} can open the TPM"]
    return found


async def powers_up(guest: Guest) -> None:
    """After a power cut of machine and TPM it serves again, by the key that was sealed before."""
    store = guest.store
    assert store.tpm is not None
    await store.kill_kiosk()
    await store.tpm.cut()
    store.lose_power()
    await store.tpm.start()
    await store.start_kiosk()
    await guest.until_idle()


async def is_worthless_elsewhere(guest: Guest) -> None:
    """The same disk beside another TPM: nobody is served, and the reason has its name."""
    store = guest.store
    await store.kill_kiosk()
    store.lose_power()
    async with soldered(store):
        await store.start_kiosk()
        await guest.world.eyes.until_screen("out_of_service", seconds=BOOT_SECONDS)
        await store.says("tpm-other", seconds=SOON)
        await store.kill_kiosk()
