"""Every failure rings an alarm that leads to its heading in docs/operate.md, and nothing healthy rings one.

The records come from the goldens (tests/it/golden/walks), the patterns from the template; `Pattern` evaluates the part of CloudWatch's
filter syntax that the template uses.
"""

import json
import re
import unittest

from test_template import ROOT, Template, every

RECORD_SCHEMA = json.loads((ROOT / "docs" / "record.schema.json").read_text(encoding="utf-8"))
EVENT_SCHEMA = json.loads((ROOT / "docs" / "outcome.schema.json").read_text(encoding="utf-8"))
RENEWAL_SCHEMA = json.loads((ROOT / "docs" / "renewal.schema.json").read_text(encoding="utf-8"))
WALKS = ROOT / "tests" / "it" / "golden" / "walks"

# Lambda's report of a start, from the Telemetry API's reference (docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html).
STARTED = {
    "time": "2026-11-20T12:00:00.000Z",
    "type": "platform.initReport",
    "record": {"initializationType": "on-demand", "phase": "init", "status": "success", "metrics": {"durationMs": 24.1}},
}
NOT_STARTED = STARTED | {"record": STARTED["record"] | {"status": "error", "errorType": "Runtime.ExitError"}}

# Each fault that the goldens walk through, and the filters that count it.
FAULTS = {
    "outcomes/operator_fault": {"CredentialRefused"},
    "outcomes/unavailable": {"MicrosoftSilent"},
    "rejections/keys_unavailable": {"KeysUnavailable"},
    "worker/credential_ends": {"CredentialEndsFourteenDays", "CredentialEnded"},
    "worker/event_refused": {"OrdersFail"},
    "worker/events": {"Poison"},
    "worker/order_refused": {"OrdersRefused"},
    "worker/refused": {"Poison"},
    "faults/event_lost": {"EventLost", "OrdersRefused", "OrdersFail"},
    "faults/flood": {"Suppressed"},
    "faults/settings_refused": {"SettingsRefused"},
    "faults/worker_without_keys": {"KeysUnavailable", "OrdersFail"},
}
# Each needs 30 days of the daily schedule, or 3; the pattern differs from the others in its number only.
NOT_WALKED = {"CredentialEndsThirtyDays", "CredentialEndsThreeDays", "StartFails"}


class Pattern:
    """A JSON filter pattern: `{ $.a.b = "text*" && ($.c != 1 || $.d >= 2) }`.

    A string matches as a whole, with `*` for any text; a field that is absent matches no comparison, `!=` included, since the template
    must not depend on what CloudWatch does then.
    """

    TOKEN = re.compile(r'\s*(&&|\|\||[()]|\$\.[A-Za-z_.]+|!=|>=|<=|=|>|<|"[^"]*"|-?\d+)')

    def __init__(self, text):
        body = re.fullmatch(r"\{(.*)\}", text)
        if not body:
            raise ValueError(f"no JSON pattern: {text}")
        self.tokens, rest = [], body[1].rstrip()
        while rest:
            found = self.TOKEN.match(rest)
            if not found:
                raise ValueError(f"not in the subset: {rest}")
            self.tokens.append(found[1])
            rest = rest[found.end():]
        self.tree = self.either()
        if self.tokens:
            raise ValueError(f"left over: {self.tokens}")

    def either(self):
        parts = [self.both()]
        while self.tokens[:1] == ["||"]:
            self.tokens.pop(0)
            parts.append(self.both())
        return lambda record: any(part(record) for part in parts)

    def both(self):
        parts = [self.comparison()]
        while self.tokens[:1] == ["&&"]:
            self.tokens.pop(0)
            parts.append(self.comparison())
        return lambda record: all(part(record) for part in parts)

    def comparison(self):
        first = self.tokens.pop(0)
        if first == "(":
            inside = self.either()
            if self.tokens.pop(0) != ")":
                raise ValueError("a bracket is open")
            return inside
        operator, wanted = self.tokens.pop(0), self.tokens.pop(0)
        path = first.removeprefix("$.").split(".")

        def holds(record):
            for name in path:
                if not isinstance(record, dict) or name not in record:
                    return False
                record = record[name]
            if wanted.startswith('"'):
                like = re.fullmatch(".*".join(map(re.escape, wanted.strip('"').split("*"))), record) if isinstance(record, str) else None
                return {"=": like is not None, "!=": like is None}[operator]
            if isinstance(record, bool) or not isinstance(record, (int, float)):
                return False
            one, other = record, int(wanted)
            return {"=": one == other, "!=": one != other, ">": one > other, "<": one < other, ">=": one >= other, "<=": one <= other}[operator]

        return holds

    def matches(self, record):
        return self.tree(record)


