"""`better-paas keys`: the keys that seal stored secrets."""

from cyclopts import App

from better_paas.commands.local import call, fail, read_state
from better_paas.settings import load_or_exit

app = App(name="keys", help="Show, change or prove the keys that seal stored secrets.")


@app.default
def show() -> None:
    """Show which keys are in use."""
    answer = call("GET", "/api/keys")
    print(f"Source  {answer['source']}")
    for key in answer["keys"]:
        state = "seals" if key["active"] else ("no longer used" if key["retiredAt"] else "being replaced")
        print(f"{key['id']}  since {key['createdAt'][:10]}  {state}")


@app.command
def rotate() -> None:
    """Make a new key; everything stored is then sealed with it, while the server works on."""
    answer = call("POST", "/api/keys/rotate")
    print(f"Key {answer['id']} seals from now on; stored secrets are being sealed with it.")
    print("'better-paas keys verify' shows when all are.")


@app.command
def verify() -> None:
    """Open every stored secret, also while no server runs. Exit code 1 if one can't be opened."""
    from better_paas.bootstrap import key_source
    from better_paas.db.sealed import KEYRING
    from better_paas.errors import StartRefused
    from better_paas.kit.crypto import Keyring
    from better_paas.vault import service
    from better_paas.vault.slots import SLOTS

    found = load_or_exit()
    try:
        ring = Keyring(key_source(found, found.data_dir).load(create=False))
    except StartRefused as error:
        fail(str(error), error.hint)
    inventory = read_state(lambda session: service.inventory(session, SLOTS), {KEYRING: ring})
    for key_id, count in sorted(inventory.keys.items()):
        print(f"{count} secrets sealed with key {key_id}" + ("" if key_id == ring.active.id else " (an older one)"))
    if inventory.clear:
        print(f"{inventory.clear} stored in the clear; they are sealed at the next start")
    if inventory.faults:
        fail("\n".join(f"can't be opened: {fault}" for fault in inventory.faults), "Set these values again.")
    print(f"All {inventory.values} can be opened.")
