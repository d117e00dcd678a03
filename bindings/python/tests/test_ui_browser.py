"""The page in a browser: headless Chromium. Each page in light, dark and at a phone's width; live, with keys, with buttons; what was stored runs nowhere.

Pictures of what was seen are left in build/screenshots.
"""

import base64
import contextlib
import json
import os
import shutil
import sys
import time

import pytest
import ui_page
import ui_shop

pytestmark = pytest.mark.skipif(not (ui_page.IS_SET_UP and shutil.which("chromium") and shutil.which("chromedriver")), reason="a browser is not set up (scripts/setup.sh ui browser)")

PICTURES = ui_page.ROOT / "build" / "screenshots"
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync
    --disable-dev-shm-usage --hide-scrollbars --force-color-profile=srgb""".split()

PAGES = {
    "overview": "/",
    "workflows": "/workflows",
    "workflow": "/workflow?id=order-42&step=charge",
    "failed": "/workflow?id=order-1999135",
    "scripted": "/workflow?id=fulfil-1",
    "bulk": "/bulk?status=failed",
    "errors": "/errors",
    "in-doubt": "/in-doubt",
    "definitions": "/definitions?name=fulfil",
    "queues": "/queues",
    "schedules": "/schedules",
    "doctor": "/doctor",
    "nothing": "/workflow?id=none",
}


class Browser:
    """A tab; `go` opens an address of the page and fails where the browser complains of anything."""

    def __init__(self, folder):
        sys.path.append(str(ui_page.LIBRARIES))
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in [*FLAGS, f"--user-data-dir={folder}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        options.set_capability("unhandledPromptBehavior", "accept")
        # (what is loaded into Python for a run with sanitizers, or with an old SQLite, is not for a browser)
        env = {key: value for key, value in os.environ.items() if key not in ("LD_PRELOAD", "LD_LIBRARY_PATH")}
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver"), env=env))
        self.looks("light", 1360, 900)
        self.origin = None

    def looks(self, scheme, width, height):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})

    def enter(self, page):
        self.origin = page.origin
        self.driver.get(page.address)
        self.complaints()

    def go(self, path):
        self.driver.get(self.origin + path)

    def complaints(self):
        """What the browser has said since the last time: errors of scripts, refusals of the policy, missing files."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def find(self, css):
        return self.driver.find_element("css selector", css)

    def press(self, css, label=None):
        """Clicks what is found, by the mouse, where it is: what is covered or out of reach fails. (The page lives: what was found may have been replaced before it is clicked.)"""
        from selenium.common.exceptions import StaleElementReferenceException

        while True:
            try:
                for each in self.driver.find_elements("css selector", css):
                    if label in (None, each.text.strip()):
                        each.click()
                        return
            except StaleElementReferenceException:
                continue
            raise AssertionError(f"no {css} {label or ''}: {self.text()}")

    def text(self, css="main"):
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", css)

    def until(self, what, script, *arguments):
        """Waits until the script gives something true, and returns it. (While one page goes and the next one comes there may be no body for it to look at.)"""
        from selenium.common.exceptions import JavascriptException

        end = time.monotonic() + 60
        failed = None
        while time.monotonic() < end:
            try:
                found = self.run(script, *arguments)
            except JavascriptException as error:
                found, failed = None, error
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"never came: {what}; at {self.driver.current_url} the page says:\n{self.text('body')}") from failed

    def shoot(self, name, whole=True):
        size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"clip": {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 3000), "scale": 1}} if whole else {}
        PICTURES.mkdir(parents=True, exist_ok=True)
        picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": whole, **clip})["data"]
        (PICTURES / f"{name}.png").write_bytes(base64.b64decode(picture))


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.driver.quit()


