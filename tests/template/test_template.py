"""The guarantees of the SAM template, asserted on the CloudFormation that it expands to.

Run by scripts/test; alone: target/test-venv/bin/python -m unittest discover -s tests/template
"""

import json
import os
import re
import tomllib
import unittest
from pathlib import Path

# The translator asks boto3 for a region, without a network call.
os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")

from samtranslator.translator.transform import transform  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]

TICKET_KEY = {"Fn::If": ["MakesTicketKey", {"Ref": "TicketKey"}, {"Ref": "TicketKeyArn"}]}


class NoManagedPolicies:
    """The template names no managed policy, so the translator needs no lookup in an account."""

    def load(self):
        return {}


def source():
    return yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))


def expanded(**uris):
    template = source()
    for resource in template["Resources"].values():
        for local in ("CodeUri", "ContentUri"):
            if local in resource.get("Properties", {}):
                # The translator accepts no local path, so this is the address of an uploaded package.
                resource["Properties"][local] = uris.get(local, "s3://bucket/key")
    return transform(template, {}, NoManagedPolicies())


def every(value):
    """The value and all values inside it."""
    yield value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    for child in children:
        yield from every(child)


def statements(document):
    """All statements of a policy document, those of both branches of a condition included."""
    found = document["Statement"]
    for statement in found if isinstance(found, list) else [found]:
        branches = statement["Fn::If"][1:] if "Fn::If" in statement else [statement]
        yield from (branch for branch in branches if branch != {"Ref": "AWS::NoValue"})


