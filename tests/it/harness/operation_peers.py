"""What watches a directory from outside: a receiver of webhooks that verifies by the reference library of Standard
Webhooks, and the parser of Prometheus.

usage: operation_peers.py verify SECRET   one JSON object a line: {"headers": {...}, "body": "..."}; answers "ok" or why not
       operation_peers.py metrics         OpenMetrics text; answers {"name{label=value,...}": number} as JSON
"""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families
from standardwebhooks import Webhook, WebhookVerificationError


def verify(secret):
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            Webhook(secret).verify(asked["body"], asked["headers"])
            print("ok")
        except WebhookVerificationError as error:
            print(f"refused: {error}")


def metrics():
    found = {}
    for family in text_string_to_metric_families(sys.stdin.read()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1] == "verify":
        verify(sys.argv[2])
    else:
        metrics()
