"""What the tests of both reverse proxies share: the process behind a proxy, requests, and the rules that each proxy must follow."""

import base64
import functools
import hashlib
import http.client
import http.server
import json
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROXY = ROOT / "docs" / "proxy"
HOST = "consent.example.com"
ADMINISTRATOR = "127.0.0.2"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def lines(page):
    return [line.strip() for line in page.strip().splitlines()]


@functools.cache
def certificate():
    """A certificate and its key for HOST, in PEM."""
    with tempfile.TemporaryDirectory() as folder:
        key, pem = Path(folder, "key"), Path(folder, "pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
             "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-keyout", key, "-out", pem],
            check=True, capture_output=True)
        return pem.read_text(encoding="utf-8"), key.read_text(encoding="utf-8")


class Upstream(http.server.ThreadingHTTPServer):
    """Simulates `entra-consent serve`."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, port):
        self.waiting, self.go_on = threading.Semaphore(0), threading.Event()
        super().__init__(("127.0.0.1", port), Answering)

    def handle_error(self, *_):
        """Prints nothing, because some tests make the proxy break a connection."""


class Answering(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/broken"):
            self.close_connection = True
            return
        if self.path.startswith("/slow"):
            self.server.waiting.release()
            self.server.go_on.wait()
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        body = json.dumps({
            "host": self.headers["Host"], "path": self.path, "forwarded": self.headers.get_all("X-Forwarded-For"),
        }).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", "/r/canary-receipt")
        self.end_headers()
        self.wfile.write(body[:5] if self.path.startswith("/cut") else body)
        self.close_connection = self.path.startswith("/cut")

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Proxied:
    """The rules for both proxies. A test class adds `configure`, which sets `command`, and adds `logs`."""

    def setUp(self):
        (ROOT / "target").mkdir(exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="proxy.", dir=ROOT / "target"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.port, self.behind = free_port(), free_port()
        pem, key = certificate()
        (self.folder / f"{HOST}.pem").write_text(pem, encoding="utf-8")
        (self.folder / f"{HOST}.key").write_text(key, encoding="utf-8")
        self.configure()

    def adapted(self, name, *replacements):
        """The operator's file, with only paths, ports and durations replaced."""
        text = (PROXY / name).read_text(encoding="utf-8")
        for there, here in replacements:
            self.assertIn(there, text)
            text = text.replace(there, here)
        return text

    def start(self):
        with (self.folder / "stderr.log").open("w") as errors:
            proxy = subprocess.Popen(self.command, cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL, stderr=errors)
        self.addCleanup(self.stop, proxy)
        for _ in range(400):
            self.assertIsNone(proxy.poll(), "the proxy ended")
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return proxy
            except ConnectionRefusedError:
                time.sleep(0.05)
        self.fail("the proxy does not listen")

    def stop(self, proxy):
        proxy.terminate()
        proxy.wait()

    def start_upstream(self):
        upstream = Upstream(self.behind)
        serving = threading.Thread(target=upstream.serve_forever)
        serving.start()
        for cleanup in (serving.join, upstream.server_close, upstream.shutdown, upstream.go_on.set):
            self.addCleanup(cleanup)
        return upstream

    def connect(self, source=ADMINISTRATOR):
        """A connection from an address of its own, because limits count per address."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60, source_address=(source, 0))
        context = ssl.create_default_context(cafile=self.folder / f"{HOST}.pem")
        client = http.client.HTTPConnection(HOST)
        client.sock = context.wrap_socket(connection, server_hostname=HOST)
        self.addCleanup(client.close)
        return client

    def ask(self, method, address, body=None, headers=None, client=None):
        """Status, headers and text of one answer."""
        client = client or self.connect()
        client.request(method, address, body, headers or {})
        answer = client.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    def assert_wait_page(self, answer, status, reload):
        """Asserts that the answer is our page, the same from both proxies, with a policy that allows its style."""
        got, headers, text = answer
        self.assertEqual(got, status)
        configured = (PROXY / "nginx.conf").read_text(encoding="utf-8").split("return 200 '")[1].split("';")[0]
        self.assertEqual(lines(text), lines(configured))
        style = re.search("<style>(.*)</style>", text)[1]
        allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        self.assertIn(f"style-src 'sha256-{allowed}'", headers["Content-Security-Policy"])
        self.assertEqual(headers["Content-Type"], "text/html; charset=utf-8")
        self.assertEqual(headers["Cache-Control"], "no-store")
        self.assertEqual(headers["Referrer-Policy"], "no-referrer")
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(headers["Retry-After"], "30")
        self.assertEqual(headers["Refresh"], reload)

    def assert_no_log_has_a_token(self):
        texts = {log.name: log.read_text(encoding="utf-8") for log in self.folder.glob("*.log")}
        for name, text in texts.items():
            self.assertEqual([line for line in text.splitlines() if "canary" in line], [], name)
        return texts

    def test_it_loads_without_a_warning(self):
        tested = subprocess.run(self.load, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        self.assertEqual(tested.returncode, 0, tested.stderr)
        self.assertNotRegex(tested.stderr, r'\[(warn|error|crit|alert|emerg)\]|"level":"(warn|error|fatal)"')

    def test_a_long_callback_reaches_the_process(self):
        self.start_upstream()
        self.start()
        address = f"/callback?error_description={'x' * 15_000}"
        status, _, text = self.ask("GET", address)
        self.assertEqual(status, 200)
        self.assertEqual(json.loads(text), {"host": HOST, "path": address, "forwarded": [ADMINISTRATOR]})

    def test_the_process_gets_only_the_peers_address(self):
        self.start_upstream()
        self.start()
        client = self.connect()
        client.putrequest("GET", "/callback")
        for forged in ("192.0.2.1", "192.0.2.2, 127.0.0.1"):
            client.putheader("X-Forwarded-For", forged)
        client.endheaders()
        self.assertEqual(json.loads(client.getresponse().read())["forwarded"], [ADMINISTRATOR])

    def test_a_process_that_is_down_gets_our_page(self):
        self.start()
        self.assert_wait_page(self.ask("GET", "/callback?state=x"), 502, "30")
        self.assert_wait_page(self.ask("POST", "/i/x", b""), 502, None)
        self.start_upstream()
        self.assertEqual(self.ask("GET", "/callback?state=x")[0], 200)

    def test_half_a_request_ends_by_itself(self):
        self.start_upstream()
        self.start()
        for begun in (b"", b"GET /callback HTTP/1.1\r\n", b"POST /callback HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"):
            connection = self.connect().sock
            connection.sendall(begun)
            try:
                while connection.recv(4096):
                    pass
            except ConnectionResetError:
                pass

    def log_something(self):
        """Sends requests of every kind that a proxy may log: good, refused, broken off, and without a process behind the proxy."""
        self.assertEqual(self.ask("GET", "/r/canary-0?state=canary-0", headers={"Referer": "canary-0", "Cookie": "canary-0"})[0], 502)
        self.start_upstream()
        for headers in ({"Referer": f"https://{HOST}/i/canary-1"}, {"Cookie": "canary-1"}, {"X-Forwarded-For": "canary-1"}):
            self.assertEqual(self.ask("GET", "/callback?state=canary-1", headers=headers)[0], 200)
        self.assertEqual(self.ask("GET", "/broken/canary-2")[0], 502)
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            self.ask("GET", "/cut/canary-3")
        for raw in ("GET /i/canary-4 HTTP/1.1", "GET /i/canary-4 HTTP/9.9", "GET /i/canary-4 x y", "canary-4"):
            connection = self.connect().sock
            connection.sendall(f"{raw}\r\n\r\n".encode())
            self.assertRegex(connection.recv(4096), b" (400|505) ")
        leaving = self.connect()
        leaving.request("GET", "/slow/canary-5")
        leaving.close()
        with socket.create_connection(("127.0.0.1", self.port)) as plain:
            plain.sendall(f"GET /i/canary-6 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            self.assertIn(b" 400 ", plain.recv(4096))
