"""An identity provider in small, by a SCIM client library that is not ours.

usage: provision.py BASE_URL TOKEN create USERNAME PASSWORD   (prints the id)
       provision.py BASE_URL TOKEN deactivate ID
       provision.py BASE_URL TOKEN activate ID
       provision.py BASE_URL TOKEN show ID                     (prints the user as JSON)
"""

import sys

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import PatchOp, PatchOperation


def main(base_url, token, verb, *arguments):
    headers = {"Authorization": f"Bearer {token}"}
    with Client(base_url=base_url, headers=headers) as http:
        scim = SyncSCIMClient(http)
        scim.discover()
        user_model = scim.get_resource_model("User")
        if verb == "create":
            username, password = arguments
            wish = user_model(
                user_name=username,
                external_id=f"idp-{username}",
                display_name=f"{username} from the provider",
                emails=[user_model.Emails(value=f"{username}@example.com", primary=True, type="work")],
                active=True,
                password=password,
            )
            print(scim.create(wish).id)
        elif verb in ("activate", "deactivate"):
            change = PatchOp[user_model](
                operations=[PatchOperation(op=PatchOperation.Op.replace_, path="active", value=verb == "activate")]
            )
            scim.modify(user_model, arguments[0], change)
        elif verb == "show":
            print(scim.query(user_model, arguments[0]).model_dump_json())
        else:
            sys.exit(__doc__)


main(*sys.argv[1:])