def records(golden):
    return [value for value in every(golden) if isinstance(value, dict) and value.get("schema") == "entra-consent/record/1"]


def walks():
    """All goldens, by name, each with its records."""
    for path in sorted(WALKS.rglob("*.json")):
        yield path.relative_to(WALKS).with_suffix("").as_posix(), records(json.loads(path.read_text(encoding="utf-8")))


def in_schema(schema, field):
    for name in field.split("."):
        if name not in schema.get("properties", {}):
            return False
        schema = schema["properties"][name]
    return True


def fields(pattern):
    return set(re.findall(r"\$\.([A-Za-z_.]+)", pattern))


class AlarmTest(Template):
    def setUp(self):
        self.alarms = {name: alarm["Properties"] for name, alarm in self.of_type("AWS::CloudWatch::Alarm").items()}
        self.filters = {}
        for name, found in self.of_type("AWS::Logs::MetricFilter").items():
            properties = found["Properties"]
            self.assertEqual(properties["LogGroupName"], {"Ref": "RecordLog"}, name)
            [made] = properties["MetricTransformations"]
            self.assertEqual((made["MetricNamespace"], made["MetricValue"]), ({"Fn::Sub": "EntraConsent/${AWS::StackName}"}, "1"), name)
            self.filters[made["MetricName"]] = properties["FilterPattern"]

    def of_filter(self, metric):
        """The alarm on a filter."""
        [alarm] = [a for a in self.alarms.values() if (a["Namespace"], a["MetricName"]) == ({"Fn::Sub": "EntraConsent/${AWS::StackName}"}, metric)]
        return alarm


class Patterns(unittest.TestCase):
    def test_a_pattern_means_what_cloudwatch_says(self):
        record = {"event": "failed", "count": 3, "sends": {"event": "lost"}, "gone": None}
        for pattern, expected in (
            ('{ $.event = "failed" }', True),
            ('{ $.event = "fail" }', False),
            ('{ $.event = "fail*" }', True),
            ('{ $.sends.event = "*" }', True),
            ('{ $.sends.order = "*" }', False),
            ('{ $.event != "failed" || $.count >= 3 }', True),
            ('{ $.event = "failed" && ($.count < 3 || $.count > 3) }', False),
            ('{ $.gone = "*" }', False),
            ('{ $.count = "3" }', False),
            ('{ $.absent != "x" }', False),
        ):
            self.assertIs(Pattern(pattern).matches(record), expected, pattern)
        for wrong in ("failed", "{ $.event }", '{ $.event = "a" || }', '{ $.event IS NULL }', '{ ($.event = "a" }'):
            with self.assertRaises((ValueError, IndexError), msg=wrong):
                Pattern(wrong)


