"""What the browser tests share: the programs, a genuine token without the product's code, and the part of WebDriver that they use.

The tests run against real processes: `serve`, and the simulated Microsoft of `demo`. They need Chromium and its driver (on Debian:
chromium, chromium-driver), the debug build of the command line, and axe-core in target/axe (scripts/test installs it). Usage, after
`cargo build`: python3 -m unittest discover -s tests/browser
ENTRA_CONSENT_TEST_BINARY, ENTRA_CONSENT_TEST_CHROMIUM and ENTRA_CONSENT_TEST_CHROMEDRIVER name other programs than the usual ones.
"""

import base64
import hashlib
import hmac
import http.client
import http.server
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import uuid
from pathlib import Path
from urllib.parse import urlsplit

PROJECT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("ENTRA_CONSENT_TEST_BINARY", PROJECT / "target" / "debug" / "entra-consent"))
AXE = PROJECT / "target" / "axe" / "axe_playwright_python" / "axe.min.js"
KEY = "canary-secret-5tG2mQ9vL7xZ4bN8cR1kW6yH"
# A secret of the sandbox, useless outside it.
APP = "0a1b0000-0000-4000-8000-0000000000a1"
APP_SECRET = "sandbox-secret-of-northwind-mail-backup"
# The time limit for each step. The tests measure nothing.
PATIENCE = 20


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


def until(what, look, patience=PATIENCE):
    """Polls until the result is true."""
    end = time.monotonic() + patience
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


def signed(site, kind, audience, claims):
    """A genuine token, signed without the product's code."""
    header = {"alg": "HS256", "typ": f"ec-{kind}+jwt", "kid": "k1"}
    message = ".".join(b64(json.dumps(part).encode()) for part in (header, {"iss": site, "aud": audience} | claims))
    return f"{message}.{b64(hmac.new(KEY.encode(), message.encode(), hashlib.sha256).digest())}"


def invitation(site, tenant, label, app="mail-backup", chain=None, reference=None, **claims):
    """The address of a genuine invitation."""
    now = int(time.time())
    claims = {
        "iat": now, "exp": now + 3600, "jti": str(uuid.uuid4()), "app": None if chain else app, "chn": chain, "ten": tenant,
        "lbl": label, "ref": reference,
    } | claims
    return f"{site}/i/{signed(site, 'invitation', 'invitation', claims)}"


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
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "timeouts": {"pageLoad": PATIENCE * 1000, "script": PATIENCE * 1000},
        }
        self.connection = http.client.HTTPConnection("127.0.0.1", urlsplit(driver).port, timeout=3 * PATIENCE)
        made = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = f"/session/{made['sessionId']}"
        self.version = made["capabilities"]["browserVersion"]

    def ask(self, method, path, body=None):
        text = None if body is None else json.dumps(body)
        self.connection.request(method, path, text, {"Content-Type": "application/json"})
        value = json.loads(self.connection.getresponse().read())["value"]
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

    def run(self, script, *arguments):
        """Runs a script that calls its last argument with the result."""
        return self.ask("POST", f"{self.session}/execute/async", {"script": script, "args": arguments})

    def value(self, script, *arguments):
        """Runs a script and returns its result."""
        return self.ask("POST", f"{self.session}/execute/sync", {"script": script, "args": list(arguments)})

    def console(self):
        """The browser's console output since the last call."""
        return [entry["message"] for entry in self.ask("POST", f"{self.session}/se/log", {"type": "browser"})]

    def requests(self):
        """The addresses that the current tab requested since the last call, redirects included."""
        entries = [json.loads(entry["message"]) for entry in self.ask("POST", f"{self.session}/se/log", {"type": "performance"})]
        tab = self.ask("GET", f"{self.session}/window")
        messages = [entry["message"] for entry in entries if entry["webview"] == tab]
        asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        # A browser that starts opens pages of its own.
        return [address for address in asked if not address.startswith(("data:", "chrome:"))]

    def develop(self, command, **parameters):
        """A command of the DevTools protocol."""
        return self.ask("POST", f"{self.session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def look(self, width, height, scheme):
        """The size of the window's content and the reader's colour scheme. The page does not load again."""
        self.develop("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.develop("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def press(self, *keys):
        """Presses keys, all of them down at once."""
        downs = [{"type": "keyDown", "value": key} for key in keys]
        ups = [{"type": "keyUp", "value": key} for key in reversed(keys)]
        self.ask("POST", f"{self.session}/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": downs + ups}]})

    def open_tab(self, address):
        """Opens an address in a new tab, and returns the tab. The current tab stays current."""
        current = self.ask("GET", f"{self.session}/window")
        tab = self.ask("POST", f"{self.session}/window/new", {"type": "tab"})["handle"]
        self.switch(tab)
        self.open(address)
        self.switch(current)
        return tab

    def tabs(self):
        return self.ask("GET", f"{self.session}/window/handles")

    def switch(self, tab):
        self.ask("POST", f"{self.session}/window", {"handle": tab})

    def close(self):
        self.ask("DELETE", self.session)


