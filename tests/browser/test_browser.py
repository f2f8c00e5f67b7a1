"""A real browser, from the button of an invitation to the result.

Chromium checks every redirect after a form against the page's `form-action`. Microsoft redirects to the sign-in page that each
organisation uses, so the invitation page must omit that directive. Only a browser can show that this is necessary. The browser's way:

    http://127.0.0.1:P   the function             POST /i/…, 303 to
    http://127.0.0.2:X   the authority, here      GET /{tenant}/v2.0/adminconsent, 302 to
    http://localhost:S   the simulated Microsoft  its consent page, and back to the function

harness.py says what the tests need.
"""

import html
import http.server
import json
import re
import threading
import unittest
from urllib.parse import urlsplit

from harness import APP, APP_SECRET, BINARY, KEY, Door, Programs, call, free_ports, invitation, listens, until

CONTOSO = "0a1b0000-0000-4000-8000-000000000002"
WOODGROVE = "0a1b0000-0000-4000-8000-000000000004"

CONFIG = """
[site]
name = "Northwind"
base_url = "%(site)s"
support = "support@northwind.example"
privacy_url = "https://northwind.example/privacy"
[keys]
secret = { file = "keys.json" }
[clouds.way]
authority = "%(authority)s"
graph = "%(sandbox)s"
[[apps]]
id = "mail-backup"
client_id = "%(app)s"
name = "Northwind Mail Backup"
cloud = "way"
credential = { client_secret = { file = "app-secret.txt" } }
[apps.permissions."Microsoft Graph"]
application = { required = ["Mail.Read", "User.Read.All"] }
delegated = { optional = ["User.Read"] }
"""


class Authority(http.server.ThreadingHTTPServer):
    """The configured authority on a separate host. It redirects browsers to the sandbox, as Microsoft does to federated sign-in, and
    forwards the function's own requests to it. It serves the pages in `pages` unchanged."""

    daemon_threads = True

    def __init__(self, sandbox):
        super().__init__(("127.0.0.2", 0), AuthorityHandler)
        self.sandbox = sandbox
        self.address = f"http://127.0.0.2:{self.server_port}"
        self.visits = []
        self.pages = {}

    def visits_of(self, tenant):
        return [(path, referrer) for path, referrer in self.visits if path == f"/{tenant}/v2.0/adminconsent"]


