"""Who is refused, and by what: every rule of wfext.ui.guard and of the forms, one request each."""

import json
import os
from pathlib import Path

import pytest
import ui_page
import ui_shop

pytestmark = pytest.mark.skipif(not ui_page.IS_SET_UP, reason=ui_page.NOT_SET_UP)

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    path = tmp_path_factory.mktemp("shop") / "shop.db"
    ui_shop.make(path)
    return path


@pytest.fixture(scope="module")
def page(shop):
    served = ui_page.Served(shop, write=True)
    yield served
    served.close()


@pytest.fixture(scope="module")
def reading(shop):
    """A page without --write."""
    served = ui_page.Served(shop)
    yield served
    served.close()


def statuses(page):
    return ui_shop.wfext.Database(page, synchronous="off").connect().execute("SELECT status, sum(count) FROM wf_stats GROUP BY status").fetchall()


def test_nothing_without_the_token(page):
    for path in ("/", "/workflows", "/workflow?id=order-42", "/static/page.js", "/nothing", "/value?id=order-42&what=input"):
        answer = page.ask("GET", path)
        assert (answer.status, "order" in answer.text) == (403, False), path
    assert page.ask("GET", "/?token=").status == 403
    assert page.ask("GET", "/?token=" + page.token[:-1] + "x").status == 403
    assert page.ask("GET", "/", {"Cookie": f"wfext_{page.port}={page.token}"}).status == 403  # the token is no cookie
    assert page.ask("POST", "/act?token=" + page.token, {"Origin": page.origin}, b"action=pause").status == 403


def test_the_token_becomes_a_cookie_named_by_the_port(page):
    answer = page.ask("GET", f"/workflows?status=failed&token={page.token}")
    assert answer.status == 303 and answer.headers["location"] == "/workflows?status=failed"
    name, *marks = [each.strip() for each in answer.headers["set-cookie"].split(";")]
    assert name.startswith(f"wfext_{page.port}=") and page.token not in name
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(marks)
    assert page.ask("GET", f"//evil.example/?token={page.token}").headers["location"] == "/evil.example/"


def test_the_cookie_of_another_page_opens_nothing(page, reading):
    assert page.get("/").status == 200
    assert page.ask("GET", "/", {"Cookie": reading.cookie}).status == 403
    assert page.ask("GET", "/", {"Cookie": f"wfext_{page.port}={reading.cookie.split('=')[1]}"}).status == 403


def test_host(page):
    for host in (page.host, f"localhost:{page.port}", f"[::1]:{page.port}", f"LOCALHOST:{page.port}"):
        assert page.ask("GET", "/", {"Cookie": page.cookie}, host=host).status == 200, host
    for host in ("evil.example", f"evil.example:{page.port}", "127.0.0.1", f"127.0.0.1:{page.port + 1}", f"127.0.0.1.evil.example:{page.port}"):
        answer = page.ask("GET", "/", {"Cookie": page.cookie}, host=host)
        assert (answer.status, "order" in answer.text) == (421, False), host


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": None},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=str,
)
def test_forms_from_elsewhere(page, shop, headers):
    before = statuses(shop)
    answer = page.post("pause", id="order-1999139", headers=headers)
    assert answer.status == 403 and "another site" in answer.text
    assert statuses(shop) == before