@pytest.fixture
def browser(chromium):
    chromium.looks("light", 1360, 900)
    yield chromium
    chromium.driver.get("about:blank")
    chromium.driver.get_log("browser")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A file of the real clock: what stands on the page stands in the present."""
    return ui_shop.make(tmp_path_factory.mktemp("demo", numbered=False) / "app.db", now=time.time(), stands=False)


@pytest.fixture(scope="module")
def page(shop):
    served = ui_page.Served(shop.path, write=True)
    yield served
    served.close()


@pytest.fixture
def own(tmp_path, browser):
    """A file of the test's own, in the browser: (its shop, its page)."""
    made = ui_shop.make(tmp_path / "shop.db", now=time.time(), stands=False)
    served = ui_page.Served(made.path, write=True)
    browser.enter(served)
    yield made, served
    served.close()


LUMINANCE = """
const rgb = (c) => { const x = document.createElement('canvas').getContext('2d'); x.fillStyle = c; x.fillRect(0, 0, 1, 1); return [...x.getImageData(0, 0, 1, 1).data].slice(0, 3); };
const light = (c) => { const [r, g, b] = rgb(c).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
const back = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (c !== 'rgba(0, 0, 0, 0)' && !c.includes('/')) return c; } return 'white'; };
"""

# Text whose contrast with what is behind it is below 4.5 (WCAG AA)
PALE = LUMINANCE + """
const found = {};
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const e = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || e.closest('svg, script, .zero, footer, [hidden], .skip') || !e.checkVisibility() || getComputedStyle(e).pointerEvents === 'none') continue;
  const [a, b] = [light(getComputedStyle(e).color), light(back(e))].sort((x, y) => y - x);
  if ((a + .05) / (b + .05) < 4.5) found[`${e.nodeName}.${e.className}: ${walk.currentNode.data.trim().slice(0, 40)}`] = ((a + .05) / (b + .05)).toFixed(2);
}
return found;
"""


@pytest.mark.parametrize("look", ["light", "dark", "phone", "dark-phone"])
def test_every_page(browser, page, look):
    """Opens without a complaint, has a title, a heading and one place for the content, fits the width, and can be read."""
    browser.looks("dark" if "dark" in look else "light", *((390, 844) if "phone" in look else (1360, 900)))
    browser.enter(page)
    for name, path in PAGES.items():
        browser.go(path)
        browser.until("the script", "return document.querySelector('.live').dataset.is === 'live' || !document.body.dataset.mark")
        browser.shoot(f"{name}-{look}")
        complaints = [each for each in browser.complaints() if not (name == "nothing" and "404" in each)]
        assert complaints == [], (name, complaints)
        assert browser.driver.title.endswith(" · demo/app.db") and not browser.driver.title.startswith(" "), name
        assert browser.run("return [document.querySelectorAll('h1').length, document.querySelectorAll('main').length, document.documentElement.lang]") == [1, 1, "en"], name
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth"), (name, look)
        assert browser.run("return [...document.querySelectorAll('a, button, input:not([type=hidden]), select, textarea')].filter(e => e.checkVisibility() && !(e.innerText || e.ariaLabel || e.labels?.length || e.title || e.getAttribute('aria-label'))).map(e => e.outerHTML)") == [], name
        dark = browser.run(LUMINANCE + "return light(back(document.querySelector('main'))) < .1")
        assert dark == ("dark" in look), name
        assert browser.run(PALE) == {}, (name, look)


# Cells that stand out of the card that they are in
OUT = """
const isCut = e => { for (; e && e.nodeName !== 'SECTION'; e = e.parentElement) if (getComputedStyle(e).overflowX === 'hidden') return true; };
return [...document.querySelectorAll('main section')].flatMap(card => [...card.querySelectorAll('td, th, dd, li, a, h2')].filter(e => e.checkVisibility() && !isCut(e.parentElement)
  && e.getBoundingClientRect().right > card.getBoundingClientRect().right).map(e => `${card.getAttribute('aria-labelledby')}: ${e.textContent.slice(0, 40)}`));
"""


