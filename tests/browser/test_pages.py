"""Every page that the product can show, from a real `serve`, in a real browser.

The tests hold rules and no layout: a new design that keeps the rules passes them unchanged. Most outcomes come from real presses: the
invitation's button, Microsoft's page, and back. Outcomes that need hours come from receipts that the test signs itself. At the end, the
tests print where the first button of each page is, and how many words a reader sees.
"""

import base64
import hashlib
import json
import os
import re
import struct
import time
import unittest
import uuid
import zlib
from pathlib import Path
from urllib.parse import quote, urlencode

from harness import APP, APP_SECRET, AXE, BINARY, KEY, PROJECT, Lambda, Programs, b64, call, free_ports, invitation, listens, signed, until

READER = "0a1b0000-0000-4000-8000-0000000000b1"
SIGN_IN = "0a1b0000-0000-4000-8000-0000000000b2"
HALF = "0a1b0000-0000-4000-8000-0000000000b3"
MORE = "0a1b0000-0000-4000-8000-0000000000b4"
ARCHIVE = "0a1b0000-0000-4000-8000-0000000000b5"
LATER = "0a1b0000-0000-4000-8000-0000000000b6"
WIDE = "0a1b0000-0000-4000-8000-0000000000b7"
APPLE = "f8d98a96-0999-43f5-8af3-69971c7bb423"
REVOKED = "7a1b0000-0000-4000-8000-000000000001"
DAY = 86_400

# The limits of an invitation for one app with three permissions. Switch them on when the page keeps them; until then they are printed.
BUTTON_ABOVE = {1280: 800, 360: 1_250}
MOST_WORDS = 220
INVITATION_KEEPS_LIMITS = True
# The most bytes of a page without the operator's logo.
MOST_BYTES = 20_480
# The least height of the button that stops a moving page, in CSS pixels.
LEAST_HEIGHT = 44

# A folder for pictures of the pages. scripts/screenshots sets it.
PICTURES = os.environ.get("ENTRA_CONSENT_TEST_PICTURES")
DOCUMENT = (PROJECT / "docs" / "pages.md").read_text()

WIDE_SCREEN, PHONE = (1280, 900, "light"), (360, 740, "dark")

CONFIG = """
[site]
name = "%(operator)s"
base_url = "%(site)s"
support = "support@northwind.example"
privacy_url = "https://northwind.example/privacy"
%(look)s
[keys]
secret = { file = "keys.json" }
[store]
path = "%(store)s"
[links]
revoked = ["%(revoked)s"]
[clouds.sandbox]
authority = "%(sandbox)s"
graph = "%(sandbox)s"
[[companions]]
id = "apple"
catalogue = "apple-internet-accounts"
cloud = "sandbox"
verified_by = "reader"
[[chains]]
id = "onboarding"
name = "%(chain)s"
steps = ["reader", "mail-backup", "apple"]
"""

APP_CONFIG = """
[[apps]]
id = "%(id)s"
client_id = "%(client)s"
name = "%(name)s"
cloud = "sandbox"
%(lines)s
[apps.permissions."Microsoft Graph"]
%(permissions)s
"""

BY_ITSELF = 'credential = { client_secret = { file = "app-secret.txt" } }'
USUAL = """application = { required = ["Mail.Read", "User.Read.All"], forbidden = ["Mail.ReadWrite"] }
delegated = { optional = ["User.Read"] }"""


def apps(name="%s", purpose="Copies mail every night.", afterwards="The first copy starts tonight."):
    words = f'{BY_ITSELF}\npurpose = "{purpose}"\nafterwards = "{afterwards}"'
    rights = 'application = { required = ["Directory.Read.All", "ConsentRequest.Read.All"] }'
    described = [
        ("mail-backup", APP, "Northwind Mail Backup", words, USUAL),
        ("reader", READER, "Northwind Reader", BY_ITSELF, rights),
        ("sign-in", SIGN_IN, "Northwind Portal", BY_ITSELF, 'delegated = { required = ["User.Read", "Mail.Send"] }'),
        ("half", HALF, "Northwind Half", BY_ITSELF, USUAL),
        ("more", MORE, "Northwind More", BY_ITSELF, USUAL),
        ("wide", WIDE, "Northwind Wide", BY_ITSELF, USUAL),
        ("archive", ARCHIVE, "Northwind Archive", 'verified_by = "reader"', USUAL),
        ("later", LATER, "Northwind Later", f'{BY_ITSELF}\nverify_in = "worker"', USUAL),
    ]
    keys = ("id", "client", "name", "lines", "permissions")
    return "".join(APP_CONFIG % dict(zip(keys, (one[0], one[1], name % (one[2] if name == "%s" else one[0]), *one[3:]))) for one in described)