class Template(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.template = expanded()
        cls.resources = cls.template["Resources"]
        cls.parameters = cls.template["Parameters"]

    def of_type(self, kind):
        return {name: resource for name, resource in self.resources.items() if resource["Type"] == kind}

    def only(self, kind):
        found = self.of_type(kind)
        self.assertEqual(len(found), 1, f"{kind}: {list(found)}")
        return next(iter(found.items()))

    def granted(self):
        for name, role in self.of_type("AWS::IAM::Role").items():
            for policy in role["Properties"].get("Policies", []):
                for statement in statements(policy["PolicyDocument"]):
                    yield name, statement


class Permissions(Template):
    def test_every_statement_allows_exactly_one_named_action(self):
        granted = list(self.granted())
        self.assertTrue(granted)
        for role, statement in granted:
            self.assertEqual(statement["Effect"], "Allow", role)
            self.assertIsInstance(statement["Action"], str, f"{role}: {statement}")
            self.assertRegex(statement["Action"], r"^[a-z0-9]+:[A-Za-z]+$", role)
            self.assertNotIn("NotResource", statement)
            self.assertNotIn("NotAction", statement)

    def test_no_statement_names_a_wildcard_resource(self):
        log_groups = self.of_type("AWS::Logs::LogGroup")
        for role, statement in self.granted():
            resource = statement["Resource"]
            # The ARN of a log group ends with ":*", which means its streams. Lambda chooses their names, so AWS offers nothing narrower.
            if isinstance(resource, dict) and resource.get("Fn::GetAtt", [None])[0] in log_groups:
                self.assertEqual(resource["Fn::GetAtt"][1], "Arn")
                continue
            # AWS offers no resource for this action. The conditions limit the request, and a parameter enables the whole statement.
            if statement["Action"] == "sts:GetWebIdentityToken":
                continue
            for value in every(resource):
                if isinstance(value, str):
                    self.assertNotIn("*", value, f"{role}: {statement}")

    def test_aws_vouches_for_named_audiences_and_five_minutes_and_only_where_a_parameter_says_so(self):
        vouching = {}
        for role, statement in self.granted():
            if statement["Action"] == "sts:GetWebIdentityToken":
                audience = statement["Condition"]["ForAllValues:StringEquals"]["sts:IdentityTokenAudience"]["Ref"]
                vouching.setdefault(role, []).append(audience)
                self.assertEqual(
                    statement["Condition"],
                    {
                        "Null": {"sts:IdentityTokenAudience": "false"},
                        "ForAllValues:StringEquals": {"sts:IdentityTokenAudience": {"Ref": audience}},
                        "StringEquals": {"sts:SigningAlgorithm": "RS256"},
                        "NumericLessThanEquals": {"sts:DurationSeconds": "300"},
                    },
                )
        # AWS vouches to the public function only for apps that it verifies itself.
        self.assertEqual(vouching, {"CallbackRole": ["FederatedAudience"], "WorkerRole": ["FederatedAudience", "WorkerFederatedAudience"]})

    def test_each_vouching_statement_stands_under_the_condition_of_its_own_audience(self):
        conditional = {}
        for name, role in self.of_type("AWS::IAM::Role").items():
            for statement in role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]:
                condition, granted, otherwise = statement.get("Fn::If", [None, statement, None])
                if granted["Action"] == "sts:GetWebIdentityToken":
                    self.assertEqual(otherwise, {"Ref": "AWS::NoValue"})
                    audience = granted["Condition"]["ForAllValues:StringEquals"]["sts:IdentityTokenAudience"]["Ref"]
                    conditional.setdefault(name, {})[audience] = condition
        self.assertEqual(conditional, {
            "CallbackRole": {"FederatedAudience": "IsFederated"},
            "WorkerRole": {"FederatedAudience": "IsFederated", "WorkerFederatedAudience": "IsWorkerFederated"},
        })
        for condition, parameter in (("IsFederated", "FederatedAudience"), ("IsWorkerFederated", "WorkerFederatedAudience")):
            given = self.parameters[parameter]
            self.assertEqual((given["Type"], given["Default"]), ("CommaDelimitedList", ""))
            joined = {"Fn::Join": ["", {"Ref": parameter}]}
            self.assertEqual(self.template["Conditions"][condition], {"Fn::Not": [{"Fn::Equals": [joined, ""]}]})

    def test_secrets_are_read_one_by_one_and_only_read(self):
        key, _ = self.only("AWS::SecretsManager::Secret")
        secret_statements = [s for _, s in self.granted() if s["Action"].startswith(("secretsmanager:", "kms:", "ssm:"))]
        self.assertEqual({s["Action"] for s in secret_statements}, {"secretsmanager:GetSecretValue", "kms:Decrypt"})
        read = {}
        for role, statement in self.granted():
            if statement["Action"].startswith("secretsmanager:"):
                read.setdefault(role, []).append(statement["Resource"])
        public, own = {"Ref": "CredentialSecretArns"}, {"Ref": "WorkerCredentialSecretArns"}
        # The public function has no access to the secrets of apps that only the worker verifies.
        config = {"Ref": "ConfigSecretArn"}
        self.assertEqual(read, {"CallbackRole": [TICKET_KEY, config, public], "WorkerRole": [TICKET_KEY, config, public, own]})
        self.assertEqual(key, "TicketKey")

    def test_a_key_decrypts_only_what_secrets_manager_asks_for(self):
        decrypting = [(role, s["Resource"], s["Condition"]) for role, s in self.granted() if s["Action"] == "kms:Decrypt"]
        only = {"StringEquals": {"kms:ViaService": {"Fn::Sub": "secretsmanager.${AWS::Region}.${AWS::URLSuffix}"}}}
        self.assertEqual(decrypting, [(role, {"Ref": "KmsKeyArn"}, only) for role in ("CallbackRole", "WorkerRole")])

    def test_every_role_takes_the_permissions_boundary(self):
        for name, role in self.of_type("AWS::IAM::Role").items():
            boundary = {"Fn::If": ["HasPermissionsBoundary", {"Ref": "PermissionsBoundaryArn"}, {"Ref": "AWS::NoValue"}]}
            self.assertEqual(role["Properties"]["PermissionsBoundary"], boundary, name)

    def test_a_credential_parameter_takes_full_secret_arns_only(self):
        pattern = re.compile(self.parameters["CredentialSecretArns"]["AllowedPattern"])
        self.assertEqual(self.parameters["WorkerCredentialSecretArns"]["AllowedPattern"], pattern.pattern)
        for good in (
            "",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:msp/mail-app-AbC123",
            "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:mail-AbC123",
        ):
            self.assertTrue(pattern.search(good), good)
        for bad in (
            "*",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:*",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:msp/*-AbC123",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mail-??????",
            "arn:aws:secretsmanager:*:123456789012:secret:mail-AbC123",
            "arn:aws:iam::123456789012:role/mail-AbC123",
            "mail",
        ):
            self.assertFalse(pattern.search(bad), bad)

    def test_roles_are_written_out_and_assumed_by_lambda_only(self):
        for name, role in self.of_type("AWS::IAM::Role").items():
            properties = role["Properties"]
            self.assertFalse(properties.get("ManagedPolicyArns"), f"{name} carries a managed policy")
            trusted = list(statements(properties["AssumeRolePolicyDocument"]))
            self.assertEqual([(s["Principal"], s["Action"]) for s in trusted], [({"Service": "lambda.amazonaws.com"}, "sts:AssumeRole")])
        used = {function["Properties"]["Role"]["Fn::GetAtt"][0] for function in self.of_type("AWS::Lambda::Function").values()}
        self.assertEqual(used, set(self.of_type("AWS::IAM::Role")))
        self.assertFalse(self.of_type("AWS::IAM::Policy") or self.of_type("AWS::IAM::ManagedPolicy"))

    def test_only_this_api_may_invoke_the_function_and_only_the_schedule_the_worker(self):
        api, _ = self.only("AWS::ApiGatewayV2::Api")
        invokers = {}
        for permission in self.of_type("AWS::Lambda::Permission").values():
            properties = permission["Properties"]
            invokers[properties["FunctionName"]["Ref"]] = (properties["Principal"], list(every(properties["SourceArn"])))
        self.assertEqual({name: principal for name, (principal, _) in invokers.items()},
                         {"CallbackLive": "apigateway.amazonaws.com", "WorkerLive": "events.amazonaws.com"})
        of_this_api = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${%s}/*" % api
        self.assertIn({"Fn::Sub": of_this_api}, invokers["CallbackLive"][1])
        self.assertIn({"Fn::GetAtt": ["WorkerDaily", "Arn"]}, invokers["WorkerLive"][1])
        self.assertFalse(self.of_type("AWS::Lambda::Url"), "a function URL would bypass the throttling")


class Function(Template):
    def setUp(self):
        self.function = self.resources["CallbackFunction"]["Properties"]
        self.worker = self.resources["WorkerFunction"]["Properties"]

    def test_runs_on_the_custom_runtime_on_arm64_unless_told_otherwise(self):
        self.assertEqual(self.function["Runtime"], "provided.al2023")
        self.assertEqual(self.function["Architectures"], [{"Ref": "Architecture"}])
        self.assertEqual(self.parameters["Architecture"]["Default"], "arm64")

    def test_ends_before_the_browser_gives_up_and_after_every_answer(self):
        self.assertLess(self.function["Timeout"], 10)
        self.assertGreater(self.function["Timeout"], 4)

    def test_it_reserves_no_concurrency_unless_a_parameter_asks(self):
        # A new account has 10 instances and can reserve none: a default above -1 fails the first deployment.
        reserved = {"Fn::If": ["ReservesConcurrency", {"Ref": "ReservedConcurrency"}, {"Ref": "AWS::NoValue"}]}
        self.assertEqual(self.function["ReservedConcurrentExecutions"], reserved)
        condition = self.template["Conditions"]["ReservesConcurrency"]
        self.assertEqual(condition, {"Fn::Not": [{"Fn::Equals": [{"Ref": "ReservedConcurrency"}, "-1"]}]})
        self.assertEqual(self.parameters["ReservedConcurrency"]["Default"], -1)
        self.assertNotIn("ReservedConcurrentExecutions", self.worker)

    def test_its_environment_holds_no_secret_and_no_reference_to_one(self):
        for function in (self.function, self.worker):
            variables = function["Environment"]["Variables"]
            self.assertEqual(set(variables), {
                "ENTRA_CONSENT_CONFIG", "ENTRA_CONSENT_CONFIG_TEXT", "ENTRA_CONSENT_BASE_URL", "ENTRA_CONSENT_KEYS_SECRET",
                "ENTRA_CONSENT_QUEUE_URL", "ENTRA_CONSENT_EVENT_BUS",
            })
            self.assertEqual(variables["ENTRA_CONSENT_QUEUE_URL"], {"Ref": "OrderQueue"})
            # The name of the secret: a Ref of a secret is its ARN.
            self.assertEqual(variables["ENTRA_CONSENT_KEYS_SECRET"], TICKET_KEY)
        self.assertNotIn("{{resolve:", json.dumps(self.template))

    def test_one_deployment_gives_the_functions_their_own_address(self):
        for function in (self.function, self.worker):
            address = function["Environment"]["Variables"]["ENTRA_CONSENT_BASE_URL"]
            self.assertEqual(address, self.template["Outputs"]["PublicBaseUrl"]["Value"])

    def test_requests_and_orders_reach_an_alias_of_a_version(self):
        self.assertEqual(self.resources["ToCallback"]["Properties"]["IntegrationUri"], {"Ref": "CallbackLive"})
        _, mapping = self.only("AWS::Lambda::EventSourceMapping")
        self.assertEqual(mapping["Properties"]["FunctionName"], {"Ref": "WorkerLive"})
        for live, function in (("CallbackLive", "CallbackFunction"), ("WorkerLive", "WorkerFunction")):
            # $LATEST: SAM publishes no version when only a parameter changes, and the alias would keep the old value.
            self.assertEqual(self.resources[live]["Properties"],
                             {"Name": "live", "FunctionName": {"Ref": function}, "FunctionVersion": "$LATEST"})
        for version in self.of_type("AWS::Lambda::Version").values():
            self.assertEqual(version["DeletionPolicy"], "Retain", "an earlier version must stay, to go back to it")

    def test_each_binary_and_each_configuration_is_a_version(self):
        def versions(**uris):
            return {name for name, r in expanded(**uris)["Resources"].items() if r["Type"] == "AWS::Lambda::Version"}

        self.assertEqual(len(versions()), 2)
        self.assertEqual(versions(), versions())
        self.assertFalse(versions() & versions(CodeUri="s3://bucket/another"))
        self.assertFalse(versions() & versions(ContentUri="s3://bucket/another"))

    def test_records_are_kept_as_json_and_outlive_the_stack(self):
        logging = self.function["LoggingConfig"]
        self.assertEqual(self.worker["LoggingConfig"], logging, "the worker and the callback share a log group")
        self.assertEqual(logging["LogFormat"], "JSON")
        self.assertIn(logging["ApplicationLogLevel"], ("INFO", "DEBUG", "TRACE"), "records are INFO lines; Lambda drops lines below the level")
        group = self.resources[logging["LogGroup"]["Ref"]]
        self.assertEqual((group["DeletionPolicy"], group["UpdateReplacePolicy"]), ("RetainExceptOnCreate", "Retain"))
        self.assertEqual(group["Properties"]["RetentionInDays"], {"Ref": "RecordRetentionDays"})
        self.assertGreaterEqual(self.parameters["RecordRetentionDays"]["Default"], 365)

    def test_the_configuration_is_a_layer_that_no_commit_can_carry(self):
        name, _ = self.only("AWS::Lambda::LayerVersion")
        self.assertEqual((self.function["Layers"], self.worker["Layers"]), ([{"Ref": name}], [{"Ref": name}]))
        local = [r["Properties"]["ContentUri"] for r in source()["Resources"].values() if r["Type"] == "AWS::Serverless::LayerVersion"]
        self.assertEqual(local, ["config/"])
        self.assertTrue((ROOT / "config" / "README.md").is_file(), "the folder must exist in a clone, else sam build fails")
        ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
        # The last two are what `sam build` and `sam deploy --guided` write: binaries, ARNs and the number of the account.
        self.assertLessEqual({"/config/consent.toml", "/.aws-sam", "/samconfig.toml"}, set(ignored))

    def test_the_configuration_has_one_source(self):
        for function in (self.function, self.worker):
            variables = function["Environment"]["Variables"]
            secret = {"Fn::If": ["HasConfigSecret", {"Fn::Sub": "secret:${ConfigSecretArn}"}, ""]}
            self.assertEqual(variables["ENTRA_CONSENT_CONFIG"], {"Fn::If": ["HasConfigFile", "/opt/consent.toml", secret]})
            self.assertEqual(variables["ENTRA_CONSENT_CONFIG_TEXT"], {"Ref": "ConfigText"})
            # The secret changes without a deployment: another revision makes Lambda start new instances.
            self.assertIn("${ConfigRevision}", function["Description"]["Fn::Sub"])
        neither = [{"Fn::Equals": [{"Ref": name}, ""]} for name in ("ConfigSecretArn", "ConfigText")]
        self.assertEqual(self.template["Conditions"]["HasConfigFile"], {"Fn::And": neither})
        self.assertIn("OneConfiguration", self.template["Rules"])

    def test_sam_builds_both_binaries_without_the_command_line(self):
        functions = {name: r for name, r in source()["Resources"].items() if r["Type"] == "AWS::Serverless::Function"}
        built = {name: f["Metadata"]["BuildProperties"]["Binary"] for name, f in functions.items()}
        self.assertEqual(built, {"CallbackFunction": "callback", "WorkerFunction": "worker"})
        self.assertEqual({f["Metadata"]["BuildMethod"] for f in functions.values()}, {"rust-cargolambda"})
        manifest = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))
        self.assertLessEqual(set(built.values()), {binary["name"] for binary in manifest["bin"]})
        self.assertIs(manifest["package"]["metadata"]["lambda"]["build"]["no_default_features"], True)

    def test_cargo_lambda_finds_nothing_to_optimise_its_own_way(self):
        # If the profile omits one of these settings, cargo-lambda sets its own value, such as panic = "abort".
        release = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["profile"]["release"]
        self.assertEqual(release["panic"], "unwind")
        self.assertLessEqual({"lto", "codegen-units", "strip"}, set(release))


class Worker(Template):
    def setUp(self):
        self.worker = self.resources["WorkerFunction"]["Properties"]
        self.queue = self.resources["OrderQueue"]["Properties"]
        self.dead = self.resources["DeadLetterQueue"]["Properties"]
        _, mapping = self.only("AWS::Lambda::EventSourceMapping")
        self.mapping = mapping["Properties"]

    def test_a_message_is_invisible_six_times_as_long_as_it_can_be_carried_out(self):
        self.assertGreaterEqual(self.queue["VisibilityTimeout"], 6 * self.worker["Timeout"])

    def test_one_failure_fails_one_message(self):
        self.assertEqual(self.mapping["FunctionResponseTypes"], ["ReportBatchItemFailures"])
        self.assertEqual(self.mapping["EventSourceArn"], {"Fn::GetAtt": ["OrderQueue", "Arn"]})
        self.assertLessEqual(self.mapping["BatchSize"], 10)

    def test_lambda_takes_its_chain_of_orders_for_no_loop(self):
        # By default, Lambda stops a chain through one queue after 16 messages. The worker's chain has 21 orders in a day.
        self.assertEqual(self.worker["RecursiveLoop"], "Allow")
        self.assertNotIn("RecursiveLoop", self.resources["CallbackFunction"]["Properties"])

    def test_its_concurrency_is_bounded_by_a_parameter(self):
        self.assertEqual(self.mapping["ScalingConfig"], {"MaximumConcurrency": {"Ref": "WorkerConcurrency"}})
        # This is AWS's minimum.
        self.assertGreaterEqual(self.parameters["WorkerConcurrency"]["MinValue"], 2)

    def test_poison_goes_to_the_dead_letter_queue_and_stays_there_longest(self):
        redrive = self.queue["RedrivePolicy"]
        self.assertEqual(redrive["deadLetterTargetArn"], {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]})
        # Genuine orders must survive an outage of hours, and invalid messages must become dead letters before the queue drops them.
        # The worker puts an order off fewer than ten times: each wait of at most a day takes one delivery in 12 hours, and a few more if a
        # check must wait for an earlier one.
        tried_for = (redrive["maxReceiveCount"] - 10) * self.queue["VisibilityTimeout"]
        self.assertGreaterEqual(tried_for, 6 * 3600)
        self.assertLess(tried_for, 48 * 3600)
        self.assertGreater(self.dead["MessageRetentionPeriod"], self.queue["MessageRetentionPeriod"])

    def test_the_queues_are_standard_and_encrypted(self):
        for queue in (self.queue, self.dead):
            # A FIFO queue cannot delay a single message.
            self.assertNotIn("FifoQueue", queue)
            self.assertIs(queue["SqsManagedSseEnabled"], True)

    def test_an_order_outlives_its_life_in_the_queue(self):
        # The worker puts an order off for 12 hours at most. That may begin at the last moment of the order's life.
        self.assertGreater(self.queue["MessageRetentionPeriod"], (48 + 12) * 3600)

    def test_each_role_does_with_queue_and_bus_what_its_function_needs_and_no_more(self):
        granted = {}
        for role, statement in self.granted():
            if statement["Action"].startswith(("sqs:", "events:")):
                granted.setdefault(role, {})[statement["Action"]] = statement["Resource"]
        queue = {"Fn::GetAtt": ["OrderQueue", "Arn"]}
        bus = {"Fn::If": ["MakesEventBus", {"Fn::GetAtt": ["EventBus", "Arn"]}, {"Ref": "EventBusArn"}]}
        self.assertEqual(granted["CallbackRole"], {"sqs:SendMessage": queue, "events:PutEvents": bus})
        self.assertEqual(granted["WorkerRole"], {
            "sqs:ReceiveMessage": queue, "sqs:DeleteMessage": queue, "sqs:GetQueueAttributes": queue,
            "sqs:ChangeMessageVisibility": queue, "sqs:SendMessage": queue, "events:PutEvents": bus,
        })

    def test_the_schedule_comes_daily_in_the_shape_that_the_worker_reads(self):
        rule = self.resources["WorkerDaily"]
        self.assertEqual(rule["Properties"]["ScheduleExpression"], "rate(1 day)")
        [target] = rule["Properties"]["Targets"]
        self.assertEqual(json.loads(target["Input"]), {"task": "daily"})
        self.assertEqual(target["Arn"], {"Ref": "WorkerLive"})

    def test_the_stack_makes_a_bus_unless_one_is_given(self):
        self.assertEqual(self.resources["EventBus"]["Condition"], "MakesEventBus")
        self.assertEqual(self.parameters["EventBusArn"]["Default"], "")


class FrontDoor(Template):
    def setUp(self):
        _, self.api = self.only("AWS::ApiGatewayV2::Api")
        _, stage = self.only("AWS::ApiGatewayV2::Stage")
        self.stage = stage
        self.settings = stage["Properties"]
        self.routes = {r["Properties"]["RouteKey"]: (name, r["Properties"]) for name, r in self.of_type("AWS::ApiGatewayV2::Route").items()}

    def test_every_route_leads_to_the_callback_function_with_the_raw_query(self):
        name, integration = self.only("AWS::ApiGatewayV2::Integration")
        # Only format 2.0 passes the query undecoded.
        self.assertEqual(integration["Properties"]["PayloadFormatVersion"], "2.0")
        self.assertEqual({json.dumps(p["Target"]) for _, p in self.routes.values()}, {json.dumps({"Fn::Sub": "integrations/${%s}" % name})})

    def test_the_api_names_no_function(self):
        # CloudFormation could then not give the function the address of the API.
        self.assertEqual(self.api["Properties"]["ProtocolType"], "HTTP")
        self.assertFalse({"Body", "BodyS3Location", "Target"} & set(self.api["Properties"]))

    def test_no_other_site_may_call_it_from_a_browser(self):
        self.assertNotIn("CorsConfiguration", self.api["Properties"])

    def test_each_path_of_the_router_has_a_route_of_its_own(self):
        router = (ROOT / "src" / "web" / "router.rs").read_text(encoding="utf-8")
        table = router.split("async fn route(")[1].split("\n}\n")[0]
        plain = set(re.findall(r'"(/[a-z/]*)"', table))
        kinds = set(re.findall(r'\("([a-z])", ', router.split("fn token_route(")[1].split("\n}\n")[0]))
        self.assertTrue(plain and kinds)
        expected = {f"ANY {path}" for path in plain} | {f"ANY /{kind}/{{token+}}" for kind in kinds} | {"$default"}
        self.assertEqual(set(self.routes), expected)

    def test_each_route_has_its_own_limit_and_the_rest_the_smallest(self):
        usual, own = self.settings["DefaultRouteSettings"], self.settings["RouteSettings"]
        self.assertEqual(set(own), {"ANY /", "ANY /health", "ANY /health/ready", "$default"})
        for kind, parameter, most in (("Rate", "RequestsPerSecond", 500), ("Burst", "RequestBurst", 1000)):
            setting = f"Throttling{kind}Limit"
            self.assertEqual(usual[setting], {"Ref": parameter})
            self.assertLessEqual(self.parameters[parameter]["Default"], most)
            limits = {route: settings[setting] for route, settings in own.items()} | {"usual": self.parameters[parameter]["Default"]}
            rest = limits.pop("$default")
            for route, limit in limits.items():
                self.assertIsInstance(limit, int, route)
                self.assertLess(rest, limit, route)

    def test_the_stage_waits_for_the_routes_that_it_limits(self):
        # "Unable to find Route by key … within the provided RouteSettings" is API Gateway's answer else.
        self.assertEqual(set(self.stage["DependsOn"]), {name for name, _ in self.routes.values()})

    def test_a_domain_of_the_operator_switches_the_other_address_off(self):
        self.assertEqual(self.api["Properties"]["DisableExecuteApiEndpoint"], {"Fn::If": ["HasDomain", True, False]})
        for name in ("Domain", "DomainMapping"):
            self.assertEqual(self.resources[name]["Condition"], "HasDomain")
        self.assertEqual(self.resources["DomainRecord"]["Condition"], "MakesDnsRecord")
        rule = self.template["Rules"]["DomainHasCertificate"]
        self.assertIn({"Ref": "CertificateArn"}, list(every(rule["Assertions"])))

    def test_the_access_log_holds_no_query_no_path_and_no_person(self):
        # The complete list of allowed variables. A new variable needs a reason here.
        harmless = {
            "$context.requestId",
            "$context.integration.requestId",
            "$context.requestTimeEpoch",
            # The key of the route, such as "ANY /i/{token+}", and not the path.
            "$context.routeKey",
            "$context.httpMethod",
            "$context.status",
            "$context.integrationStatus",
            "$context.error.responseType",
            "$context.responseLatency",
            "$context.integrationLatency",
            "$context.responseLength",
        }
        form = json.loads(self.settings["AccessLogSettings"]["Format"])
        self.assertLessEqual(set(form.values()), harmless)
        self.assertIn("$context.integration.requestId", form.values(), "else no line leads to its record")

    def test_the_access_log_goes_to_a_group_that_forgets(self):
        group = self.resources[self.settings["AccessLogSettings"]["DestinationArn"]["Fn::GetAtt"][0]]
        self.assertEqual(group["Properties"]["RetentionInDays"], {"Ref": "AccessLogRetentionDays"})
        self.assertLessEqual(max(self.parameters["AccessLogRetentionDays"]["AllowedValues"]), 90)

    def test_the_addresses_to_register_and_to_watch_are_outputs(self):
        outputs = self.template["Outputs"]
        for name, end in (("PublicBaseUrl", ""), ("RedirectUri", "/callback"), ("HealthUrl", "/health/ready")):
            condition, own, otherwise = outputs[name]["Value"]["Fn::If"]
            self.assertEqual((condition, own), ("HasDomain", {"Fn::Sub": "https://${DomainName}" + end}))
            _, at_root, under_stage = otherwise["Fn::If"]
            self.assertEqual(at_root, {"Fn::Sub": "${ConsentApi.ApiEndpoint}" + end} if end else {"Fn::GetAtt": ["ConsentApi", "ApiEndpoint"]})
            self.assertEqual(under_stage, {"Fn::Sub": "${ConsentApi.ApiEndpoint}/${StageName}" + end})


class TicketKey(Template):
    def setUp(self):
        _, self.secret = self.only("AWS::SecretsManager::Secret")
        self.generated = self.secret["Properties"]["GenerateSecretString"]

    def test_the_stack_generates_it_in_the_shape_that_the_function_reads(self):
        self.assertNotIn("SecretString", self.secret["Properties"])
        shape = json.loads(self.generated["SecretStringTemplate"])
        shape[self.generated["GenerateStringKey"]] = "x"
        self.assertEqual(shape, {"kid": "k1", "key": "x", "older": []})

    def test_it_is_long_enough_for_hs256(self):
        # A letter or digit carries 5.9 bits, so 64 of them have 381 bits. Every key needs 32 bytes.
        self.assertIs(self.generated["ExcludePunctuation"], True)
        self.assertGreaterEqual(self.generated["PasswordLength"], 64)

    def test_it_outlives_the_stack_as_the_mailed_links_do(self):
        self.assertEqual((self.secret["DeletionPolicy"], self.secret["UpdateReplacePolicy"]), ("RetainExceptOnCreate", "Retain"))

    def test_the_stack_makes_none_where_one_is_given(self):
        self.assertEqual(self.secret["Condition"], "MakesTicketKey")
        pattern = re.compile(self.parameters["TicketKeyArn"]["AllowedPattern"])
        self.assertTrue(pattern.search("") and pattern.search("arn:aws:secretsmanager:eu-west-1:123456789012:secret:consent/ticket-key-AbC123"))
        self.assertFalse(pattern.search("consent/ticket-key"))

    def test_a_failed_first_deployment_can_be_repeated(self):
        # If a resource with a fixed name remains after the rollback of its own creation, the next attempt fails.
        fixed = {name for name, r in self.resources.items() if {"Name", "LogGroupName", "QueueName"} & set(r.get("Properties", {}))}
        self.assertIn("TicketKey", fixed)
        for name in fixed:
            self.assertNotEqual(self.resources[name].get("DeletionPolicy"), "Retain", name)


if __name__ == "__main__":
    unittest.main()