class Lambda(http.server.ThreadingHTTPServer):
    """A Lambda function behind an HTTP API: what a browser asks becomes an event for the function, and its answer goes back."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), LambdaDoor)
        self.events, self.answers = queue.Queue(), {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def environment(self):
        return {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server_port}", "AWS_LAMBDA_FUNCTION_NAME": "callback", "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "_HANDLER": "bootstrap", "AWS_REGION": "eu-central-1",
        }


class Door(http.server.BaseHTTPRequestHandler):
    """Answers requests without a log."""

    def log_message(self, *_):
        pass

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class LambdaDoor(Door):
    RUNTIME = "/2018-06-01/runtime/"

    def do_GET(self):
        if self.path.startswith(self.RUNTIME):
            number, event = self.server.events.get()
            deadline = str(int((time.time() + PATIENCE) * 1000))
            names = {"Aws-Request-Id": number, "Deadline-Ms": deadline, "Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:1:function:callback"}
            self.answer(200, {f"Lambda-Runtime-{name}": value for name, value in names.items()}, json.dumps(event).encode())
        else:
            self.invoke("GET")

    def invoke(self, method, body=None):
        path, _, query = self.path.partition("?")
        place = {"accountId": "1", "apiId": "a", "domainName": self.headers["Host"], "domainPrefix": "a", "requestId": "r", "routeKey": "$default",
                 "stage": "$default", "time": "01/Dec/2026:00:00:00 +0000", "timeEpoch": int(time.time() * 1000),
                 "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.9", "userAgent": "-"}}
        event = {"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": dict(self.headers),
                 "requestContext": place, "isBase64Encoded": False} | ({"body": body} if body else {})
        number = str(uuid.uuid4())
        self.server.answers[number] = answer = queue.Queue()
        self.server.events.put((number, event))
        answer = answer.get(timeout=PATIENCE)
        self.answer(answer["statusCode"], answer["headers"], answer["body"].encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)) if self.headers["Content-Length"] else self.chunks()
        if not self.path.startswith(self.RUNTIME):
            self.invoke("POST", body.decode())
            return
        self.answer(202, {})
        number = self.path.removeprefix(f"{self.RUNTIME}invocation/").partition("/")[0]
        self.server.answers[number].put(json.loads(body))

    def chunks(self):
        body = b""
        while length := int(self.rfile.readline(), 16):
            body += self.rfile.read(length)
            self.rfile.readline()
        return body


class Programs(unittest.TestCase):
    """Starts programs for the tests of a class, each in a session of its own and with a minimal environment."""

    @classmethod
    def make_folder(cls):
        if not BINARY.exists():
            raise AssertionError(f"{BINARY} is missing: cargo build")
        cls.folder = Path(tempfile.mkdtemp(prefix="browser-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)

    @classmethod
    def secret(cls, name, text):
        (cls.folder / name).touch(mode=0o600)
        (cls.folder / name).write_text(text)

    @classmethod
    def start_browser(cls):
        chromium = program("ENTRA_CONSENT_TEST_CHROMIUM", "chromium", "chromium-browser", "google-chrome")
        cls.start("driver", [program("ENTRA_CONSENT_TEST_CHROMEDRIVER", "chromedriver"), "--port=0"])
        port = until("the driver's port", lambda: re.search(r"on port (\d+)\.", cls.output("driver")))[1]
        cls.browser = Browser(f"http://127.0.0.1:{port}", chromium, cls.folder / "profile")
        cls.addClassCleanup(cls.browser.close)

    @classmethod
    def start(cls, name, command, port=None, out=None, more=()):
        environment = {"PATH": os.environ["PATH"], "HOME": str(cls.folder), "TMPDIR": str(cls.folder), "LANG": "C.UTF-8"} | dict(more)
        with open(out or cls.folder / f"{name}.out", "wb") as out, open(cls.folder / f"{name}.err", "wb") as err:
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