def registered(client, name, application, delegated=(), redirect=None):
    return {"set_app": {
        "client_id": client, "name": name, "publisher": None, "home": "0a1b0000-0000-4000-8000-000000000001",
        "redirect_uris": [redirect], "secrets": [{"value": APP_SECRET, "expires": None}], "publisher_domain": None, "verified_publisher": None,
        "permissions": [{"application": list(application), "delegated": list(delegated)}],
    }}


# The elements that the Tab key reaches, in the order of the document.
REACHABLE = """
const REACHABLE = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')]
  .filter(element => element.checkVisibility({ visibilityProperty: true }) && !element.disabled);
"""

MEASURE = """
const main = document.querySelector('main');
const button = main.querySelector('form[method=post] button, .primary, .button, button');
return {
  button: button && Math.round(button.getBoundingClientRect().top + scrollY),
  words: main.innerText.split(/\\s+/).filter(Boolean).length,
  overflow: document.documentElement.scrollWidth - innerWidth,
};
"""

RULES = """
const wrong = [];
const all = css => [...document.querySelectorAll(css)];
for (const once of ['h1', 'main', 'title', 'link[rel=icon][href="data:,"]'])
  if (all(once).length !== 1) wrong.push(`${all(once).length} × ${once}`);
if (!document.documentElement.lang) wrong.push('no language');
for (const active of all('script, iframe, object, embed, base, audio, video, canvas, meta[http-equiv], [style], img:not([src^="data:image/"])'))
  wrong.push(`active: ${active.outerHTML.slice(0, 80)}`);
for (const element of all('*')) for (const { name, value } of element.attributes) {
  if (name.startsWith('on')) wrong.push(`${name} on ${element.localName}`);
  if (/^(href|src|action|formaction)$/.test(name) && /^\\s*(javascript|vbscript|blob):/i.test(value)) wrong.push(`${name}=${value}`);
}
for (const link of all('a[target=_blank]')) if (!/noopener/.test(link.rel)) wrong.push(`${link.href} may reach its opener`);
for (const id of all('[id]').map(element => element.id)) if (all(`[id="${CSS.escape(id)}"]`).length > 1) wrong.push(`two #${id}`);
// The colours of Microsoft's logo, and its promise.
if (/f25022|7fba00|00a4ef|ffb900|verified by microsoft/i.test(document.documentElement.outerHTML)) wrong.push('it passes for a page of Microsoft');
if (window.hostile !== undefined) wrong.push('a script of an outside field ran');
return wrong;
"""

RUN_AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ['violations', 'incomplete'], ...arguments[0] }).then(({ violations, incomplete }) =>
  done([...violations, ...incomplete].map(({ id, nodes }) => `${id}: ${nodes.map(node => node.target.join(' ')).join(', ')}`)));
