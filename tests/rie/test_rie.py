"""The release build under the real Lambda Runtime Interface Emulator, which comes with the SAM CLI.

The other tests simulate the Runtime API; this test shows that AWS's own Runtime API behaves the same. Usage, after
`cargo build --release --no-default-features --bin callback`: python -m unittest discover -s tests/rie
"""

import base64
import hashlib
import hmac
import importlib.util
import json
import os
import platform
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
BINARY = PROJECT / "target" / "release" / "callback"
TENANT = "0a1b0000-0000-4000-8000-000000000002"
KEY = "canary-secret-8sW1xK7dR4tY9uB3nC6fG0hJ"
BASE_URL = "https://consent.example"

CONFIG = """
[site]
name = "Northwind"
base_url = "%(base)s"
support = "support@northwind.example"
privacy_url = "https://northwind.example/privacy"
[keys]
secret = { file = "keys.json" }
[clouds.closed]
authority = "http://127.0.0.1:%(port)d"
graph = "http://127.0.0.1:%(port)d"
[[apps]]
id = "mail-backup"
client_id = "0a1b0000-0000-4000-8000-0000000000a1"
name = "Northwind Mail Backup"
cloud = "closed"
credential = { client_secret = { file = "keys.json" } }
[apps.permissions."Microsoft Graph"]
application = { required = ["Mail.Read"] }
"""


def emulator():
    spec = importlib.util.find_spec("samcli")
    if spec is None:
        raise unittest.SkipTest("the SAM CLI is not installed in this environment")
    machine = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
    return Path(spec.submodule_search_locations[0]) / "local" / "rapid" / f"aws-lambda-rie-{machine}"


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


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def ticket():
    """A genuine ticket, signed without the product's code."""
    now = int(time.time())
    claims = {
        "iss": BASE_URL, "aud": "callback", "iat": now, "exp": now + 3600, "jti": "7a1b0000-0000-4000-8000-000000000007",
        "app": "mail-backup", "ten": TENANT, "inv": None, "lbl": None, "ref": None, "bnd": None,
    }
    header = {"alg": "HS256", "typ": "ec-ticket+jwt", "kid": "k1"}
    message = ".".join(b64(json.dumps(part).encode()) for part in (header, claims))
    return f"{message}.{b64(hmac.new(KEY.encode(), message.encode(), hashlib.sha256).digest())}"


def own_event(name, state="forged"):
    text = (PROJECT / "events" / f"{name}.json").read_text()
    form = base64.b64encode(f"admin_consent=True&tenant={TENANT}&state={state}".encode()).decode()
    for placeholder, value in (("ticket", state), ("tenant", TENANT), ("form", form)):
        text = text.replace("{{%s}}" % placeholder, value)
    return json.loads(text)