class Filters(AlarmTest):
    def ringing(self, found):
        """The alarms that these records ring, if all come within one period; a period that must repeat is taken as repeated."""
        patterns = {metric: Pattern(text) for metric, text in self.filters.items()}
        return {m for m, pattern in patterns.items() if sum(pattern.matches(r) for r in found) > self.of_filter(m)["Threshold"]}

    def test_each_fault_rings_its_alarms_and_nothing_else_rings(self):
        walked = dict(walks())
        self.assertLessEqual(set(FAULTS), set(walked))
        self.assertGreater(len(walked), 50)
        for name, found in walked.items():
            self.assertEqual(self.ringing(found), FAULTS.get(name, set()), name)

    def test_a_function_that_cannot_start_rings_an_alarm(self):
        self.assertEqual(self.ringing([NOT_STARTED]), {"StartFails"})
        self.assertEqual(self.ringing([STARTED]), set())
        for function in ("CallbackFunction", "WorkerFunction"):
            # Below INFO, Lambda reports no start.
            self.assertEqual(self.resources[function]["Properties"]["LoggingConfig"]["SystemLogLevel"], "INFO")

    def test_each_filter_is_rung_by_a_fault(self):
        self.assertEqual(set().union(*FAULTS.values()) | NOT_WALKED, set(self.filters))

    def test_filters_read_fields_of_records_that_the_guide_lists(self):
        read = set().union(*(fields(text) for metric, text in self.filters.items() if metric != "StartFails"))
        for field in read:
            self.assertTrue(in_schema(RECORD_SCHEMA, field), field)
        guide = (ROOT / "docs" / "LOGGING.md").read_text(encoding="utf-8").split("## Fields that the template reads")[1]
        self.assertEqual(set(re.findall(r"^\| `([a-z_.]+)` \|", guide, re.MULTILINE)), read)

    def test_filters_read_words_that_records_use(self):
        properties = RECORD_SCHEMA["properties"]
        words = set(properties["event"]["enum"]) | set(RECORD_SCHEMA["$defs"]["outcome"]["enum"]) | set(properties["alarm"]["enum"])
        words |= set(properties["message"]["properties"]["reason"]["enum"])
        words |= {word for kind in ("order", "event") for word in properties["sends"]["properties"][kind]["enum"]}
        for metric, text in self.filters.items():
            if metric != "StartFails":
                self.assertLessEqual(set(re.findall(r'"([a-z_]+)"', text)), words, metric)

    def test_each_threshold_of_a_credential_rings_its_own_alarm(self):
        heard = {}
        for metric, text in self.filters.items():
            for days in re.findall(r'\$\.event = "expiring" && \$\.expiry\.threshold_days = (\d+)', text):
                heard[int(days)] = metric
        self.assertEqual(set(heard), set(RECORD_SCHEMA["properties"]["expiry"]["properties"]["threshold_days"]["enum"]))
        for metric in heard.values():
            # The event comes once a day: with a shorter period, the alarm would end and ring again every day.
            self.assertGreaterEqual(self.of_filter(metric)["Period"], 86400)