"""


def file_name(page):
    return re.sub("[^a-z0-9_]+", "-", page)


class PageTests(Programs):
    """Starts the processes, and checks a page."""

    operator, chain = "Northwind Managed Services", "Onboarding"
    look = ""
    rows, titles = [], {}

    @classmethod
    def config_of_apps(cls):
        return apps()

    @classmethod
    def setUpClass(cls):
        cls.make_folder()
        if not AXE.exists():
            raise AssertionError(f"{AXE} is missing: scripts/test installs it")
        function, demo, sandbox = free_ports(3)
        cls.site, cls.sandbox = f"http://127.0.0.1:{function}", f"http://localhost:{sandbox}"
        cls.start("demo", [BINARY, "demo", "--fast", "--port", str(demo), "--sandbox-port", str(sandbox)], demo)
        until("the sandbox to listen", lambda: listens(sandbox))
        back = f"{cls.site}/callback"
        graph, optional = ["Mail.Read", "User.Read.All"], ["User.Read"]
        for change in (
            {"set_redirect_uris": {"app": APP, "uris": [back]}},
            registered(READER, "Northwind Reader", ["Directory.Read.All", "ConsentRequest.Read.All"], redirect=back),
            registered(SIGN_IN, "Northwind Portal", [], ["User.Read", "Mail.Send"], redirect=back),
            registered(HALF, "Northwind Half", ["User.Read.All"], redirect=back),
            registered(MORE, "Northwind More", [*graph, "Sites.Read.All", "Mail.ReadWrite"], optional, redirect=back),
            registered(WIDE, "Northwind Wide", [*graph, "Sites.Read.All"], optional, redirect=back),
            registered(ARCHIVE, "Northwind Archive", graph, optional, redirect=back),
            registered(LATER, "Northwind Later", graph, optional, redirect=back),
        ):
            cls.change(change)
        cls.secret("keys.json", json.dumps({"kid": "k1", "key": KEY}))
        cls.secret("app-secret.txt", APP_SECRET)
        settings = {
            "operator": cls.operator, "site": cls.site, "sandbox": cls.sandbox, "chain": cls.chain, "revoked": REVOKED, "look": cls.look,
            "store": cls.folder / "store.redb",
        }
        (cls.folder / "consent.toml").write_text(CONFIG % settings + cls.config_of_apps())
        cls.start("serve", [BINARY, "serve", "--listen", f"127.0.0.1:{function}"], function)
        cls.start_browser()
        cls.axe = AXE.read_text()

    # Ways to a page.

    def tenant(self, name="Contoso GmbH", **more):
        tenant = str(uuid.uuid4())
        domain = f"{tenant[:8]}.example"
        users = [
            {"id": None, "name": "Anna Contoso", "upn": f"admin@{domain}", "role": "administrator"},
            {"id": None, "name": "Otto Contoso", "upn": f"user@{domain}", "role": "user"},
        ]
        self.change({"add_tenant": {"id": tenant, "name": name, "domains": [domain], "region_sub_scope": None, "users": users} | more})
        return tenant

    def fault(self, tenant, at, effect):
        self.change({"add_fault": {"at": at, "tenant": tenant, "app": None, "path": None, "times": None, "for_seconds": None, "do": effect}})

    def refuse(self, tenant, at, code, error=None):
        self.fault(tenant, at, {"aadsts": {"code": code, "status": None, "error": error}})

    def press_button(self, tenant, app="mail-backup", **more):
        self.browser.open(self.invitation(tenant, app=app, **more))
        self.browser.click("form[method=post] button")

    def invitation(self, tenant, label="Contoso GmbH", **more):
        return invitation(self.site, tenant, label, reference="T-4711", **more)

    def decide(self, what, role=0):
        """Decides at Microsoft: as the tenant's administrator, or as its second person."""
        self.browser.wait_for("main[data-page=consent]")
        self.browser.value("document.querySelectorAll('input[name=user]')[arguments[0]].click()", role)
        self.browser.click(f"button[name=do][value={what}]")

    def approve(self, tenant, app="mail-backup", **more):
        self.press_button(tenant, app, **more)
        self.decide("accept")

    def cookie(self):
        """The secret of this browser, which a button sets."""
        for _ in range(2):
            for cookie in self.browser.cookies():
                if cookie["name"] == "__Host-entra-consent":
                    return cookie["value"]
            self.press_button(self.tenant())
            # The next page would stop a press that is still under way.
            self.browser.wait_for("main[data-page=consent]")
            self.browser.open(f"{self.site}/")
        raise AssertionError("the browser keeps no cookie of ours")

    def receipt(self, tenant, outcome, app="mail-backup", age=0, chain=None, room="r", **more):
        """The address of a result page, for the browser that pressed the button."""
        now, ticket = int(time.time()), str(uuid.uuid4())
        mark = b64(hashlib.sha256((self.cookie() + ticket).encode()).digest()[:16])
        origin = {"id": str(uuid.uuid4()), "iat": now - age, "exp": now + 30 * DAY, "chn": chain}
        claims = {
            "iat": now - age, "exp": now + 30 * DAY, "jti": str(uuid.uuid4()), "tkt": ticket, "app": app, "ten": tenant, "inv": origin,
            "lbl": "Contoso GmbH", "ref": "T-4711", "clm": "success", "cod": None, "trc": None, "cor": None, "out": outcome,
            "cba": now - age, "bnd": "browser", "brw": mark, "late": False, "sgn": now - age, "stp": 0, "que": "no",
        } | more
        return f"{self.site}/{room}/{signed(self.site, 'receipt', 'receipt', claims)}"

    def ticket(self, tenant, **more):
        now = int(time.time())
        claims = {
            "iat": now, "exp": now + 7_200, "jti": str(uuid.uuid4()), "app": "mail-backup", "ten": tenant, "inv": None, "lbl": None,
            "ref": None, "bnd": None,
        } | more
        return signed(self.site, "ticket", "callback", claims)

    def post(self, address, kind="application/x-www-form-urlencoded", body="a=b"):
        """Posts a form, as another page could."""
        self.browser.open("about:blank")
        self.browser.value(
            "const form = Object.assign(document.createElement('form'), { method: 'post', action: arguments[0], enctype: arguments[1] });"
            "form.append(Object.assign(document.createElement('input'), { name: 'a', value: arguments[2] }));"
            "document.body.append(form); setTimeout(() => form.submit())", address, kind, body)
        until("the answer", lambda: self.browser.address().startswith(self.site) and self.browser.elements("main"))

    # Checks of a page.

    def check(self, name, shown, hostile=False):
        """Checks the rules for the page that the browser shows. `shown` selects its `<main>`. Long texts of others may make it heavy."""
        browser = self.browser
        browser.wait_for(f"main{shown}")
        address = browser.address()
        self.assertTrue(address.startswith(self.site), address)
        asked = browser.requests()
        if asked:
            foreign = [one for one in asked if not one.startswith((self.site, self.sandbox))]
            self.assertEqual((foreign, asked[-1]), ([], address), "the page is one request")
        self.assertEqual(self.errors(address), [])
        self.assertEqual(browser.value(RULES), [])

        seen = {}
        for width, height, scheme in (WIDE_SCREEN, PHONE):
            browser.look(width, height, scheme)
            seen[width] = browser.value(MEASURE)
            if PICTURES:
                self.take_pictures(name, width, height)
                browser.look(width, height, scheme)
            if not hostile and width == PHONE[0]:
                self.check_keyboard()
            browser.value("for (const one of document.querySelectorAll('details')) [one.before, one.open] = [one.open, true]")
            self.assertEqual(self.axe_findings(scheme), [], f"axe-core, {scheme}")
            self.assertLessEqual(browser.value(MEASURE)["overflow"], 0, f"scrolls sideways at {width} px")
            if width == PHONE[0]:
                browser.look(320, height, scheme)
                self.assertLessEqual(browser.value(MEASURE)["overflow"], 0, "scrolls sideways at 320 px")
            browser.value("for (const one of document.querySelectorAll('details')) one.open = one.before")
        for stop in browser.elements("a[href='?reload=off']"):
            self.assertGreaterEqual(browser.ask("GET", f"{stop}/rect")["height"], LEAST_HEIGHT)
        size = browser.value("return document.documentElement.outerHTML.length")
        if not hostile:
            self.assertLessEqual(size, MOST_BYTES)
        self.assertEqual(self.errors(address), [])
        self.titles[name] = browser.title()
        if not (hostile or PICTURES):
            self.assertIn(f"\n### {name}\n", DOCUMENT, "scripts/screenshots --docs adds the page to docs/pages.md")
        self.rows.append((name, seen[1280]["words"], seen[1280]["button"], seen[360]["button"], size))
        return seen

    def take_pictures(self, name, width, height):
        """The whole page in both colour schemes."""
        for scheme in ("light", "dark"):
            self.browser.look(width, height, scheme)
            taken = self.browser.develop("Page.captureScreenshot", captureBeyondViewport=True)["data"]
            (Path(PICTURES) / f"{file_name(name)}-{width}-{scheme}.png").write_bytes(base64.b64decode(taken))

    def errors(self, address):
        """What our page left in the console. The browser reports the status of the page itself, too."""
        status = re.compile(re.escape(address) + r".* Failed to load resource: the server responded with a status of [45]\d\d ")
        return [line for line in self.browser.console() if not line.startswith(self.sandbox) and not status.match(line)]

    def axe_findings(self, scheme):
        """All rules in light. The dark scheme has the same elements, so there only the rules of what people see can differ."""
        if not self.browser.value("return 'axe' in window"):
            self.browser.value(self.axe)
        return self.browser.run(RUN_AXE, {"runOnly": ["cat.color", "cat.sensory-and-visual-cues"]} if scheme == "dark" else {})

    def check_keyboard(self):
        """The Tab key reaches everything that reacts, in the order of the page and visibly. Select-all reaches every text."""
        browser = self.browser
        count = browser.value(REACHABLE + "document.activeElement.blur(); scrollTo(0, 0); return REACHABLE.length")
        reached = []
        for _ in range(count):
            browser.press(TAB)
            reached.append(browser.value(REACHABLE + """
                const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(document.activeElement);
                const visible = (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0) || boxShadow !== 'none';
                return visible ? REACHABLE.indexOf(document.activeElement) : `no visible focus: ${document.activeElement.outerHTML.slice(0, 80)}`;
            """))
        self.assertEqual(reached, list(range(count)))
        browser.value("document.activeElement.blur(); for (const one of document.querySelectorAll('details')) one.open = true")
        browser.press(CONTROL, "a")
        lost = browser.value("""
            const plain = text => text.replace(/\\s+/g, '');
            const selected = plain(getSelection().toString());
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            const lost = [];
            while (walker.nextNode()) {
              const { data, parentElement } = walker.currentNode;
              if (data.trim() && parentElement.checkVisibility() && !selected.includes(plain(data))) lost.push(data);
            }
            getSelection().removeAllRanges();
            for (const one of document.querySelectorAll('details')) one.open = false;
            return lost;
        """)
        self.assertEqual(lost, [])


