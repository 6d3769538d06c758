"""The log can be proven: every change of what is stored is found, and what is done is in it."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from better_paas.audit import service as audit
from better_paas.audit.archive import prove
from better_paas.audit.notes import Signer
from better_paas.audit.verify import read_anchors
from better_paas.db.sqlite import FILE_NAME
from tests.api.test_agents import holding, make
from tests.stored import Refused, execute


async def write(platform, count: int, action: str = "app:stop") -> None:
    def unit(session):
        for number in range(count):
            audit.record(
                session,
                audit.Entry("admin", "admin", action, "success", f"r{action}{number}", resource_id=f"a{number}"),
            )

    await platform.database.write(unit)


def tamper(settings, *statements: str) -> None:
    for statement in statements:
        execute(settings, statement)


@pytest.fixture
async def log(platform, settings):
    """Two checkpoints over 300 entries, and an anchor of the second; gives a function that proves the log."""
    await write(platform, 200)
    await platform.checkpoints.make()
    await write(platform, 100)
    anchor = (await platform.checkpoints.make()).note

    def check(anchors: str = ""):
        return prove(settings.data_dir, settings.database_url, platform.checkpoints.signer.verifier, anchors)

    check.anchor = anchor
    return check


async def test_a_log_that_nobody_touched_is_proven(log):
    report = log(log.anchor)
    assert (report.ok, report.entries, report.checkpoints, report.anchors, report.uncovered) == (True, 300, 2, 1, 0)


TAMPERS = {
    "a changed byte": ["UPDATE audit_entries SET record = replace(record, 'admin', 'nobody') WHERE id = 150"],
    "a changed byte and its hash": ["UPDATE audit_entries SET record = replace(record, 'app:stop', 'app:list'), leaf = (SELECT leaf FROM audit_entries WHERE id = 149) WHERE id = 150"],
    "a dropped entry": ["DELETE FROM audit_entries WHERE id = 150"],
    "the first entry": ["DELETE FROM audit_entries WHERE id = 1"],
    "swapped entries": [
        "UPDATE audit_entries SET id = -1 WHERE id = 150", "UPDATE audit_entries SET id = 150 WHERE id = 151",
        "UPDATE audit_entries SET id = 151 WHERE id = -1",
    ],
    "an inserted entry": [
        "UPDATE audit_entries SET id = -id WHERE id > 150", "UPDATE audit_entries SET id = 1 - id WHERE id < 0",
        "INSERT INTO audit_entries (id, record, leaf) SELECT 151, record, leaf FROM audit_entries WHERE id = 150",
    ],
    "a cut tail": ["DELETE FROM audit_entries WHERE id > 250"],
    "a text that was taken away": ["UPDATE audit_entries SET record = NULL WHERE id = 150"],
    "a forged checkpoint": ["UPDATE audit_checkpoints SET note = replace(note, '300', '200') WHERE size = 300"],
    "a checkpoint of somebody else": ["UPDATE audit_checkpoints SET note = 'x' WHERE size = 300"],
    "a clock that was set back": [
        "UPDATE audit_entries SET record = replace(record, '\"createdAt\":\"20', '\"createdAt\":\"19') WHERE id > 250"
    ],
}  # fmt: skip


@pytest.mark.parametrize("how", TAMPERS)
async def test_each_change_is_found(log, settings, how):
    tamper(settings, *TAMPERS[how])
    report = log()
    assert not report.ok
    assert report.findings, how


@pytest.mark.parametrize("number", range(0, 260, 13))
async def test_any_byte_of_an_entry(log, settings, number):
    ((record,),) = execute(settings, "SELECT record FROM audit_entries WHERE id = 99")
    position = number % len(record)
    changed = record[:position] + chr(ord(record[position]) ^ 1) + record[position + 1 :]
    try:
        execute(settings, "UPDATE audit_entries SET record = ? WHERE id = 99", changed)
    except Refused:  # it is no JSON any more
        return
    assert any("entry 99 was changed" in finding for finding in log().findings)


async def test_an_old_copy_is_found_by_an_anchor_alone(log, platform, settings):
    # As a copy of the file from before the last hundred entries: whole in itself, and signed.
    tamper(settings, "DELETE FROM audit_entries WHERE id > 200", "DELETE FROM audit_checkpoints WHERE size > 200")
    assert log().ok
    report = log(log.anchor)
    assert not report.ok
    assert "an old copy was put in its place" in report.findings[0]


async def test_another_history_of_the_same_length_is_found_by_an_anchor(log, platform, settings):
    tamper(settings, "DELETE FROM audit_entries WHERE id > 200", "DELETE FROM audit_checkpoints WHERE size > 200")
    await write(platform, 100, "app:start")
    await platform.checkpoints.make()
    assert log().ok
    assert "does not fit" in log(log.anchor).findings[0]


async def test_many_anchors_in_one_text_and_nonsense(log):
    assert len(read_anchors(f"# kept by hand\n{log.anchor}\n\n{log.anchor}")) == 2
    assert "is not valid" in log("nonsense\n\u2014 x AAAA\n").findings[0]


async def test_an_intent_without_an_outcome_is_shown(driver, platform, settings, log):
    def unit(session):
        audit.record(session, audit.Entry("admin", "admin", "app:delete", "intent", "killed-request"))

    await platform.database.write(unit)
    report = await driver.post("/api/audit-logs/verify")
    assert (report["ok"], report["dangling"]) == (True, [301])


async def test_the_verify_call_takes_anchors(driver, log, settings):
    assert (await driver.post("/api/audit-logs/verify", anchors=log.anchor))["ok"]
    tamper(settings, "UPDATE audit_entries SET record = replace(record, 'admin', 'nobody') WHERE id = 5")
    report = await driver.post("/api/audit-logs/verify", anchors=log.anchor)
    assert report["findings"][0] == "entry 5 was changed"


async def test_checkpoints_come_by_number_and_at_the_stop(platform, settings):
    await write(platform, 1000)
    for _ in range(100):
        if await platform.database.read(audit.last_checkpoint):
            break
        await __import__("asyncio").sleep(0.02)
    assert (await platform.database.read(audit.last_checkpoint)).size == 1000
    await write(platform, 3)
    await platform.stop()
    report = prove(settings.data_dir, settings.database_url, platform.checkpoints.signer.verifier)
    assert (report.ok, report.uncovered) == (True, 0)


async def test_pruning_exports_first_and_the_rest_still_proves(driver, platform, settings, log):
    from datetime import UTC, datetime

    middle = datetime.now(UTC).isoformat()
    await write(platform, 5, "app:rename")
    done = await driver.post("/api/audit-logs/prune", before=middle)
    assert done["pruned"] == 300
    lines = Path(done["file"]).read_text().splitlines()
    assert len(lines) == 300
    report = log(log.anchor)
    assert (report.ok, report.pruned) == (True, 300)
    listed = (await driver.client.get("/api/audit-logs", params={"limit": 500})).json()
    assert {entry["action"] for entry in listed} >= {"app:rename", "audit:prune"}
    assert "app:stop" not in {entry["action"] for entry in listed}
    exported = (await driver.client.get("/api/audit-logs/export")).text.splitlines()
    assert len(exported) < 20
    await driver.post("/api/audit-logs/prune", status=400, before="soon")


async def test_filters_pages_and_exports(driver, platform, log):
    async def get(**query):
        response = await driver.client.get("/api/audit-logs", params={"limit": 500, **query})
        assert response.status_code == 200, response.text
        return response.json()

    assert [entry["resourceId"] for entry in await get(resource="a7")] == ["a7", "a7"]
    assert [entry["resourceId"] for entry in await get(resource="a7", action="app:stop", actor="admin")] == ["a7", "a7"]
    assert len(await get(outcome="success")) == 300
    assert await get(text="nothing like this") == []
    moment = (await get(limit=1))[0]["createdAt"]
    assert all(entry["createdAt"] < moment for entry in await get(until=moment))
    assert await get(since="2099-01-01") == []
    first = await driver.client.get("/api/audit-logs", params={"limit": 100})
    second = await driver.client.get("/api/audit-logs", params={"limit": 100, "cursor": first.headers["X-Next-Cursor"]})
    numbers = [int(entry["id"]) for entry in [*first.json(), *second.json()]]
    assert numbers == list(range(numbers[0], numbers[0] - 200, -1))
    lines = (await driver.client.get("/api/audit-logs/export", params={"from": 290})).text.splitlines()
    assert '"seq":290' in lines[0]
    ocsf = (await driver.client.get("/api/audit-logs/export", params={"format": "ocsf"})).text.splitlines()
    assert '"class_uid":6003' in ocsf[0]


async def test_what_is_in_an_entry(driver, platform):
    app = await driver.live("shop")
    made = await make(driver, scopes=["apps:read", "apps:write"])
    async with holding(platform, made["token"], "203.0.113.7") as agent:
        agent.headers["X-Better-PaaS-Client"] = "mcp:claude-code"
        await agent.post("/api/apps/stop", json={"id": app["id"]})
        await agent.get("/api/apps/runtime-logs", params={"id": app["id"]})
        await agent.get("/api/audit-logs")
    entries = (await driver.client.get("/api/audit-logs", params={"actor": made["id"]})).json()
    denied, read, outcome, intent = entries[:4]
    assert (denied["outcome"], denied["decision"], denied["error"]) == (
        "denied",
        "deny",
        "Forbidden: admin token required",
    )
    assert (read["action"], read["outcome"]) == ("app:runtime_logs", "success")
    assert (intent["outcome"], outcome["outcome"]) == ("intent", "success")
    assert intent["requestId"] == outcome["requestId"]
    assert intent["argsDigest"] == outcome["argsDigest"] != ""
    wanted = {
        "actorType": "agent", "actorName": "ci", "action": "app:stop", "resourceType": "app", "resourceId": app["id"],
        "resourceName": "shop", "ipAddress": "203.0.113.7", "source": "mcp:claude-code", "status": 200,
    }  # fmt: skip
    assert wanted.items() <= outcome.items()


async def test_a_flood_of_guesses_is_one_line(driver, platform, anonymous):
    good = anonymous.headers.pop("Authorization")
    for _ in range(50):
        await anonymous.get("/api/apps", headers={"Authorization": "Bearer wrong"})
    await platform._flush_failures()
    anonymous.headers["Authorization"] = good
    entries = (await driver.client.get("/api/audit-logs", params={"action": "auth:verify"})).json()
    assert sum(entry["count"] for entry in entries) == 50
    assert len(entries) == 6


async def test_a_change_that_can_not_be_audited_is_refused_and_reads_go_on(driver, platform, settings):
    app = await driver.live("shop")
    tamper(settings, "ALTER TABLE audit_entries RENAME TO elsewhere")
    answer = await driver.client.post("/api/apps/stop", json={"id": app["id"]})
    assert (answer.status_code, answer.json()["error"]) == (503, "The audit log can't be written")
    sensitive = await driver.client.get("/api/apps/runtime-logs", params={"id": app["id"]})
    assert sensitive.status_code == 503
    assert (await driver.client.get("/api/apps")).status_code == 200
    assert (await driver.app(app["id"]))["status"] == "running"
    tamper(settings, "ALTER TABLE elsewhere RENAME TO audit_entries")
    assert (await driver.client.post("/api/apps/stop", json={"id": app["id"]})).status_code == 200


async def test_pages_of_a_search_are_bounded_in_time(platform):
    await write(platform, 20_000)
    started = time.perf_counter()
    page = await platform.database.read(
        lambda session: audit.page(session, audit.Filters(text="nowhere", actor="admin"), 50, None)
    )
    assert time.perf_counter() - started < 1.0
    assert page.entries == []


async def test_pruning_twice_and_a_start_without_news_leave_a_log_that_proves(driver, platform, settings, log):
    from datetime import UTC, datetime

    for _ in range(2):
        await driver.post("/api/audit-logs/prune", before=datetime.now(UTC).isoformat())
        await write(platform, 5)
    report = log(log.anchor)
    assert report.ok, report.findings
    assert await platform.checkpoints.make()
    assert await platform.checkpoints.make() is None


async def test_an_empty_log_is_not_signed(platform, settings):
    assert await platform.checkpoints.make() is None


async def test_a_pruning_that_covers_itself_explains_nothing(log, platform, settings):
    def forged(session):
        payload = {"from": 1, "to": 10**9}
        audit.record(session, audit.Entry("system", "system", "audit:pruned", "success", "forged", payload=payload))

    await platform.database.write(forged)
    tamper(settings, "UPDATE audit_entries SET record = NULL WHERE id IN (3, 4)")
    assert "the text of entry 3 is gone" in log(log.anchor).findings[0]


@pytest.mark.parametrize("text", ["garbage", "three\nlines of\nnothing"])
async def test_anchors_that_can_not_be_read_prove_nothing(log, text):
    assert not log(text).ok
    assert not log(log.anchor + text).ok


async def test_anchors_in_the_form_of_syslog(log):
    report = log(log.anchor.replace("\n", "\\n"))
    assert (report.ok, report.anchors) == (True, 1)


async def test_a_removed_app_is_cut_from_open_streams_and_tickets(driver, platform):
    from better_paas import policy
    from better_paas.access.authenticate import refresh_caller
    from better_paas.access.authorize import check_targets
    from better_paas.access.caller import Caller
    from better_paas.errors import NotFound

    one, two = await driver.live("one"), await driver.live("two")
    made = await make(driver, scopes=["logs:read"], apps=[one["id"], two["id"]])
    action = policy.action_for("WS", "/ws/logs")
    holder = platform.agents.get(made["id"], __import__("better_paas.kit.clock", fromlist=["now"]).now())
    caller = Caller("agent", made["id"], "127.0.0.1", token_digest=holder.own.digest, holder=holder)
    await driver.post("/api/agents/update", id=made["id"], apps=[two["id"]])
    now = refresh_caller(platform, caller, action)
    await platform.database.read(lambda session: check_targets(session, action, now, {"appId": two["id"]}))
    with pytest.raises(NotFound):
        await platform.database.read(lambda session: check_targets(session, action, now, {"appId": one["id"]}))


async def test_the_difference_that_an_update_made(driver, platform):
    app = await driver.live("shop", envVars={"KEPT": "1", "CHANGED": "canary-old", "GONE": "x"}, gitToken="")
    changes = {
        "branch": "next",
        "envVars": {"KEPT": "1", "CHANGED": "canary-new", "ADDED": "y"},
        "gitToken": "canary-token",
    }
    await driver.post("/api/apps/update", id=app["id"], **changes)
    entries = (await driver.client.get("/api/audit-logs", params={"action": "app:update", "outcome": "success"})).json()
    assert entries[0]["diff"] == {
        "branch": ["", "next"], "gitToken": ["", "***"],
        "envVars": {"added": ["ADDED"], "removed": ["GONE"], "changed": ["CHANGED"]},
    }  # fmt: skip
    assert "canary" not in str(entries)


EMPTIED = ["DELETE FROM audit_entries", "DELETE FROM audit_checkpoints"]


async def test_of_an_emptied_log_nothing_can_be_known_but_by_what_was_kept(log, settings):
    tamper(settings, *EMPTIED)
    report = log()
    assert (report.ok, report.vouched, report.can_tell(datetime.now(UTC))) == (True, 0, False)
    assert "ends at entry 0, but anchor 1 says that it had 300" in log(log.anchor).findings[0]


async def test_an_emptied_log_is_found_by_checkpoints_and_by_how_far_its_copies_got(log, settings):
    tamper(settings, EMPTIED[0])
    assert "the checkpoint at 200 says that it had 200" in log().findings[0]
    tamper(
        settings, EMPTIED[1],
        "INSERT INTO audit_sinks (name, position, problem, changed_at) "
        "VALUES ('stream https://user:secret@logs.example.com', 290, '', '2026-01-01 00:00:00')",
    )  # fmt: skip
    assert log().findings == ["the log ends at entry 0, but 290 were there when its stream was written"]


async def test_a_log_without_checkpoints_is_believed_while_it_is_young(log, settings):
    tamper(settings, EMPTIED[1], "DELETE FROM audit_entries WHERE id > 10")
    report, moment = log(), datetime.now(UTC)
    assert (report.ok, report.entries) == (True, 10)
    assert report.can_tell(moment)
    assert not report.can_tell(moment + timedelta(minutes=3))


def verified(settings, *arguments: str) -> tuple[int, str]:
    """Exit code and words of the command."""
    environment = {
        **os.environ, "BETTER_PAAS_DATA_DIR": str(settings.data_dir), "DATABASE_URL": settings.database_url,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "better_paas", "audit", "verify", *arguments],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


async def test_the_command_says_by_its_exit_code_what_it_knows(log, settings, tmp_path):
    anchor = tmp_path / "anchor"
    anchor.write_text(log.anchor)
    assert verified(settings, "--anchor", str(anchor))[0] == 0
    code, words = verified(settings, "--anchor", str(tmp_path / "not-mounted"))
    assert (code, "can't be checked" in words) == (3, True)
    (tmp_path / "empty").write_text("")
    assert verified(settings, "--anchor", str(tmp_path / "empty"))[0] == 3
    tamper(settings, *EMPTIED)
    code, words = verified(settings)
    assert (code, "can't be known" in words, "is whole (" in words) == (3, True, False)
    assert verified(settings, "--anchor", str(anchor))[0] == 1
    (settings.data_dir / "audit.pub").unlink()
    assert verified(settings)[0] == 3


def test_what_is_no_log_can_not_be_checked(settings):
    if not settings.database_url:
        Signer.load(settings.data_dir, "test.better-paas/audit")
        (settings.data_dir / FILE_NAME).write_bytes(b"no database at all" * 100)
        code, words = verified(settings)
        assert (code, "Traceback" in words) == (3, False), words