class AuthorityHandler(Door):
    def do_GET(self):
        page = self.server.pages.get(self.path)
        if page is not None:
            headers, body = page
            self.answer(200, {"Content-Type": "text/html; charset=utf-8"} | headers, body)
        elif urlsplit(self.path).path.endswith("/adminconsent"):
            self.server.visits.append((urlsplit(self.path).path, self.headers.get("Referer")))
            self.answer(302, {"Location": self.server.sandbox + self.path})
        else:
            self.answer(404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content_type = {"Content-Type": self.headers.get("Content-Type", "")}
        status, headers, answer = call("POST", self.server.sandbox + self.path, body, content_type)
        self.answer(status, {"Content-Type": headers.get("Content-Type", "application/json")}, answer)


class ARealBrowser(Programs):
    @classmethod
    def setUpClass(cls):
        cls.make_folder()
        function, demo, sandbox = free_ports(3)
        cls.site = f"http://127.0.0.1:{function}"
        cls.sandbox = f"http://localhost:{sandbox}"
        cls.start("demo", [BINARY, "demo", "--fast", "--port", str(demo), "--sandbox-port", str(sandbox)], demo)
        until("the sandbox to listen", lambda: listens(sandbox))
        cls.change({"set_redirect_uris": {"app": APP, "uris": [f"{cls.site}/callback"]}})

        cls.authority = Authority(cls.sandbox)
        cls.addClassCleanup(cls.authority.server_close)
        threading.Thread(target=cls.authority.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.authority.shutdown)

        cls.secret("keys.json", json.dumps({"kid": "k1", "key": KEY}))
        cls.secret("app-secret.txt", APP_SECRET)
        names = {"site": cls.site, "authority": cls.authority.address, "sandbox": cls.sandbox, "app": APP}
        (cls.folder / "consent.toml").write_text(CONFIG % names)
        cls.start("serve", [BINARY, "serve", "--listen", f"127.0.0.1:{function}"], function)

        cls.start_browser()

    def records(self, event):
        lines = map(json.loads, self.output("serve").splitlines())
        return [line for line in lines if line["event"] == event]

    def consent_pages_asked_for(self, tenant):
        status, _, answer = call("GET", f"{self.sandbox}/_sandbox/requests")
        self.assertEqual(status, 200)
        return answer.decode().count(f"/{tenant}/v2.0/adminconsent")

    def test_from_the_button_over_a_second_host_to_microsoft_and_back_to_the_truth(self):
        browser = self.browser
        link = invitation(self.site, CONTOSO, "Contoso Ltd")
        browser.open(link)
        [heading] = browser.text("h1")
        for text in (browser.title(), heading):
            self.assertIn("Northwind Mail Backup", text)
        # The browser enforces the page's policy.
        stopped = browser.run(
            "const done = arguments[arguments.length - 1];"
            "addEventListener('securitypolicyviolation', e => done(e.effectiveDirective), { once: true });"
            "document.body.appendChild(Object.assign(new Image(), { src: '/health' }));"
        )
        self.assertEqual(stopped, "img-src")

        browser.click("form[method=post] button")
        browser.wait_for("main[data-page=consent]")
        self.assertTrue(browser.address().startswith(f"{self.sandbox}/{CONTOSO}/v2.0/adminconsent?"), browser.address())
        # The browser came through the other host, and did not reveal the invitation's address to that host.
        self.assertEqual(self.authority.visits_of(CONTOSO), [(f"/{CONTOSO}/v2.0/adminconsent", None)])

        browser.click("button[name=do][value=accept]")
        browser.wait_for("main[data-outcome=granted]")
        self.assertTrue(browser.address().startswith(f"{self.site}/r/"), browser.address())
        [claimed] = self.records("claimed")
        [concluded] = self.records("concluded")
        self.assertEqual(concluded["outcome"]["after"], "granted")
        kept = [cookie for cookie in browser.cookies() if cookie["name"].startswith("__Host-")]
        for cookie in kept:
            self.assertTrue(cookie["httpOnly"] and cookie["secure"], cookie["name"])
        # Some browsers keep such a cookie over http on loopback, so the test first sets a cookie of its own. If the browser keeps
        # that cookie, the product's cookie came back through both hosts and binds the answer to this browser.
        self.authority.pages["/probe"] = ({"Set-Cookie": "__Host-probe=1; Path=/; Secure; HttpOnly; SameSite=Lax"}, b"<p>probe")
        browser.open(f"{self.authority.address}/probe")
        keeps = [cookie["name"] for cookie in browser.cookies()] == ["__Host-probe"]
        self.assertEqual((len(kept), claimed["binding"]), (1, "browser") if keeps else (0, "none"))
        print(f"Chromium {browser.version} keeps __Host- cookies over http on loopback: {'yes' if keeps else 'no'}")

    def open_a_copy(self, form_action):
        """Opens a copy of the invitation page, with the page's own policy plus this directive."""
        link = invitation(self.site, WOODGROVE, "Woodgrove Bank")
        status, headers, body = call("GET", link)
        self.assertEqual(status, 200)
        policy = headers["Content-Security-Policy"]
        self.assertNotIn("form-action", policy)
        # The copy is on another host, so its form needs an absolute address.
        body, forms = re.subn(rb'<form([^>]*) method="post"', rb'<form\1 method="post" action="%s"' % html.escape(link).encode(), body)
        self.assertGreater(forms, 0)
        path = f"/copy/{len(self.authority.pages)}"
        self.authority.pages[path] = ({"Content-Security-Policy": f"{policy}; {form_action}" if form_action else policy}, body)
        self.browser.open(self.authority.address + path)
        self.browser.console()

    def test_what_a_form_action_would_do_to_the_same_form(self):
        browser = self.browser
        # With the original policy the copy reaches Microsoft. So if the copy does not reach Microsoft below, the directive is the cause.
        self.open_a_copy(None)
        browser.click("form[method=post] button")
        browser.wait_for("main[data-page=consent]")
        self.assertEqual(self.consent_pages_asked_for(WOODGROVE), 1)

        for form_action, visits in (
            # No form is allowed: the browser stops before sending.
            ("form-action 'none'", 0),
            # Every host that is known in advance, the authority included: the browser stops at the authority's redirect.
            (f"form-action {self.site} {self.authority.address}", 1),
        ):
            with self.subTest(form_action=form_action):
                self.authority.visits.clear()
                started = len(self.records("started"))
                self.open_a_copy(form_action)
                before = browser.address()
                browser.click("form[method=post] button")
                until("the browser's refusal", lambda: any("form-action" in line for line in browser.console()))
                self.assertEqual(browser.address(), before)
                self.assertEqual(len(self.authority.visits_of(WOODGROVE)), visits)
                self.assertEqual(len(self.records("started")), started + visits)
                self.assertEqual(self.consent_pages_asked_for(WOODGROVE), 1)


if __name__ == "__main__":
    unittest.main()