TAB, CONTROL = "\ue004", "\ue009"


def print_table(rows):
    print(f"\n{'page':<44} {'words':>5} {'button at 1280':>14} {'at 360':>7} {'bytes':>6}")
    for name, words, wide, narrow, size in rows:
        print(f"{name:<44} {words:>5} {wide if wide is not None else '-':>14} {narrow if narrow is not None else '-':>7} {size:>6}")


class EveryPage(PageTests):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # These pages reload in tabs of their own while the other tests run.
        one, cls.waiting = cls("test_reloads_add_nothing_to_the_history"), {}
        for what in ("stays", "changes"):
            tenant = one.tenant()
            receipt = one.receipt(tenant, "pending")
            one.assertEqual(call("GET", receipt)[1]["Refresh"], "15")
            tab = cls.browser.open_tab(receipt)
            cls.waiting[what] = (tab, one.in_tab(tab))
        one.change({"grant": {"tenant": tenant, "app": APP, "permissions": None}})

    def in_tab(self, tab):
        browser = self.browser
        current = browser.ask("GET", f"{browser.session}/window")
        browser.switch(tab)
        try:
            return browser.value("return [performance.timeOrigin, history.length, document.querySelector('main')?.dataset.outcome, location.href]")
        finally:
            browser.switch(current)

    def test_reloads_add_nothing_to_the_history(self):
        def reloaded(what, *outcomes):
            tab, begun = self.waiting[what]
            seen = self.in_tab(tab)
            return seen if seen[0] > begun[0] and seen[2] in outcomes else None

        # A page that reloads keeps its address. A page that changes leads on to another, in place of the first.
        # On a slow machine, a check may end before Microsoft answers.
        seen = until("a reload", lambda: reloaded("stays", "pending", "unavailable"), 60)
        self.assertEqual((seen[1], seen[3]), tuple(self.waiting["stays"][1][1::2]))
        seen = until("the approval", lambda: reloaded("changes", "granted"), 90)
        begun = self.waiting["changes"][1]
        self.assertEqual((seen[1], begun[2]), (begun[1], "pending"))
        self.assertNotEqual(seen[3], begun[3])

    @classmethod
    def tearDownClass(cls):
        print_table(cls.rows)
        if PICTURES:
            pages = [{"name": name, "title": title, "file": file_name(name)} for name, title in cls.titles.items()]
            (Path(PICTURES) / "pages.json").write_text(json.dumps(pages, indent=1))

    def each(self, pages):
        """Goes to each page and checks it. `pages` maps a name to the mark of its `<main>` and the way."""
        for name, (shown, way) in pages.items():
            with self.subTest(name):
                way()
                self.check(name, shown)

    def test_invitations(self):
        contoso = self.tenant()
        seen = {}
        for name, address in {
            "own app": self.invitation(contoso),
            "own app, no label": self.invitation(contoso, label=None),
            "companion": self.invitation(contoso, app="apple"),
            "chain": self.invitation(contoso, chain="onboarding"),
            "any tenant": self.invitation("any", label=None),
            "any tenant, companion": self.invitation("any", app="apple", label=None),
        }.items():
            with self.subTest(name):
                self.browser.open(address)
                seen[name] = self.check(f"invitation: {name}", "[data-page=invitation]")
                before = self.browser.value("""
                    const help = document.querySelector('main a[href$="/help"][target=_blank]'), button = document.querySelector('form button');
                    return !!(help.compareDocumentPosition(button) & Node.DOCUMENT_POSITION_FOLLOWING)""")
                self.assertTrue(before, "the way to help comes before the button")
        if PICTURES:
            self.press_button(self.tenant())
            self.browser.wait_for("main[data-page=consent]")
            self.take_pictures("microsoft", *PHONE[:2])
        for width, limit in BUTTON_ABOVE.items():
            if INVITATION_KEEPS_LIMITS:
                self.assertLess(seen["own app"][width]["button"], limit)
                self.assertLessEqual(seen["own app"][width]["words"], MOST_WORDS)

    def pressed(self, app="mail-backup", what="accept", role=0, at=None, **tenant):
        """A journey: the button, a decision at Microsoft, and the way back. `at` prepares the tenant."""
        def go():
            where = self.tenant(**tenant)
            if at is not None:
                at(where)
            self.press_button(where, app)
            self.decide(what, role)
        return go

    def refused(self, code):
        return self.pressed(at=lambda tenant: self.refuse(tenant, "consent", code))

    def journeys(self):
        """Every outcome that a person reaches by pressing buttons."""
        never = {"service_principal": 3600, "roles": 3600, "graph": 3600, "flapping": 0}
        reader = lambda tenant: self.change({"grant": {"tenant": tenant, "app": READER, "permissions": None}})
        token = lambda effect: lambda tenant: self.fault(tenant, "token", effect)
        return {
            "granted": self.pressed(),
            "granted_in_part": self.pressed("half"),
            "granted_in_excess": self.pressed("wide"),
            "granted_unseen": self.pressed("sign-in"),
            "disabled": self.pressed(at=lambda tenant: self.refuse(tenant, "token", 7_000_112)),
            "pending": self.pressed(replication=never),
            "declined": self.pressed(what="cancel"),
            "not_an_admin": self.refused(90_094),
            "wrong_account": self.refused(50_020),
            "blocked_by_policy": self.refused(53_003),
            "app_misconfigured": self.refused(650_053),
            "unknown": self.refused(90_090),
            "approval_requested": self.pressed("archive", "request", 1, at=reader),
            "operator_fault": self.pressed(at=lambda tenant: self.refuse(tenant, "token", 7_000_215)),
            "unavailable": self.pressed(at=token({"status": {"status": 503, "code": None, "retry_after": None}})),
            "awaiting_confirmation": lambda: self.approve("any"),
            "reported_unverified": self.pressed("archive"),
        }

    def test_journeys_on_a_desktop_and_on_a_phone(self):
        pages = {name: (f"[data-outcome={name}]", way) for name, way in self.journeys().items()}
        for screen in (WIDE_SCREEN, PHONE):
            for name, (shown, way) in pages.items():
                with self.subTest(name, width=screen[0]):
                    self.browser.look(*screen)
                    way()
                    if screen == PHONE:
                        self.check(name, shown)
                    else:
                        self.browser.wait_for(f"main{shown}")
                        self.assertEqual(self.errors(self.browser.address()), [])

    def test_outcomes_that_no_press_reaches(self):
        browser, site = self.browser, self.site
        def visit(path):
            return lambda: browser.open(site + path)

        def come_back(query, **claims):
            tenant = claims.pop("ten", None) or self.tenant()
            return lambda: browser.open(f"{site}/callback?{query.replace('TENANT', tenant)}&state={self.ticket(tenant, **claims)}")

        def kept(outcome, change=None, age=1300, **claims):
            """A receipt that remembers an outcome, after a change at Microsoft."""
            def go():
                tenant = self.tenant()
                if change is not None:
                    self.change({"grant": {"tenant": tenant, "app": APP, "permissions": None}})
                    for one in change(tenant):
                        self.change(one)
                browser.open(self.receipt(tenant, outcome, age=age, **claims))
            return go

        def permissions(kind, *names):
            return lambda tenant: [{kind: {"tenant": tenant, "app": APP, "permissions": [{"application": list(names)}]}}]

        def refused(code, error=None):
            def go():
                tenant = self.tenant()
                self.refuse(tenant, "token", code, error)
                browser.open(self.receipt(tenant, "pending"))
            return go

        unknown, now = str(uuid.uuid4()), int(time.time())
        origin = {"id": REVOKED, "iat": now - 60, "exp": now + 3600, "chn": None}
        expired = {"iat": now - 40 * DAY, "exp": now - 10 * DAY}
        self.each({
            "granted, approved already": ("[data-outcome=granted]", self.approved_already),
            "granted_in_excess, forbidden": ("[data-outcome=granted_in_excess].alarm", self.pressed("more")),
            "not_found": ("[data-outcome=not_found]", kept("pending", age=DAY + 60)),
            "revoked": ("[data-outcome=revoked]", kept("granted", lambda tenant: [{"revoke": {"tenant": tenant, "app": APP}}])),
            "reduced": ("[data-outcome=reduced]", kept("granted", permissions("reduce", "Mail.Read"))),
            "enlarged": ("[data-outcome=enlarged]", kept("granted", permissions("enlarge", "Sites.Read.All"))),
            "tenant_gone": ("[data-outcome=tenant_gone]", kept("granted", lambda tenant: [{"remove_tenant": {"tenant": tenant}}])),
            "tenant_not_found": ("[data-outcome=tenant_not_found]", come_back(f"admin_consent=True&tenant={unknown}", ten=unknown)),
            "wrong_tenant": ("[data-outcome=wrong_tenant]", come_back(f"admin_consent=True&tenant={self.tenant()}")),
            "link_expired": ("[data-outcome=link_expired]", come_back("admin_consent=True&tenant=TENANT", **expired)),
            "link_revoked": ("[data-outcome=link_revoked]", come_back("admin_consent=True&tenant=TENANT", inv=origin)),
            "link_damaged": ("[data-outcome=link_damaged]", visit("/r/x.y.z")),
            "unsolicited": ("[data-outcome=unsolicited]", visit(f"/callback?admin_consent=True&tenant={unknown}")),
            "unsolicited, nothing arrived": ("[data-outcome=unsolicited]", visit("/callback")),
            "blocked_by_policy, of our check": ("[data-outcome=blocked_by_policy]", refused(53_003)),
            "blocked_by_policy, organisation blocked": ("[data-outcome=blocked_by_policy]", refused(5_000_224)),
            "blocked_by_policy, by a code": ("[data-outcome=blocked_by_policy]", kept("blocked_by_policy", clm="blocked_by_policy", cod=53_000)),
            "app_misconfigured, no licence": ("[data-outcome=app_misconfigured]", refused(650_052)),
            "disabled, a service": ("[data-outcome=disabled]", refused(500_014)),
            "unavailable, refused": ("[data-outcome=unavailable]", refused(999_999, "invalid_client")),
            "wrong_account, by another code": ("[data-outcome=wrong_account]", kept("wrong_account", age=60, clm="wrong_account", cod=50_034, oth=True)),
            "pending, no reloads left": ("[data-outcome=pending]", kept("pending", age=200)),
            "pending, stopped": ("[data-outcome=pending]", self.stopped),
            "pending, confirmed later": ("[data-outcome=pending]", self.pressed("later")),
            "granted, of a chain": ("[data-outcome=granted]", self.granted_of_chain),
        })

    def approved_already(self):
        tenant = self.tenant()
        self.change({"grant": {"tenant": tenant, "app": APP, "permissions": None}})
        self.press_button(tenant)

    def stopped(self):
        self.browser.open(self.receipt(self.tenant(), "pending"))
        self.browser.click("main a[href='?reload=off']")
        until("the stopped page", lambda: self.browser.address().endswith("?reload=off"))
        self.assertNotIn("Refresh", call("GET", self.browser.address())[1])
        self.assertEqual(self.browser.elements("main a[href='?reload=off']"), [])

    def granted_of_chain(self):
        tenant = self.tenant()
        for app in (READER, APP):
            self.change({"grant": {"tenant": tenant, "app": app, "permissions": None}})
        self.browser.open(self.receipt(tenant, "granted", chain="onboarding"))

    def test_watch_pages_and_reports_of_a_chain(self):
        def watch(reader=True, granted=False, query="", **more):
            def go():
                tenant = self.tenant(**more)
                for app in [READER] * reader + [APPLE] * granted:
                    self.change({"grant": {"tenant": tenant, "app": app, "permissions": None}})
                self.press_button(tenant, "apple")
                self.browser.wait_for("main[data-page=watch]")
                if query:
                    self.browser.open(self.browser.address() + query)
            return go

        def report(*granted):
            def go():
                tenant = self.tenant()
                for app in granted:
                    self.change({"grant": {"tenant": tenant, "app": app, "permissions": None}})
                self.browser.open(self.receipt(tenant, "pending", "reader", chain="onboarding") + "/chain")
            return go

        self.each({
            "watch": ("[data-page=watch][data-outcome=pending]", watch()),
            "watch, stopped": ("[data-page=watch]", watch(query="?reload=off")),
            "watch, unverified": ("[data-page=watch][data-outcome=reported_unverified]", watch(reader=False)),
            "report, not started": ("[data-chain]", report()),
            "report, half done": ("[data-chain]", report(READER)),
            "report, done": ("[data-chain]", report(READER, APP, APPLE)),
        })
        with self.subTest("watch, granted"):
            tenant = self.tenant()
            for app in (READER, APPLE):
                self.change({"grant": {"tenant": tenant, "app": app, "permissions": None}})
            self.browser.open(self.receipt(tenant, "granted", "apple", room="w"))
            self.check("watch, granted", "[data-outcome=granted]")

    def test_notices_and_help(self):
        visit = lambda path: lambda: self.browser.open(self.site + path)
        self.each({
            "notice: root": ("[data-notice=root]", visit("/")),
            "notice: no such page": ("[data-notice=no_such_page]", visit("/nowhere")),
            "notice: method not allowed": ("[data-notice=method_not_allowed]", lambda: self.post(f"{self.site}/")),
            "notice: unsupported content": ("[data-notice=unsupported_media_type]", lambda: self.post(f"{self.site}/callback", "text/plain")),
            "notice: too large": ("[data-notice=too_large]", lambda: self.post(f"{self.site}/callback", body="x" * 3_000_000)),
            "help": ("[data-page=help]", visit("/help")),
            "help, known": ("[data-page=help]", visit("/help?number=65004")),
            "help, unknown": ("[data-page=help]", visit("/help?number=99999")),
            "help, mistyped": ("[data-page=help]", visit("/help?number=x")),
        })

    def test_notices_of_a_function_that_cannot_work(self):
        """As on AWS: without its keys, and where nothing can be written."""
        (self.folder / "no-keys.toml").write_text((self.folder / "consent.toml").read_text().replace("keys.json", "missing.json"))
        for notice, config, out in (("keys_unavailable", "no-keys.toml", None), ("not_recorded", "consent.toml", "/dev/full")):
            with self.subTest(notice):
                function = Lambda()
                self.addCleanup(function.shutdown)
                self.start(notice, [BINARY.with_name("callback")], out=out, more=function.environment | {"ENTRA_CONSENT_CONFIG": str(self.folder / config)})
                self.site = f"http://127.0.0.1:{function.server_port}"
                self.browser.open(f"{self.site}/callback?admin_consent=True&state=x.y.z")
                self.check(f"notice: {notice}", f"[data-notice={notice}]")

    def test_notices_of_an_expired_link_that_asks(self):
        """Through `serve` with a webhook, and as on AWS with a bus that cannot be reached."""
        text = (self.folder / "consent.toml").read_text().replace("store.redb", "asking.redb").replace("[links]", "[links]\nrenewal_requests = true")
        (self.folder / "asking.toml").write_text(f'{text}\n[webhook]\nurl = "http://127.0.0.1:9/"\nsecret = {{ file = "webhook.txt" }}\n')
        (self.folder / "bus.toml").write_text(text)
        self.secret("webhook.txt", f"whsec_{base64.b64encode(bytes(32)).decode()}")
        [port], function = free_ports(1), Lambda()
        self.addCleanup(function.shutdown)
        unreachable = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "ENTRA_CONSENT_EVENT_BUS": "bus"}
        now = int(time.time())
        expired = {"iat": now - 40 * DAY, "exp": now - 10 * DAY}
        self.browser.requests()
        for name, port, command, config, more, answer in (
            ("asking", port, [BINARY, "serve", "--listen", f"127.0.0.1:{port}"], "asking.toml", {}, "renewal_requested"),
            ("bus", function.server_port, [BINARY.with_name("callback")], "bus.toml", function.environment | unreachable, "renewal_not_sent"),
        ):
            with self.subTest(answer):
                self.site = f"http://127.0.0.1:{port}"
                places = {"ENTRA_CONSENT_BASE_URL": self.site, "ENTRA_CONSENT_CONFIG": str(self.folder / config)}
                self.start(name, command, port if name == "asking" else None, more=more | places)
                address = self.invitation(self.tenant(), **expired)
                self.browser.open(address)
                if name == "asking":
                    self.check("link_expired, may ask", "[data-outcome=link_expired]")
                for _ in range(2):
                    self.browser.open(address)
                    self.browser.click("form[method=post] button")
                    self.browser.wait_for(f"[data-notice={answer}]")
                self.assertEqual(self.browser.elements("main a[href*='/i/']"), [], "no page has the new link")
                self.check(f"notice: {answer}", f"[data-notice={answer}]")

    def test_help_answers_in_a_tab_of_its_own(self):
        browser = self.browser
        browser.open(self.invitation(self.tenant()))
        before = browser.tabs()
        browser.click("main a[href$='/help']")
        [tab] = until("the new tab", lambda: set(browser.tabs()) - set(before))
        browser.switch(tab)
        [field] = browser.wait_for("form input")
        for number, known in (("65004", "true"), ("99999", "false")):
            [field] = browser.elements("form input")
            browser.ask("POST", f"{field}/clear", {})
            browser.ask("POST", f"{field}/value", {"text": number + "\ue007"})
            browser.wait_for(f"[data-known={known}]")
            self.assertTrue(browser.address().endswith(f"/help?number={number}"), browser.address())
            self.assertNotIn(number, browser.value("return document.body.innerText"))
        self.assertEqual(self.errors(browser.address()), [])
        browser.ask("DELETE", f"{browser.session}/window")
        browser.switch(before[0])


