"""The nginx configuration that docs/serve.md gives operators, loaded into Debian's nginx and tested with requests.

Run by scripts/test; alone: python3 -m unittest discover -s tests/proxy
"""

import http.client
import http.server
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOST = "consent.example.com"
# Debian's /usr/sbin is not in every user's PATH.
NGINX = shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])) or "nginx"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Upstream(http.server.BaseHTTPRequestHandler):
    """Answers with the request that nginx forwarded."""

    def do_GET(self):
        body = f"{self.headers['Host']} {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Nginx(unittest.TestCase):
    def setUp(self):
        (ROOT / "target").mkdir(exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="nginx.", dir=ROOT / "target"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.port, self.upstream = free_port(), free_port()
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={HOST}", "-addext",
             f"subjectAltName=DNS:{HOST}", "-keyout", self.folder / f"{HOST}.key", "-out", self.folder / f"{HOST}.pem"],
            check=True, capture_output=True)
        snippet = (ROOT / "docs" / "proxy" / "nginx.conf").read_text(encoding="utf-8")
        # Paths of this machine replace those of an operator's server. Everything else is the operator's, word for word.
        for there, here in (
            ("/etc/ssl/", f"{self.folder}/"),
            ("/var/log/nginx/", f"{self.folder}/"),
            ("listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"),
            ("http://127.0.0.1:8080;", f"http://127.0.0.1:{self.upstream};"),
        ):
            self.assertIn(there, snippet)
            snippet = snippet.replace(there, here)
        (self.folder / "snippet.conf").write_text(snippet, encoding="utf-8")
        temporary = "".join(f"{kind}_temp_path {kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        # As on Debian, nginx writes an access log unless the snippet switches it off.
        (self.folder / "nginx.conf").write_text(
            "daemon off; pid nginx.pid; error_log main.log; events {}\n"
            f"http {{ access_log access.log; {temporary} include snippet.conf; }}\n", encoding="utf-8")
        self.command = [NGINX, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", str(self.folder / "main.log")]

    def start(self):
        nginx = subprocess.Popen(self.command, stderr=subprocess.DEVNULL)
        self.addCleanup(nginx.wait)
        self.addCleanup(nginx.terminate)
        for _ in range(200):
            self.assertIsNone(nginx.poll(), "nginx ended")
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return nginx
            except ConnectionRefusedError:
                time.sleep(0.05)
        self.fail("nginx does not listen")

    def ask(self, method, address, body=None):
        connection = socket.create_connection(("127.0.0.1", self.port))
        context = ssl.create_default_context(cafile=self.folder / f"{HOST}.pem")
        client = http.client.HTTPConnection(HOST)
        client.sock = context.wrap_socket(connection, server_hostname=HOST)
        self.addCleanup(client.close)
        client.request(method, address, body)
        answer = client.getresponse()
        return answer.status, answer.read().decode()

    def test_it_loads_without_a_warning(self):
        tested = subprocess.run([*self.command, "-t"], capture_output=True, text=True)
        self.assertEqual(tested.returncode, 0, tested.stderr)
        self.assertNotRegex(tested.stderr, r"\[(warn|error|crit|alert|emerg)\]")

    def test_a_long_callback_reaches_the_process_under_its_host(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", self.upstream), Upstream)
        threading.Thread(target=server.serve_forever).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.start()
        address = f"/callback?error_description={'x' * 15_000}"
        self.assertEqual(self.ask("GET", address), (200, f"{HOST} {address}"))

    def test_no_log_keeps_a_ticket_or_a_receipt(self):
        nginx = self.start()
        # The process is down; a body is too large; an address is too long.
        self.assertEqual(self.ask("GET", "/callback?state=canary-ticket")[0], 502)
        self.assertEqual(self.ask("POST", "/r/canary-receipt", b"x" * 65_537)[0], 413)
        self.assertEqual(self.ask("GET", f"/i/canary-invitation?{'x' * 16_384}")[0], 414)
        nginx.terminate()
        nginx.wait()
        logs = list(self.folder.glob("*.log"))
        self.assertIn(self.folder / f"{HOST}.log", logs)
        for log in logs:
            self.assertNotIn("canary", log.read_text(encoding="utf-8"), log.name)


if __name__ == "__main__":
    unittest.main()