@pytest.mark.parametrize("width", [1345, 1000, 390])
def test_nothing_stands_out_of_its_card(browser, tmp_path, width):
    """However long the names are."""
    db = ui_shop.wfext.Database(tmp_path / "long.db", synchronous="off").connect()

    def call(function, *arguments, **options):
        bound = [*arguments, json.dumps(options)] if options else arguments
        return db.execute(f"SELECT {function}({', '.join('?' * len(bound))})", bound).fetchone()[0]

    long = "of_a_customer_" * 6
    call("wf_start", "job", None, id="many", max_attempts=9, tags={long: long}, headers={long: long}, partition=long)
    for i in range(3):
        token = json.loads(call("wf_claim", "default", f"worker-{i}-of-the-host-with-a-long-name", id="many"))["token"]
        call("wf_set", token, long, json.dumps(long))
        call("wf_append", token, long, json.dumps(long))
        call("wf_signal", "many", f"{long}{i}", json.dumps(long))
        call("wf_spawn", token, f"{long}{i}", "job", "1")
        call("wf_fail", token, json.dumps({"type": "ConnectionError", "message": f"gateway timeout after 1000 ms at {long}"}), step=long, delay=0)
    page = ui_page.Served(tmp_path / "long.db", write=True)
    try:
        browser.looks("light", width, 900)
        browser.enter(page)
        browser.go("/workflow?id=many")
        browser.shoot(f"long-{width}")
        assert browser.run("return [...document.querySelectorAll('.failures td')].length") >= 15
        assert browser.run(OUT) == []
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    finally:
        page.close()


def test_the_theme_can_be_switched(browser, page):
    browser.enter(page)
    browser.run("localStorage.clear()")
    browser.find("[data-theme-switch]").click()
    assert browser.run(LUMINANCE + "return light(back(document.querySelector('main'))) < .1")
    browser.go("/workflows")
    assert browser.run("return document.documentElement.dataset.theme") == "dark"
    browser.find("[data-theme-switch]").click()
    assert not browser.run(LUMINANCE + "return light(back(document.querySelector('main'))) < .1")
    browser.run("localStorage.clear()")


def test_keys(browser, page):
    from selenium.webdriver.common.keys import Keys

    browser.enter(page)

    def press(*keys):
        browser.driver.switch_to.active_element.send_keys(*keys)

    press("g")
    press("w")
    browser.until("the list", "return location.pathname === '/workflows'")
    press("j")
    press("j")
    second = browser.run("return document.querySelectorAll('[data-row]')[1].getAttribute('href')")
    assert browser.run("return document.activeElement.getAttribute('href')") == second
    press("/")
    assert browser.run("return document.activeElement.name") == "id"
    press("order-42", Keys.ENTER)
    browser.until("what was found", "return location.search.includes('id=order-42')")
    press("j")
    press(Keys.ENTER)
    browser.until("the workflow", "return location.pathname === '/workflow'")
    browser.go("/")
    press(Keys.TAB)
    assert browser.run("return document.activeElement.className") == "skip"  # the first stop leads past the bar


# Live

COUNT = """
window.asked = []; const real = window.fetch;
window.fetch = async (...a) => { const answer = await real(...a); window.asked.push(answer.status); return answer; };
"""


def test_what_changes_appears(browser, own):
    """Without loading the page again: what was typed, open and focused stays. Nothing changed: 204."""
    shop, _ = own
    browser.go("/workflow?id=order-1999139")
    browser.run("window.same = true; document.querySelector('.facts a').focus();" + COUNT)
    browser.until("a 204", "return window.asked.includes(204)")
    assert "pending" in browser.text(".big.state")
    shop.end = time.time()
    shop.call("wf_step", shop.claim(0, "worker-9", "order-1999139", 300), "reserve", '"a new step"')
    browser.until("the step", "return document.querySelector('main').innerText.includes('a new step')")
    assert "running" in browser.text(".big.state") and browser.driver.title.startswith("order-1999139 running")
    assert browser.run("return window.same && document.activeElement === document.querySelector('.facts a')")
    assert browser.complaints() == []


def test_a_stream_is_read_live(browser, own):
    shop, _ = own
    shop.end = time.time()
    token = shop.claim(0, "worker-9", "order-1999139", 300)
    shop.call("wf_append", token, "tokens", '"once"')
    browser.go("/workflow?id=order-1999139")
    assert "once" in browser.text()
    for word in ("upon", "a", "time"):
        shop.call("wf_append", token, "tokens", f'"{word}-"')
        browser.until(word, "return document.querySelector('main').innerText.includes(arguments[0])", f'"{word}-"')