class TheReleaseBuildUnderTheEmulator(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not BINARY.exists():
            raise AssertionError(f"{BINARY} is missing: cargo build --release --no-default-features --bin callback")
        rie = emulator()
        cls.folder = Path(tempfile.mkdtemp(prefix="rie-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        function, runtime, closed = free_ports(3)
        (cls.folder / "keys.json").write_text(json.dumps({"kid": "k1", "key": KEY}))
        (cls.folder / "consent.toml").write_text(CONFIG % {"base": BASE_URL, "port": closed})
        # The wheel does not mark the emulator as executable.
        program = cls.folder / "rie"
        shutil.copyfile(rie, program)
        program.chmod(stat.S_IRWXU)
        cls.url = f"http://127.0.0.1:{function}/2015-03-31/functions/function/invocations"
        cls.log = cls.folder / "log"
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_FUNCTION_TIMEOUT": "20",
            "ENTRA_CONSENT_CONFIG": str(cls.folder / "consent.toml"),
        }
        # Both addresses are set, because by default the emulator listens on every interface.
        command = [
            program,
            "--runtime-interface-emulator-address", f"127.0.0.1:{function}",
            "--runtime-api-address", f"127.0.0.1:{runtime}",
            BINARY,
        ]
        with open(cls.log, "wb") as log:
            cls.process = subprocess.Popen(
                command, env=environment, cwd=cls.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        cls.addClassCleanup(cls.stop)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", function), timeout=1).close()
                return
            except OSError:
                if cls.process.poll() is not None:
                    break
                time.sleep(0.05)
        raise AssertionError(f"the emulator does not listen: {cls.log.read_text(errors='replace')}")

    @classmethod
    def stop(cls):
        # The function is a child of the emulator, so one signal to their process group ends both.
        try:
            os.killpg(cls.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        cls.process.wait()

    def invoke(self, event):
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url, data=body, method="POST"), timeout=30) as answer:
            self.assertEqual(answer.status, 200)
            answer = json.load(answer)
        self.assertNotIn("errorType", answer)
        return answer

    def records(self):
        lines = self.log.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"schema":"entra-consent/record/')]

    def invoke_recorded(self, event):
        before = len(self.records())
        answer = self.invoke(event)
        return answer, self.records()[before:]

    def assert_turned_away(self, event, outcome):
        answer, records = self.invoke_recorded(event)
        self.assertEqual(answer["statusCode"], 400)
        self.assertIn(f'data-outcome="{outcome}"', answer["body"])
        self.assertEqual([(record["event"], record["outcome"]["after"]) for record in records], [("rejected", outcome)])
        headers = answer.get("headers") or {}
        multi = answer.get("multiValueHeaders") or {}
        self.assertIn("no-store", (headers.get("cache-control"), *(multi.get("cache-control") or ())))

    def test_a_forged_callback_is_turned_away_through_every_door(self):
        for name in ("http-api-success", "rest-api-success", "function-url-success", "load-balancer-success", "http-api-form-post"):
            with self.subTest(name):
                self.assert_turned_away(own_event(name), "link_damaged")

    def test_an_unsolicited_callback_is_told_so(self):
        self.assert_turned_away(own_event("http-api-unsolicited"), "unsolicited")

    def test_a_health_check_is_answered_and_not_recorded(self):
        answer, records = self.invoke_recorded(own_event("load-balancer-health-check"))
        self.assertEqual((answer["statusCode"], json.loads(answer["body"]), records), (200, {"status": "ok"}, []))

    def test_a_genuine_ticket_is_claimed_and_concluded_though_microsoft_is_silent(self):
        genuine = ticket()
        answer, records = self.invoke_recorded(own_event("http-api-success", genuine))
        self.assertEqual(answer["statusCode"], 303)
        self.assertTrue(answer["headers"]["location"].startswith(f"{BASE_URL}/r/"))
        self.assertEqual([record["event"] for record in records], ["claimed", "concluded"])
        self.assertEqual(records[1]["outcome"]["after"], "unavailable")
        log = self.log.read_text(errors="replace")
        self.assertNotIn(genuine, log)
        self.assertNotIn("canary-secret", log)

    def test_hostile_events_are_answered_and_the_process_lives(self):
        for query in ("state=<script>\"' \u0001\u0000", "state=%ff%zz%", "state=" + "x" * 70_000, "&" * 10_000, "state=\ud800"):
            with self.subTest(query[:20]):
                event = own_event("http-api-success")
                event["rawQueryString"] = query
                event["headers"]["host"] = "a:99999"
                event["requestContext"]["domainName"] = "::1"
                self.assertEqual(self.invoke(event)["statusCode"], 400)
        for name in ("not-http-authorizer", "not-http-schedule", "not-http-web-socket"):
            with self.subTest(name):
                self.assertEqual(self.invoke(own_event(name))["outcome"], "unsolicited")
        for payload in (b"", b"{}", b"[" * 10_000 + b"]" * 10_000, b"\xff\xfe", b"not json"):
            with self.subTest(payload[:10]):
                self.assertEqual(self.invoke(payload)["outcome"], "unsolicited")
        self.assertIsNone(self.process.poll())


if __name__ == "__main__":
    unittest.main()