def test_forms_of_its_own(page):
    for origin in (page.origin, page.origin.upper()):
        assert page.note(page.post("pause", id="order-1999138", headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"}))
        assert page.note(page.post("resume", id="order-1999138"))


def test_no_action_without_write(reading, shop):
    before = statuses(shop)
    for action, fields in {"pause": {"id": "order-1999139"}, "signal": {"id": "order-42", "signal": "approval"}, "fire": {"name": "poll"}, "pause-queue": {"name": "bulk"}}.items():
        answer = reading.post(action, **fields)
        assert answer.status == 403 and "--write" in answer.text, action
    assert statuses(shop) == before
    assert reading.get("/bulk").status == 403
    for path in ("/", "/workflows", "/workflow?id=order-42", "/in-doubt", "/schedules", "/queues", "/errors"):
        assert 'method="post"' not in reading.get(path).text, path


@pytest.mark.skipif(not os.path.exists("/proc/self/fdinfo"), reason="only Linux says how a file is open")
def test_a_page_that_reads_has_the_file_open_to_read(reading, shop):
    """mode=ro: not even a mistake of the page could write."""
    assert reading.get("/").status == 200
    folder = f"/proc/{reading.process.pid}"
    open_files = [fd for fd in os.listdir(folder + "/fd") if os.path.realpath(f"{folder}/fd/{fd}") == os.path.realpath(shop)]
    flags = [int(Path(f"{folder}/fdinfo/{fd}").read_text().split("flags:")[1].split()[0], 8) for fd in open_files]
    assert flags and all(each & os.O_ACCMODE == os.O_RDONLY for each in flags)


def test_headers_on_every_answer(page):
    asked = [page.get(path) for path in ("/", "/workflows", "/nothing", "/workflows?status=nothing", "/static/page.css", "/static/none.css", "/value?id=order-42&what=input", "/workflow?id=none")]
    asked += [page.ask("GET", "/"), page.ask("GET", "/", host="evil.example"), page.post("pause", id="none"), page.post("none"), page.ask("DELETE", "/", {"Cookie": page.cookie, "Origin": page.origin})]
    for answer in asked:
        for name, value in HEADERS.items():
            assert answer.headers.get(name) == value, (name, answer)
        assert answer.headers.get("cache-control") == "no-store" or answer.status in (200, 304), answer
        assert "server" not in answer.headers


def test_what_there_is_not(page):
    found = {path: page.get(path).status for path in ("/nothing", "/workflow?id=none", "/workflow", "/value?id=order-42&what=seq", "/value?id=none&what=input", "/definitions?name=none", "/static/../guard.py", "/static/%2e%2e/guard.py")}
    assert set(found.values()) == {404}, found
    assert 'href="/static/page.css"' in page.get("/static/nothing.css").text  # it looks like the others
    assert page.get("/act").status == 405
    for name in ("/etc/passwd", "../shop.db", "other.db"):
        answer = page.get(f"/?file={name}")
        assert answer.status == 404 and "no file of this page" in answer.text


@pytest.mark.parametrize("query", ["status=nothing", "since=yesterday", "before=x", "before=-1", "status=failed&status=x", "since=999999w", "since=0001-01-01", "since=9999-12-31T23:59:59-10:00"])
def test_a_filter_that_means_nothing(page, query):
    answer = page.get("/workflows?" + query)
    assert answer.status == 400 and "cannot be asked" in answer.text


def test_forms_that_are_wrong(page):
    assert page.post("none").status == 400
    assert page.post("").status == 400
    assert page.post("pause").status == 400  # no id
    assert page.post("signal", id="order-42").status == 400
    assert page.post("resolve", id="payout-1", step="transfer", verdict="maybe").status == 400
    assert page.post("pause", id="x", headers={"Content-Type": "application/json"}).status == 415
    assert page.post("pause", id="x", headers={"Content-Type": "text/plain"}).status == 415
    assert page.post("signal", id="order-42", signal="approval", payload="x" * 4_100_000).status == 413
    for headers, status in [({"Origin": "http://example.org"}, 403), ({"Content-Type": "text/plain"}, 415), ({}, 413)]:  # its end is read: no reset takes the refusal from who still sends
        assert page.post("signal", id="order-42", signal="approval", payload="x" * 20_000_000, headers=headers).status == status
    assert page.post("pause", [("ids", str(n)) for n in range(5001)]).status == 400


def test_a_filter_that_is_misspelled_is_not_all_workflows(page, shop):
    before = statuses(shop)
    answer = page.post("cancel", all="1", filter="statuss=failed")
    assert answer.status == 400 and "no filter statuss" in answer.text
    assert statuses(shop) == before


def test_json_that_is_too_deep_is_the_engines_to_refuse(page):
    assert "WF_INVALID" in page.note(page.post("signal", id="order-42", signal="note", payload="[" * 100_000))[0]


def test_it_speaks_no_websocket(page):
    headers = {"Cookie": page.cookie, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    assert page.ask("GET", "/", headers).status in (200, 403)  # (200 where the server has no library for it, and takes it for a request)


def test_an_action_leads_nowhere_else(page):
    for back in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "/\r\nX: y", ""):
        answer = page.post("pause", id="order-1999137", back=back)
        assert answer.status == 303 and answer.headers["location"].startswith("/?note="), back
        page.post("resume", id="order-1999137")
    assert page.post("pause", id="order-1999137", back="/workflows?status=pending").headers["location"].startswith("/workflows?status=pending&note=")
    page.post("resume", id="order-1999137")


def test_an_address_says_nothing_of_its_own(page):
    """A link cannot put words into the page's mouth: what an action did is kept here, and the address has a name for it."""
    assert ui_page.notes(page.get("/workflows?note=Your+file+is+lost").text) == []


def test_the_engines_refusals_are_shown(page):
    assert "WF_NOT_FOUND" in page.note(page.post("pause", id="none"))[0]
    assert "WF_STATE" in page.note(page.post("delete", id="order-42"))[0]
    assert "WF_" in page.note(page.post("resolve", id="order-42", step="none", verdict="done"))[0]
    assert "WF_NOT_FOUND" in page.note(page.post("pause-schedule", name="none"))[0]


def test_who_and_when_are_logged(shop, tmp_path):
    served = ui_page.Served(shop, write=True)
    served.post("pause", id="order-1999136")
    served.post("resume", id="order-1999136")
    served.post("pause", id="none\nforged")
    lines = served.close()
    assert [(line["action"], line["id"], line.get("changed")) for line in lines] == [("pause", "order-1999136", 1), ("resume", "order-1999136", 1), ("pause", "none\nforged", None)]
    for line in lines:
        assert line["who"] and line["from"] == "127.0.0.1" and line["file"] == str(shop) and line["at"].endswith("+00:00")
    assert "WF_" in lines[2]["error"]
    log = tmp_path / "actions.log"
    served = ui_page.Served(shop, write=True, log=log)
    served.post("pause", id="order-1999136")
    served.post("resume", id="order-1999136")
    assert served.close() == []
    assert [json.loads(line)["action"] for line in log.read_text().splitlines()] == ["pause", "resume"]


@pytest.mark.parametrize("hosts", [[], ["ops.example.org"]], ids=["alone", "behind another"])
def test_the_address_in_the_log_is_not_the_callers_choice(shop, hosts):
    served = ui_page.Served(shop, write=True, hosts=hosts)
    served.post("pause", id="none", headers={"X-Forwarded-For": "192.0.2.7"})
    assert [line["from"] for line in served.close()] == ["192.0.2.7" if hosts else "127.0.0.1"]


def test_the_log_of_a_step_has_the_address_too(shop):
    served = ui_page.Served(shop, write=True)
    served.post("fork", [("from", "charge"), ("new_id", "forked-by-a-test")], id="order-42")
    served.post("retry", [("from", "none")], id="order-42")
    forked, retried = served.close()
    assert (forked["from"], forked["from_step"], forked["id"]) == ("127.0.0.1", "charge", "order-42"), forked
    assert forked.get("made") == "forked-by-a-test" or "error" in forked
    assert retried["from"] == "127.0.0.1" and retried["id"] == "order-42"


def test_a_host_that_others_reach_needs_names(tmp_path):
    with pytest.raises(AssertionError, match="others could reach the page"):
        ui_page.Served(tmp_path / "none.db", host="0.0.0.0")