class Alarms(AlarmTest):
    def assert_rings(self, name, namespace, metric, **dimensions):
        alarm = self.alarms[name]
        self.assertEqual((alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]), (namespace, metric, "Sum"))
        self.assertEqual({d["Name"]: d["Value"] for d in alarm["Dimensions"]}, dimensions)
        self.assertLessEqual(alarm["Period"] * alarm["EvaluationPeriods"], 300)
        self.assertEqual(alarm["Threshold"], 0)

    def test_every_alarm_reaches_the_mailbox_and_the_topic(self):
        self.assertTrue(self.alarms)
        none = {"Ref": "AWS::NoValue"}
        for name, alarm in self.alarms.items():
            self.assertEqual(alarm["AlarmActions"], [
                {"Fn::If": ["HasAlarmTopic", {"Ref": "AlarmTopicArn"}, none]}, {"Fn::If": ["MakesAlarmTopic", {"Ref": "AlarmTopic"}, none]},
            ], name)
        subscription = {"Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}}
        self.assertEqual(self.resources["AlarmTopic"]["Properties"]["Subscription"], [subscription])

    def test_only_this_account_may_write_to_the_topic(self):
        [statement] = self.resources["AlarmTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        self.assertEqual(statement["Condition"], {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}})
        self.assertEqual(set(statement["Principal"]["Service"]), {"cloudwatch.amazonaws.com", "events.amazonaws.com"})

    def test_silence_is_an_alarm_only_of_the_daily_check(self):
        for name, alarm in self.alarms.items():
            usual = ("notBreaching", "GreaterThanThreshold")
            expected = ("breaching", "LessThanThreshold") if name == "DailyMissingAlarm" else usual
            self.assertEqual((alarm["TreatMissingData"], alarm["ComparisonOperator"]), expected, name)

    def test_no_alarm_evaluates_a_longer_time_than_cloudwatch_allows(self):
        # PutMetricAlarm: one day, and seven for periods of an hour or more.
        for name, alarm in self.alarms.items():
            longest = 7 * 86400 if alarm["Period"] >= 3600 else 86400
            self.assertLessEqual(alarm["Period"] * alarm["EvaluationPeriods"], longest, name)

    def test_poison_and_failures_ring_hours_before_dead_letters(self):
        for metric in ("Poison", "OrdersFail"):
            alarm = self.of_filter(metric)
            self.assertLessEqual(alarm["Period"] * alarm["EvaluationPeriods"], 1800, metric)

    def test_a_worker_that_fails_is_noticed(self):
        self.assert_rings("WorkerErrorsAlarm", "AWS/Lambda", "Errors", FunctionName={"Ref": "WorkerFunction"})

    def test_a_chain_of_orders_that_lambda_stops_rings_an_alarm(self):
        self.assert_rings("OrdersDroppedAlarm", "AWS/Lambda", "RecursiveInvocationsDropped", FunctionName={"Ref": "WorkerFunction"})

    def test_an_error_that_visitors_see_rings_an_alarm(self):
        # "5xx" is the metric of an HTTP API; "5XXError" that of a REST API.
        self.assert_rings("ServerFaultsAlarm", "AWS/ApiGateway", "5xx", ApiId={"Ref": "ConsentApi"}, Stage={"Ref": "StageName"})
        for name, metric in (("CallbackErrorsAlarm", "Errors"), ("CallbackThrottlesAlarm", "Throttles")):
            self.assert_rings(name, "AWS/Lambda", metric, FunctionName={"Ref": "CallbackFunction"})

    def test_an_answer_slower_than_any_fault_explains_rings_an_alarm(self):
        alarm = self.alarms["SlowAlarm"]
        self.assertEqual((alarm["MetricName"], alarm["ExtendedStatistic"]), ("Duration", "p99"))
        # In milliseconds, between the 4 s of an answer under any fault and the timeout.
        timeout = self.resources["CallbackFunction"]["Properties"]["Timeout"]
        self.assertTrue(4000 < alarm["Threshold"] < timeout * 1000)

    def test_what_waits_and_what_lies_in_the_queues_is_noticed(self):
        for name, metric, queue in (
            ("DeadLettersAlarm", "ApproximateNumberOfMessagesVisible", "DeadLetterQueue"),
            ("OrdersWaitAlarm", "ApproximateNumberOfMessagesVisible", "OrderQueue"),
        ):
            alarm = self.alarms[name]
            self.assertEqual((alarm["Namespace"], alarm["MetricName"]), ("AWS/SQS", metric))
            self.assertEqual(alarm["Dimensions"], [{"Name": "QueueName", "Value": {"Fn::GetAtt": [queue, "QueueName"]}}])

    def test_an_order_that_is_not_due_rings_no_alarm(self):
        # A delayed message and one that was put off are not visible, but SQS counts their age.
        self.assertNotIn("ApproximateAgeOfOldestMessage", {alarm["MetricName"] for alarm in self.alarms.values()})
        alarm = self.alarms["OrdersWaitAlarm"]
        # The queue of a healthy worker is empty at least once in this time.
        self.assertEqual((alarm["Statistic"], alarm["Threshold"]), ("Minimum", 0))
        self.assertGreaterEqual(alarm["Period"] * alarm["EvaluationPeriods"], 900)

    def test_a_daily_check_that_does_not_run_is_noticed(self):
        alarm = self.alarms["DailyMissingAlarm"]
        self.assertEqual((alarm["Namespace"], alarm["MetricName"]), ("AWS/Events", "Invocations"))
        self.assertEqual(alarm["Dimensions"], [{"Name": "RuleName", "Value": {"Ref": "WorkerDaily"}}])

    def test_alarms_and_headings_lead_to_each_other(self):
        guide = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
        headings = re.findall(r"^### ([a-z-]+)$", guide.split("## Alarms")[1].split("\n## ")[0], re.MULTILINE)
        ends = {}
        for name, alarm in self.alarms.items():
            found = re.search(r" What to do: docs/operate\.md#([a-z-]+)$", alarm["AlarmDescription"])
            self.assertTrue(found, name)
            ends.setdefault(found[1], []).append(name)
        self.assertEqual(sorted(headings), sorted(ends))
        for heading in headings:
            section = guide.split(f"\n### {heading}\n")[1].split("\n#")[0]
            for part in ("**Means**", "**Do**"):
                self.assertIn(part, section, heading)


class Mail(AlarmTest):
    def setUp(self):
        super().setUp()
        self.rule = self.resources["OpenOutcomes"]["Properties"]

    def test_only_final_outcomes_that_need_a_person_are_mailed(self):
        self.assertEqual(self.rule["EventPattern"]["detail"], {"severity": ["open"], "provisional": [False]})
        self.assertEqual(self.rule["EventPattern"]["source"], ["entra-consent"])
        self.assertIn("open", EVENT_SCHEMA["properties"]["severity"]["enum"])

    def test_a_mail_holds_ids_and_an_outcome_and_no_text_of_people(self):
        [target] = self.rule["Targets"]
        self.assertEqual(target["Arn"], {"Ref": "AlarmTopic"})
        named = target["InputTransformer"]["InputPathsMap"]
        for path in named.values():
            self.assertTrue(in_schema(EVENT_SCHEMA, path.removeprefix("$.detail.")), path)
        # Labels, references and the names of tenants are free text.
        self.assertEqual(set(named.values()), {
            "$.detail.app.id", "$.detail.tenant.id", "$.detail.outcome.after", "$.detail.correlation.ticket",
        })
        text = json.loads(target["InputTransformer"]["InputTemplate"])
        self.assertEqual(set(re.findall("<([a-z]+)>", text)), set(named))


    def test_each_request_for_a_new_link_is_mailed_with_ids_alone(self):
        rule = self.resources["RenewalRequests"]["Properties"]
        self.assertEqual(rule["EventPattern"], {"source": ["entra-consent"], "detail-type": ["Renewal requested"]})
        self.assertEqual((rule["EventBusName"], self.resources["RenewalRequests"]["Condition"]), (self.rule["EventBusName"], "MakesAlarmTopic"))
        [target] = rule["Targets"]
        self.assertEqual(target["Arn"], {"Ref": "AlarmTopic"})
        named = target["InputTransformer"]["InputPathsMap"]
        for path in named.values():
            self.assertTrue(in_schema(RENEWAL_SCHEMA, path.removeprefix("$.detail.")), path)
        self.assertEqual(set(named.values()), {"$.detail.tenant.id", "$.detail.invitation", "$.detail.ended_at"})
        text = json.loads(target["InputTransformer"]["InputTemplate"])
        self.assertEqual(set(re.findall("<([a-z]+)>", text)), set(named))
        heading = re.search(r"docs/operate\.md#([a-z-]+)$", text)[1]
        guide = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
        self.assertIn(heading, [line.lstrip("# ").lower().replace(" ", "-") for line in guide.splitlines() if line.startswith("#")])


class Queries(AlarmTest):
    WORDS = {"fields", "filter", "sort", "limit", "stats", "by", "as", "asc", "desc", "in", "or", "and", "not"}

    def test_four_saved_queries_read_fields_of_records(self):
        queries = self.of_type("AWS::Logs::QueryDefinition")
        self.assertEqual(len(queries), 4)
        for name, query in queries.items():
            properties = query["Properties"]
            self.assertEqual(properties["LogGroupNames"], [{"Ref": "RecordLog"}])
            text = re.sub(r'"[^"]*"', "", properties["QueryString"])
            made = set(re.findall(r"\bas ([a-z_]+)", text))
            functions = set(re.findall(r"\b([a-z]+)\(", text))
            self.assertLessEqual(functions, {"latest", "pct", "count", "bin", "ispresent"}, name)
            read = set(re.findall(r"\b[a-z_]+(?:\.[a-z_]+)*\b", re.sub(r"\bbin\([^)]*\)", "", text))) - self.WORDS - made - functions
            self.assertTrue(read, name)
            for field in read:
                self.assertTrue(in_schema(RECORD_SCHEMA, field), f"{name}: {field}")

    def test_queries_filter_by_words_that_records_use(self):
        allowed = json.dumps(RECORD_SCHEMA)
        for name, query in self.of_type("AWS::Logs::QueryDefinition").items():
            for word in re.findall(r'"([a-z_]+)"', query["Properties"]["QueryString"]):
                self.assertTrue(f'"{word}"' in allowed or word == "keys_unavailable", f"{name}: {word}")


if __name__ == "__main__":
    unittest.main()
