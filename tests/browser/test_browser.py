"""A real browser, from the button of an invitation to the result.

Chromium checks every redirect after a form against the page's `form-action`. Microsoft redirects to the sign-in page that each
organisation uses, so the invitation page must omit that directive. Only a browser can show that this is necessary. The browser's way:

    http://127.0.0.1:P   the function             POST /i/…, 303 to
    http://127.0.0.2:X   the authority, here      GET /{tenant}/v2.0/adminconsent, 302 to
    http://localhost:S   the simulated Microsoft  its consent page, and back to the function

Needs Chromium and its driver (on Debian: chromium, chromium-driver) and the debug build of the command line. Usage, after
`cargo build`: python3 -m unittest discover -s tests/browser
ENTRA_CONSENT_TEST_BINARY, ENTRA_CONSENT_TEST_CHROMIUM and ENTRA_CONSENT_TEST_CHROMEDRIVER name other programs than the usual ones.
"""

import base64
import hashlib
import hmac
import html
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path
from urllib.parse import urlsplit

PROJECT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("ENTRA_CONSENT_TEST_BINARY", PROJECT / "target" / "debug" / "entra-consent"))
KEY = "canary-secret-5tG2mQ9vL7xZ4bN8cR1kW6yH"
# A secret of the sandbox, useless outside it.
APP = "0a1b0000-0000-4000-8000-0000000000a1"
APP_SECRET = "sandbox-secret-of-northwind-mail-backup"
CONTOSO = "0a1b0000-0000-4000-8000-000000000002"
WOODGROVE = "0a1b0000-0000-4000-8000-000000000004"
# The time limit for each step. The tests measure nothing.
PATIENCE = 20

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


def program(variable, *names):
    named = os.environ.get(variable)
    found = named or next(filter(None, map(shutil.which, names)), None)
    if found is None or not os.access(found, os.X_OK):
        raise AssertionError(f"{named or ' or '.join(names)} is missing (on Debian: apt-get install chromium chromium-driver)")
    return found


def free_ports(count):
    """Ports that were just free. All of them stay open until the last one is known, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def until(what, look):
    """Polls until the result is true."""
    end = time.monotonic() + PATIENCE
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"timed out waiting for {what}")
        time.sleep(0.05)


def call(method, address, body=None, headers=None):
    """One request without the environment's proxy or redirects."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)
    try:
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def invitation(site, tenant, label):
    """The address of a genuine invitation, signed without the product's code."""
    now = int(time.time())
    claims = {
        "iss": site, "aud": "invitation", "iat": now, "exp": now + 3600, "jti": "7a1b0000-0000-4000-8000-000000000009",
        "app": "mail-backup", "chn": None, "ten": tenant, "lbl": label, "ref": None,
    }
    header = {"alg": "HS256", "typ": "ec-invitation+jwt", "kid": "k1"}
    message = ".".join(b64(json.dumps(part).encode()) for part in (header, claims))
    return f"{site}/i/{message}.{b64(hmac.new(KEY.encode(), message.encode(), hashlib.sha256).digest())}"


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


class AuthorityHandler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

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