def test_not_while_selecting_or_writing(browser, own):
    shop, _ = own
    browser.go("/workflows")
    browser.run(COUNT)
    browser.find("input[name=ids]").click()
    browser.until("that it holds", "return document.querySelector('.live').dataset.is === 'held'")
    asked = browser.run("return window.asked.length")
    shop.call("wf_start", "order", "{}", id="order-new")
    time.sleep(4.5)  # two beats: that nothing comes cannot be waited for otherwise
    assert browser.run("return window.asked.length") == asked and "order-new" not in browser.text()
    assert browser.text("[data-count]") == "1 selected"
    browser.find("input[name=ids]").click()
    browser.until("the new one", "return document.querySelector('main').innerText.includes('order-new')")
    # A text that is selected, and a field in which somebody writes
    browser.run("getSelection().selectAllChildren(document.querySelector('td.id'))")
    browser.until("that it holds", "return document.querySelector('.live').dataset.is === 'held'")
    browser.run("getSelection().removeAllRanges()")
    browser.until("that it lives", "return document.querySelector('.live').dataset.is === 'live'")
    browser.find("input[data-find]").send_keys("ord")
    browser.until("that it holds", "return document.querySelector('.live').dataset.is === 'held'")
    assert browser.run("return document.querySelector('input[data-find]').value") == "ord"


