"""A token of the App, with no more than what is asked for."""

import json
import os

from runner_side import ask, fail, given, output

if not given("private-key") or not (given("client-id") or given("app-id")):
    fail("[@octokit/auth-app] appId option is required, and so is privateKey")
prefix = "INPUT_PERMISSION-"
asked = {
    name.removeprefix(prefix).lower(): value
    for name, value in os.environ.items()
    if name.startswith(prefix) and value
}
answer = ask("POST", "app-token", asked)[2]
token = json.loads(answer)["token"]
print(f"::add-mask::{token}")
output("token", token)
output("installation-id", "1")
output("app-slug", "kronkers-mlops")
