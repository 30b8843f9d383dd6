"""Alertmanager's configuration, from `policies/alerting.yaml`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ci.contract.alerting import AlertingPolicy, Email, PagerDuty

NOBODY = "nobody"
# What an alert is about: a model, or a host.
TITLE = (
    "{{ .Status | toUpper }}: {{ .CommonLabels.alertname }} "
    "{{ or .CommonLabels.model .CommonLabels.host }}"
)
EACH = (
    '{{ if eq .Status "resolved" }}It is over: {{ end }}{{ .Annotations.summary }}\n'
    "{{ with .Labels.owner }}Owner: {{ . }}. {{ end }}{{ .Annotations.next }}\n"
)
TEXT = f"{{{{ range .Alerts }}}}{EACH}{{{{ end }}}}"


def configuration(policy: AlertingPolicy) -> dict[str, Any]:
    """The whole file; without any channel Alertmanager keeps alerts and tells nobody."""
    receivers, routes = [{"name": NOBODY}], []
    channels = {
        "slack": policy.slack and _slack(policy.slack.url_file),
        "email": policy.email and _email(policy.email),
        "pagerduty": policy.pagerduty and _pagerduty(policy.pagerduty),
    }
    for name, receiver in channels.items():
        if receiver:
            receivers.append({"name": name, **receiver})
            only = {"matchers": ['severity = "page"']} if name == "pagerduty" else {}
            routes.append({"receiver": name, **only, "continue": True})
    wait = f"{policy.wait_seconds}s"
    return {
        "route": {
            "receiver": NOBODY,
            "group_by": ["alertname", "model", "host"],
            "group_wait": wait,
            "group_interval": wait,
            "repeat_interval": f"{policy.repeat_hours}h",
            "routes": routes,
        },
        "receivers": receivers,
    }


def _slack(url_file: str) -> dict[str, Any]:
    told = {"title": TITLE, "title_link": "", "text": TEXT, "fallback": TITLE}
    return {"slack_configs": [{"api_url_file": url_file, "send_resolved": True, **told}]}


def _email(email: Email) -> dict[str, Any]:
    login = {"auth_username": email.user, "auth_password_file": email.password_file}
    told = {"headers": {"Subject": TITLE}, "text": TEXT, "html": ""}
    return {
        "email_configs": [
            {
                "to": ", ".join(email.to),
                "from": email.sender,
                "smarthost": email.relay,
                "require_tls": email.tls,
                "send_resolved": True,
                **(login if email.user else {}),
                **told,
            }
        ]
    }


def _pagerduty(pagerduty: PagerDuty) -> dict[str, Any]:
    return {
        "pagerduty_configs": [
            {
                "routing_key_file": pagerduty.key_file,
                "url": pagerduty.url,
                "client": "mlops",
                "description": TITLE,
                "severity": "critical",
                "details": {"text": TEXT, "owner": "{{ .CommonLabels.owner }}"},
                "send_resolved": True,
            }
        ]
    }