def test_not_while_hidden(browser, own):
    """(Headless Chromium hides no tab: the page is told that it is hidden.)"""
    browser.go("/workflows")
    browser.run(COUNT + "Object.defineProperty(document, 'hidden', { configurable: true, get: () => true });")
    time.sleep(0.5)
    asked = browser.run("return window.asked.length")
    time.sleep(4.5)
    assert browser.run("return window.asked.length") == asked
    browser.run("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    browser.until("a question", f"return window.asked.length > {asked}")


def test_it_says_when_the_server_is_gone(browser, tmp_path):
    ui_shop.make(tmp_path / "shop.db")
    served = ui_page.Served(tmp_path / "shop.db")
    browser.enter(served)
    served.close()
    browser.until("that it is lost", "return document.querySelector('.live').dataset.is === 'lost'")


# Buttons


def test_an_action(browser, own):
    """Pause and resume by the buttons, then a signal by its form: the engine has it, and the page says so."""
    shop, _ = own

    def press(label):
        browser.run("[...document.querySelectorAll('main button')].find(b => b.textContent.trim() === arguments[0]).click()", label)

    browser.go("/workflow?id=order-42")
    press("Pause")
    browser.until("the note", "return document.querySelector('.note')?.innerText === 'order-42: paused'")
    assert shop.db.execute("SELECT wf_status('order-42')").fetchone() == ("paused",)
    press("Resume")
    browser.until("the note", "return document.querySelector('.note')?.innerText === 'order-42: resumed'")
    assert browser.run("return document.querySelector('input[name=signal]').value") == "approval"  # it knows what is waited for
    browser.find("textarea[name=payload]").send_keys('{"ok": true}')
    press("Send")
    browser.until("the note", "return document.querySelector('.note')?.innerText === 'Signal approval sent'")
    assert shop.db.execute("SELECT name, payload FROM wf_signals WHERE workflow_id = 'order-42'").fetchall() == [("approval", '{"ok": true}')]
    assert browser.complaints() == []


def click(browser, label, within="main"):
    browser.press(f"{within} button", label)


def row(browser, text, css):
    """The rows (or sections) that have the text, as a selector."""
    found = browser.run("return [...document.querySelectorAll(arguments[1])].filter(e => e.innerText.includes(arguments[0])).map(e => e.id)", text, css)
    assert len(found) == 1, found
    return f"[id='{found[0]}']"


def said(browser, text):
    browser.until(f"the note {text}", "return document.querySelector('.note')?.innerText.startsWith(arguments[0])", text)


def test_verdicts(browser, own):
    """Done with an output, retry, failed with an error: each of the three buttons, on the step that it stands at."""
    shop, _ = own
    shop.call("wf_start", "payout", "{}", at=100, id="payout-9", queue="payouts")
    for at, options in ((90, {}), (60, {"in_doubt": "hold"})):  # the first worker was lost
        token = json.loads(shop.call("wf_claim", "payouts", "worker-9", at=at, id="payout-9", lease=20))["token"]
        shop.call("wf_begin", token, "transfer", at=at - 2, **options)
    held = {id for (id,) in shop.db.execute("SELECT workflow_id FROM wf_in_doubt WHERE held")}
    assert held == {"payout-1", "payout-2", "payout-9"}
    browser.go("/in-doubt")
    for id, value, verdict in [("payout-1", '{"paid": true}', "Done"), ("payout-2", "no such account", "Failed"), ("payout-9", "", "Retry")]:
        section = row(browser, f"of {id}", "main section")
        browser.find(f"{section} input[name=value]").send_keys(value)
        click(browser, verdict, section)
        said(browser, f"Step transfer of {id}: {verdict.lower()}")
    status = dict(shop.db.execute("SELECT id, status FROM wf_workflows WHERE id GLOB 'payout-*'"))
    assert (status["payout-1"], status["payout-2"], status["payout-9"]) == ("pending", "failed", "pending")
    assert shop.db.execute("SELECT status, output FROM wf_steps WHERE workflow_id = 'payout-1'").fetchall() == [("done", '{"paid": true}')]
    assert "no such account" in shop.db.execute("SELECT wf_error('payout-2')").fetchone()[0]
    assert browser.complaints() == []


def test_schedules(browser, own):
    shop, _ = own
    (fired,) = shop.db.execute("SELECT count(*) FROM wf_workflows WHERE name = 'poll'").fetchone()
    browser.go("/schedules")
    click(browser, "Pause", row(browser, "nightly", "tbody tr"))
    said(browser, "nightly is paused")
    assert shop.db.execute("SELECT name FROM wf_schedules WHERE paused ORDER BY 1").fetchall() == [("monthly",), ("nightly",)]
    click(browser, "Resume", row(browser, "nightly", "tbody tr"))
    said(browser, "nightly goes on")
    assert shop.db.execute("SELECT name FROM wf_schedules WHERE paused").fetchall() == [("monthly",)]
    click(browser, "Fire now", row(browser, "poll", "tbody tr"))
    browser.driver.switch_to.alert.accept()
    said(browser, "poll has started ")
    assert shop.db.execute("SELECT count(*) FROM wf_workflows WHERE name = 'poll'").fetchone() == (fired + 1,)
    assert browser.complaints() == []


def test_queues(browser, own):
    shop, _ = own
    browser.go("/queues")
    click(browser, "Pause", row(browser, "bulk", "tbody tr"))
    browser.driver.switch_to.alert.dismiss()
    assert shop.db.execute("SELECT paused FROM wf_queues WHERE queue = 'bulk'").fetchone() == (0,)
    click(browser, "Pause", row(browser, "bulk", "tbody tr"))
    browser.driver.switch_to.alert.accept()
    said(browser, "Queue bulk is paused")
    assert shop.db.execute("SELECT paused, concurrency FROM wf_queues WHERE queue = 'bulk'").fetchone() == (1, 8)  # its limits stay
    click(browser, "Resume", row(browser, "imports", "tbody tr"))
    said(browser, "Queue imports goes on")
    assert shop.db.execute("SELECT queue FROM wf_queues WHERE paused").fetchall() == [("bulk",)]
    assert browser.complaints() == []


def test_a_button_does_what_it_says_after_a_change(browser, own):
    """Somebody else was faster, and the page has followed: its buttons are those of what stands beside them now."""
    shop, _ = own
    browser.go("/workflow?id=order-1999139")
    shop.end = time.time()
    shop.call("wf_pause", "order-1999139")
    browser.until("the other button", "return [...document.querySelectorAll('main button')].some(b => b.textContent.trim() === 'Resume')")
    forms = "return [...document.querySelectorAll('main form')].map(f => [...new FormData(f)].filter(([name]) => name !== 'back').join(' '))"
    followed = browser.run(forms)
    browser.driver.refresh()
    assert followed == browser.run(forms)  # as if it had been opened now
    click(browser, "Resume")
    said(browser, "order-1999139: resumed")
    assert shop.db.execute("SELECT wf_status('order-1999139')").fetchone() == ("pending",)
    browser.go("/queues")
    shop.call("wf_queue", "bulk", paused=True)
    browser.until("the other button", "return document.querySelector('[id=q-bulk] button')?.textContent.trim() === 'Resume'")
    click(browser, "Resume", "[id=q-bulk]")
    said(browser, "Queue bulk goes on")
    assert shop.db.execute("SELECT paused FROM wf_queues WHERE queue = 'bulk'").fetchone() == (0,)
    browser.go("/in-doubt")
    ids = browser.run("return [...document.querySelectorAll('main h2 a')].map(a => a.innerText)")
    assert set(ids[:2]) == {"payout-1", "payout-2"}
    browser.run("window.same = true")
    shop.call("wf_resolve", ids[0], "transfer", "retry")
    browser.until("that it is gone", "return document.querySelector('main h2 a').innerText === arguments[0]", ids[1])
    assert browser.run("return window.same")
    click(browser, "Retry", "main section")
    said(browser, f"Step transfer of {ids[1]}: retry")
    assert shop.db.execute("SELECT count(*) FROM wf_in_doubt WHERE held").fetchone() == (0,)


def test_a_step_opens_in_place(browser, own):
    browser.go("/workflow?id=order-1999135")
    browser.run("window.same = true")
    browser.find("tr[id^=t-s-] a[data-soft]").click()
    browser.until("the step", "return document.querySelector('tr.more')")
    assert browser.run("return window.same && location.search.includes('step=')") and "Retry from here" in browser.text("tr.more")
    browser.find("tr[id^=t-s-] a[data-soft]").click()
    browser.until("that it is closed", "return !document.querySelector('tr.more')")
    browser.run("[...document.querySelectorAll('tr[id^=t-s-] a[data-soft]')].find(a => a.innerText.includes('charge')).click()")
    browser.until("the step", "return document.querySelector('tr.more')?.innerText.includes('charge')")
    browser.run("window.confirm = (text) => { window.asks = text; return true; }")
    browser.run("[...document.querySelectorAll('tr.more button')].find(b => b.textContent === 'Retry from here').click()")
    browser.until("the note", "return document.querySelector('.note')?.innerText === 'order-1999135: to be tried again'")
    assert own[0].db.execute("SELECT wf_status('order-1999135')").fetchone() == ("pending",)


def test_a_bulk_action(browser, own):
    """Three that failed are selected, one of them by the keyboard, and tried again; then all that match are cancelled."""
    shop, _ = own
    browser.go("/workflows?status=failed")
    assert browser.find("button[value=retry]").get_attribute("disabled")
    boxes = browser.driver.find_elements("css selector", "input[name=ids]")
    chosen = [box.get_attribute("value") for box in boxes[:3]]
    boxes[0].click()
    boxes[1].click()
    boxes[2].send_keys(" ")
    assert browser.text("[data-count]") == "3 selected"
    browser.shoot("selecting", whole=False)
    browser.press("button[value=retry]")
    browser.until("the note", "return document.querySelector('.note')?.innerText === '3 workflows to be tried again'")
    assert {shop.db.execute("SELECT wf_status(?)", (id,)).fetchone() for id in chosen} == {("pending",)}
    browser.go("/workflows?name=import&queue=bulk")
    browser.press("a.button[href^='/bulk']")
    browser.until("the count", "return document.querySelector('main').innerText.includes('24 workflows match')")
    browser.run("window.confirm = (text) => { window.asks = text; return false; }")
    browser.press("button[value=cancel]")
    assert browser.run("return window.asks").startswith("Cancel 24?")
    assert shop.db.execute("SELECT count(*) FROM wf_workflows WHERE status = 'cancelled' AND queue = 'bulk'").fetchone() == (0,)
    browser.run("window.confirm = () => true")
    browser.press("button[value=cancel]")
    browser.until("the note", "return document.querySelector('.note')?.innerText === '24 workflows cancelled'")
    assert shop.db.execute("SELECT count(*) FROM wf_workflows WHERE status = 'cancelled' AND queue = 'bulk'").fetchone() == (24,)


# Stored text


def test_what_was_stored_runs_nowhere(browser, tmp_path):
    """HTML in every name and value: no script runs, no picture is asked for, the policy has nothing to refuse, and it can be read as it was written; after a live change, too."""
    import test_ui_pages

    db = test_ui_pages.make_evil(tmp_path / "evil.db")
    served = ui_page.Served(tmp_path / "evil.db", write=True)
    try:
        browser.enter(served)
        browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": "window.alert = () => { window.ran = true; };"})
        for n, path in enumerate(test_ui_pages.addresses()):
            browser.go(path)
            assert not browser.run("return window.ran"), path
            assert [each for each in browser.complaints() if "404" not in each] == [], path
            assert browser.run("return [document.scripts.length, document.querySelectorAll('main img, main script').length]") == [1, 0], path
        browser.go("/workflows")
        assert test_ui_pages.EVIL in browser.text()
        assert max(browser.run("return [...document.querySelectorAll('td.id')].map(e => e.offsetHeight)")) < 120  # long ids are cut, and not a letter wide
        browser.shoot("stored-html")
        db.execute("SELECT wf_start('x', NULL, ?)", ('{"id": "<script>alert(9)</script>-live"}',)).fetchall()
        browser.until("the new one", "return document.querySelector('main').innerText.includes('<script>alert(9)</script>-live')")
        assert not browser.run("return window.ran") and browser.complaints() == []
    finally:
        served.close()


def test_a_form_of_another_page_is_refused(browser, own, tmp_path):
    """Another page on the same machine, at another port, in the same browser, with the cookie: its form does nothing."""
    import http.server
    import threading

    shop, served = own
    form = f'<form method="post" action="{served.origin}/act"><input name="action" value="pause"><input name="id" value="order-1999139"><button>go</button></form>'

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(form.encode())

        def log_message(self, *_):
            pass

    # (a thread for each connection: browsers open some before they have anything to ask, and one thread would wait for those)
    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    try:
        browser.driver.get(f"http://127.0.0.1:{other.server_port}/")
        browser.find("button").click()
        browser.until("the refusal", "return document.body.innerText.includes('A form from another site is refused')")
        assert shop.db.execute("SELECT wf_status('order-1999139')").fetchone() == ("pending",)
    finally:
        other.shutdown()
        other.server_close()


if os.environ.get("WFEXT_PICTURES"):  # of docs/view.md: WFEXT_PICTURES=docs/view

    def test_pictures(browser, page):
        """The six of the documentation."""
        import pathlib

        global PICTURES
        PICTURES = pathlib.Path(os.environ["WFEXT_PICTURES"])
        browser.enter(page)
        for name, path, scheme, width, height in [
            ("overview", "/", "light", 1180, 1000),
            ("workflows", "/workflows", "light", 1180, 640),
            ("workflow", "/workflow?id=order-42&step=charge", "light", 1180, 1060),
            ("scripted", "/workflow?id=fulfil-1", "dark", 1180, 1010),
            ("in-doubt", "/in-doubt", "dark", 1180, 560),
            ("phone", "/workflow?id=order-42", "light", 390, 844),
        ]:
            browser.looks(scheme, width, height)
            browser.go(path)
            browser.until("the script", "return document.querySelector('.live').dataset.is === 'live'")
            browser.shoot(name, whole=False)
            with contextlib.suppress(ImportError):  # with Pillow: a palette, for half the size
                from PIL import Image

                Image.open(PICTURES / f"{name}.png").convert("RGB").quantize(128, dither=0).save(PICTURES / f"{name}.png", optimize=True)
