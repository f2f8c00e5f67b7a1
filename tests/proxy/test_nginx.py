"""The nginx configuration that docs/serve.md gives operators, loaded into Debian's nginx and tested with requests.

Run by scripts/test; alone: python3 -m unittest discover -s tests/proxy -p test_nginx.py
"""

import os
import shutil
import unittest

from proxies import HOST, Proxied

# Debian's /usr/sbin is not in every user's PATH.
NGINX = shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])) or "nginx"


class Nginx(Proxied, unittest.TestCase):
    environment = None

    def configure(self):
        snippet = self.adapted(
            "nginx.conf", ("/etc/ssl/", f"{self.folder}/"), ("/var/log/nginx/", f"{self.folder}/"),
            ("listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"), ("listen [::]:443 ssl;", ""),
            ("http://127.0.0.1:8080;", f"http://127.0.0.1:{self.behind};"),
            ("timeout 10s;", "timeout 1s;"), ("timeout   10s;", "timeout 1s;"))
        (self.folder / "snippet.conf").write_text(snippet, encoding="utf-8")
        temporary = "".join(f"{kind}_temp_path {kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        # As on Debian, nginx writes an access log and an error log of its own. Tests need more client addresses than this machine has,
        # so a header contains the address.
        (self.folder / "nginx.conf").write_text(
            "daemon off; pid nginx.pid; error_log main.log; events {}\n"
            f"http {{ access_log access.log; {temporary} set_real_ip_from 127.0.0.0/8; real_ip_header Test-Address;\n"
            "include snippet.conf; }\n", encoding="utf-8")
        self.command = [NGINX, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", str(self.folder / "main.log")]
        self.load = [*self.command, "-t"]

    def flood(self, addresses, client):
        """Sends requests until the proxy limits one, and returns that answer."""
        for address in addresses:
            answer = self.ask("GET", "/r/canary-flood", headers={"Test-Address": address} if address else {}, client=client)
            if answer[0] != 200:
                return answer
        return None

    def test_a_flood_from_one_address_is_limited_alone(self):
        self.start_upstream()
        self.start()
        self.assert_wait_page(self.flood([None] * 900, self.connect("127.0.0.2")), 429, "30")
        self.assertEqual(self.ask("GET", "/callback", client=self.connect("127.0.0.3"))[0], 200)

    def test_an_ipv6_network_of_64_bits_is_one_client(self):
        self.start_upstream()
        self.start()
        client = self.connect()
        # Among these addresses are some that contain the bytes of a line feed and of zero.
        self.assert_wait_page(self.flood((f"2001:db8:a00::{end:x}" for end in range(900)), client), 429, "30")
        self.assertIsNone(self.flood((f"2001:db8:a00:{network:x}::1" for network in range(1, 200)), client))
        self.assertIsNone(self.flood((f"192.0.2.{end}" for end in range(200)), client))

    def test_the_log_names_the_network_of_the_client(self):
        self.start_upstream()
        nginx = self.start()
        for address in ("192.0.2.7", "2001:db8:1:2::3", "2001:db8::1", "::1"):
            self.assertEqual(self.ask("GET", "/", headers={"Test-Address": address})[0], 200)
        self.stop(nginx)
        log = (self.folder / f"{HOST}.access.log").read_text(encoding="utf-8")
        self.assertEqual([line.split()[1] for line in log.splitlines()], ["192.0.2.0/24", "2001:db8::/32", "2001:db8::/32", "-"])

    def test_the_21st_request_at_once_is_limited(self):
        upstream = self.start_upstream()
        self.start()
        waiting = [self.connect("127.0.0.2") for _ in range(20)]
        for client in waiting:
            client.request("GET", "/slow")
        for _ in waiting:
            self.assertTrue(upstream.waiting.acquire(timeout=60))
        self.assert_wait_page(self.ask("GET", "/callback", client=self.connect("127.0.0.2")), 429, "30")
        self.assertEqual(self.ask("GET", "/callback", client=self.connect("127.0.0.3"))[0], 200)
        upstream.go_on.set()
        self.assertEqual({client.getresponse().status for client in waiting}, {200})

    def test_no_log_has_a_token(self):
        nginx = self.start()
        self.log_something()
        self.assertEqual(self.ask("POST", "/r/canary-large", b"x" * 65_537)[0], 413)
        self.assertEqual(self.ask("GET", f"/i/canary-long?{'x' * 16_384}")[0], 414)
        self.assertEqual(self.flood([None] * 900, self.connect("127.0.0.3"))[0], 429)
        # Without this folder, nginx cannot store a body. It logs such a fault of the machine as `crit`.
        shutil.rmtree(self.folder / "client_body")
        self.assertEqual(self.ask("POST", "/r/canary-disk", b"x" * 60_000, client=self.connect("127.0.0.4"))[0], 500)
        self.stop(nginx)
        logs = self.assert_no_log_has_a_token()
        self.assertIn(f"{HOST}.error.log", logs)
        self.assertEqual(logs["access.log"], "")
        for written in (
            r"^\S+ 127\.0\.0\.0/24 GET 200 upstream=200 requests=PASSED connections=PASSED [\d.]+$",
            r"^\S+ 127\.0\.0\.0/24 GET 502 upstream=502 ",
            r"^\S+ 127\.0\.0\.0/24 GET 429 upstream=- requests=REJECTED ",
        ):
            self.assertRegex(logs[f"{HOST}.access.log"], f"(?m){written}")


if __name__ == "__main__":
    unittest.main()
