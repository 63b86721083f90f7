"""Runs every check of scim2-tester, a suite that is not ours, against a SCIM endpoint.

usage: tester.py BASE_URL TOKEN     (BASE_URL ends in /scim/v2)

needs: scim2-tester, scim2-client[httpx2]
Prints each result that is no success, then the counts; exits 1 if any is an ERROR or CRITICAL, or if so few
checks ran that discovery must have failed.
"""

import sys
from collections import Counter

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

FEWEST_CHECKS = 100


def main(base_url, token):
    headers = {"Authorization": f"Bearer {token}"}
    with Client(base_url=base_url, headers=headers, timeout=30) as http:
        results = check_server(SyncSCIMClient(http))
    for result in results:
        if result.status is not Status.SUCCESS:
            about = f" ({result.resource_type})" if result.resource_type else ""
            print(f"{result.status.name} {result.title}{about}: {result.reason}")
            if result.data is not None:
                print(f"    {str(result.data)[:500]}")
    counts = Counter(result.status.name for result in results)
    print(" ".join(f"{name}={number}" for name, number in sorted(counts.items())), f"total={len(results)}")
    failed = counts["ERROR"] + counts["CRITICAL"] > 0 or len(results) < FEWEST_CHECKS
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