class Browser:
    """The part of the WebDriver protocol (W3C) that these tests use."""

    ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

    def __init__(self, driver, chromium, profile):
        self.driver = driver
        arguments = [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", f"--user-data-dir={profile}",
            # Containers have little shared memory; the environment's proxy cannot reach this machine's ports.
            "--disable-dev-shm-usage", "--no-proxy-server",
        ]
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": chromium, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"pageLoad": PATIENCE * 1000, "script": PATIENCE * 1000},
        }
        made = self.ask("POST", f"{driver}/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = f"{driver}/session/{made['sessionId']}"
        self.version = made["capabilities"]["browserVersion"]

    @staticmethod
    def ask(method, address, body=None):
        text = None if body is None else json.dumps(body)
        _, _, answer = call(method, address, text, {"Content-Type": "application/json"})
        value = json.loads(answer)["value"]
        if isinstance(value, dict) and "error" in value:
            raise AssertionError(f"the browser says: {value['error']}: {value['message']}")
        return value

    def open(self, address):
        self.ask("POST", f"{self.session}/url", {"url": address})

    def address(self):
        return self.ask("GET", f"{self.session}/url")

    def title(self):
        return self.ask("GET", f"{self.session}/title")

    def elements(self, css):
        found = self.ask("POST", f"{self.session}/elements", {"using": "css selector", "value": css})
        return [f"{self.session}/element/{one[self.ELEMENT]}" for one in found]

    def text(self, css):
        return [self.ask("GET", f"{one}/text") for one in self.elements(css)]

    def click(self, css):
        [button] = self.elements(css)
        self.ask("POST", f"{button}/click", {})

    def wait_for(self, css):
        try:
            return until(css, lambda: self.elements(css))
        except AssertionError as error:
            raise AssertionError(f"{error} on {self.title()!r}; console: {self.console()}") from None

    def cookies(self):
        return self.ask("GET", f"{self.session}/cookie")

    def run(self, script):
        """Runs a script that calls its last argument with the result."""
        return self.ask("POST", f"{self.session}/execute/async", {"script": script, "args": []})

    def console(self):
        """The browser's console output since the last call."""
        return [entry["message"] for entry in self.ask("POST", f"{self.session}/se/log", {"type": "browser"})]

    def close(self):
        self.ask("DELETE", self.session)


class ARealBrowser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not BINARY.exists():
            raise AssertionError(f"{BINARY} is missing: cargo build")
        chromium = program("ENTRA_CONSENT_TEST_CHROMIUM", "chromium", "chromium-browser", "google-chrome")
        driver = program("ENTRA_CONSENT_TEST_CHROMEDRIVER", "chromedriver")
        cls.folder = Path(tempfile.mkdtemp(prefix="browser-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)

        function, demo, sandbox = free_ports(3)
        cls.site = f"http://127.0.0.1:{function}"
        cls.sandbox = f"http://localhost:{sandbox}"
        cls.start("demo", [BINARY, "demo", "--port", str(demo), "--sandbox-port", str(sandbox)], demo)
        cls.change({"set_redirect_uris": {"app": APP, "uris": [f"{cls.site}/callback"]}})

        cls.authority = Authority(cls.sandbox)
        cls.addClassCleanup(cls.authority.server_close)
        threading.Thread(target=cls.authority.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.authority.shutdown)

        for name, secret in (("keys.json", json.dumps({"kid": "k1", "key": KEY})), ("app-secret.txt", APP_SECRET)):
            (cls.folder / name).touch(mode=0o600)
            (cls.folder / name).write_text(secret)
        names = {"site": cls.site, "authority": cls.authority.address, "sandbox": cls.sandbox, "app": APP}
        (cls.folder / "consent.toml").write_text(CONFIG % names)
        cls.start("serve", [BINARY, "serve", "--listen", f"127.0.0.1:{function}"], function)

        cls.start("driver", [driver, "--port=0"])
        port = until("the driver's port", lambda: re.search(r"on port (\d+)\.", cls.output("driver")))[1]
        cls.browser = Browser(f"http://127.0.0.1:{port}", chromium, cls.folder / "profile")
        cls.addClassCleanup(cls.browser.close)

    @classmethod
    def start(cls, name, command, port=None):
        """Starts a program in a new session, with a minimal environment."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(cls.folder), "TMPDIR": str(cls.folder), "LANG": "C.UTF-8"}
        with open(cls.folder / f"{name}.out", "wb") as out, open(cls.folder / f"{name}.err", "wb") as err:
            process = subprocess.Popen(
                command, env=environment, cwd=cls.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )

        def stop():
            # A browser has several processes.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()

        cls.addClassCleanup(stop)
        if port is not None:
            def ready():
                if process.poll() is not None:
                    raise AssertionError(f"{name} ended: {(cls.folder / f'{name}.err').read_text(errors='replace')}")
                return listens(port)

            until(f"{name} to listen", ready)

    @classmethod
    def output(cls, name):
        return (cls.folder / f"{name}.out").read_text(errors="replace")

    @classmethod
    def change(cls, change):
        status, _, answer = call(
            "POST", f"{cls.sandbox}/_sandbox/changes", json.dumps(change), {"Content-Type": "application/json"}
        )
        if status != 200:
            raise AssertionError(f"the sandbox refused {change}: {answer}")

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
        body, forms = re.subn(rb'<form method="post"', b'<form method="post" action="%s"' % html.escape(link).encode(), body)
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