def png(width, height, colour):
    """A picture of one colour."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = (b"\0" + bytes(colour) * width) * height
    return b"".join([b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")])


LOGO = png(120, 40, (0x0f, 0x5c, 0x8c))
HOSTILE = "</title><script>hostile=1</script>'\\\"><img src onerror=hostile=1>"


class HostileFields(PageTests):
    """Every text that does not come from the product contains markup and scripts."""

    operator, chain = f"O {HOSTILE}", f"C {HOSTILE}"
    # Also the operator's own look: a colour that is too light for a text, and a logo.
    look = 'colour = "#ffd23f"\nlogo = "data:image/png;base64,%s"' % base64.b64encode(LOGO).decode()

    @classmethod
    def config_of_apps(cls):
        return apps(f"{HOSTILE} %s", f"P {HOSTILE}", f"W {HOSTILE}")

    def test_no_outside_text_becomes_part_of_a_page(self):
        browser, text = self.browser, HOSTILE.replace('\\"', '"')
        name = f"T {text}"
        tenant = self.tenant(name=name)
        for app in (APP, HALF, READER):
            self.change({"rename_app": {"app": app, "name": f"M {text}"}})
        label = f"L {text}"[:60]
        walks = {
            "invitation": ("[data-page=invitation]", lambda: browser.open(self.invitation(tenant, label))),
            "chain": ("[data-page=invitation]", lambda: browser.open(self.invitation(tenant, label, chain="onboarding"))),
            "granted": ("[data-outcome=granted]", lambda: self.approve(tenant, label=label)),
            "granted_in_part": ("[data-outcome=granted_in_part]", lambda: self.approve(tenant, "half", label=label)),
            "error_description": ("[data-outcome=unknown]", lambda: self.typed(self.tenant(name=f"T {text}"), text)),
            "a code": ("[data-page=help]", lambda: browser.open(f"{self.site}/help?number={quote(text)}")),
            "a path": ("[data-notice=no_such_page]", lambda: browser.open(f"{self.site}/{quote(text)}")),
        }
        for name, (shown, way) in walks.items():
            with self.subTest(name):
                way()
                self.check(f"hostile: {name}", shown, hostile=True)
                self.assertIn(text, browser.value("return document.body.innerText"), "the operator's name, as text")

    def typed(self, tenant, text):
        """A callback with hostile text in every parameter."""
        query = {
            "error": "server_error", "error_description": f"AADSTS90090: {text}", "error_uri": f"javascript:{text}", "tenant": tenant, 
            "trace_id": text, "state": self.ticket(tenant, lbl="L"),
        }
        self.browser.open(f"{self.site}/callback?{urlencode(query)}")


if __name__ == "__main__":
    unittest.main()
