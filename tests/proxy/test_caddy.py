"""The Caddyfile that docs/serve.md gives operators, loaded into Debian's Caddy and tested with requests.

Run by scripts/test; alone: python3 -m unittest discover -s tests/proxy -p test_caddy.py
"""

import json
import os
import unittest

from proxies import HOST, PROXY, Proxied


class Caddy(Proxied, unittest.TestCase):
    def configure(self):
        caddyfile = self.adapted(
            "Caddyfile", ("127.0.0.1:8080", f"127.0.0.1:{self.behind}"), (" 10s\n", " 1s\n"), ("idle 1m", "idle 1s"),
            # This logs everything, and needs no certificate authority, no redirect on port 80 and no port for administration.
            ("{\n\t# Caddy logs", "{\n\tdebug\n\tadmin off\n\tauto_https off\n\t# Caddy logs"),
            (f"\n{HOST} {{\n", f"\n{HOST}:{self.port} {{\n\tbind 127.0.0.1\n\ttls {HOST}.pem {HOST}.key\n"))
        (self.folder / "Caddyfile").write_text(caddyfile, encoding="utf-8")
        self.environment = {**os.environ, "XDG_DATA_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}
        self.command = ["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
        self.load = ["caddy", "validate", "--config", str(PROXY / "Caddyfile"), "--adapter", "caddyfile"]

    def test_http_3_is_not_offered(self):
        self.start_upstream()
        self.start()
        self.assertIsNone(self.ask("GET", "/callback")[1]["Alt-Svc"])

    def test_no_log_has_a_token(self):
        caddy = self.start()
        self.log_something()
        self.stop(caddy)
        log = [json.loads(line) for line in self.assert_no_log_has_a_token()["stderr.log"].splitlines()]
        seen = {(line["logger"], line.get("status"), line["request"]["remote_ip"]) for line in log if "request" in line}
        for logger, status in (("http.log.access", 200), ("http.log.access", 502), ("http.log.error", 502)):
            self.assertIn((logger, status, "127.0.0.0"), seen)


if __name__ == "__main__":
    unittest.main()
