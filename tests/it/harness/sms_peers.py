"""Peers of the way to phones.

sms_peers.py sign    Takes {"vendor": …} from stdin and prints the request that the vendor's own program would send for
                     the same text at the same time with the same nonce. Nothing leaves this process.
sms_peers.py smpp FILE
                     A message centre on 127.0.0.1: prints its port, and writes every text to FILE as a line of JSON. A
                     number that ends with 98 is refused, and one that ends with 99 finds the queue full.
"""

import asyncio
import json
import socket
import sys
import urllib.parse


class Captured(Exception):
    pass


def capture(send):
    """Runs the vendor's program up to the moment at which its request would leave."""
    import requests.adapters

    found = []

    def record(_, request, **__):
        body = request.body or ""
        body = body.decode() if isinstance(body, bytes) else str(body)
        headers = {name.lower(): value.decode() if isinstance(value, bytes) else str(value)
                   for name, value in request.headers.items()}
        found.append({"method": request.method, "url": request.url, "headers": headers, "body": body})
        raise Captured

    requests.adapters.HTTPAdapter.send = record
    try:
        send()
    except Exception:
        if not found:
            raise
    return found[0]


def twilio(wish):
    from twilio.rest import Client

    client = Client("AC0123", "hunter2")
    return capture(lambda: client.messages.create(to=wish["to"], from_="+15005550006", body=wish["text"]))


def tencent(wish):
    from tencentcloud.common import abstract_client, credential
    from tencentcloud.common.profile.client_profile import ClientProfile
    from tencentcloud.common.profile.http_profile import HttpProfile
    from tencentcloud.sms.v20210111 import models, sms_client

    request = models.SendSmsRequest()
    request.from_json_string(json.dumps({
        "PhoneNumberSet": [wish["to"]], "SmsSdkAppId": "1400000000", "TemplateId": "1234567", "SignName": "Example",
        "TemplateParamSet": [wish["code"], wish["minutes"]],
    }))
    abstract_client.time.time = lambda: wish["at"]
    # The same object may be written in several ways, and a signature is over one of them.
    dumps = abstract_client.json.dumps

    def ours(value, *arguments, **options):
        same = isinstance(value, dict) and value == json.loads(wish["body"])
        return wish["body"] if same else dumps(value, *arguments, **options)

    abstract_client.json.dumps = ours
    profile = ClientProfile(httpProfile=HttpProfile(endpoint=wish["host"], protocol="http", reqMethod="POST"))
    profile.signMethod = "TC3-HMAC-SHA256"
    client = sms_client.SmsClient(credential.Credential("AKID", "hunter2"), "ap-guangzhou", profile)
    return capture(lambda: client.SendSms(request))


def alibaba(wish):
    from alibabacloud_dysmsapi20170525 import models
    from alibabacloud_dysmsapi20170525.client import Client
    from alibabacloud_tea_openapi import utils_models
    from alibabacloud_tea_openapi.utils import Utils
    from darabonba.request import DaraRequest

    Utils.get_nonce = staticmethod(lambda: wish["nonce"])
    Utils.get_timestamp = staticmethod(lambda: wish["date"])
    config = utils_models.Config(
        access_key_id="LTAI", access_key_secret="hunter2", endpoint=wish["host"], protocol="http")
    client = Client(config)
    request = models.SendSmsRequest(
        phone_numbers=wish["to"].lstrip("+"), sign_name="Example", template_code="SMS_1",
        template_param=wish["parameters"])
    found = capture(lambda: client.send_sms(request))
    # The program signs headers of its own as well: what counts is how it signs ours.
    again = DaraRequest()
    again.method, again.pathname, again.headers = "POST", "/", wish["headers"]
    again.query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(found["url"]).query))
    payload = wish["headers"]["x-acs-content-sha256"]
    found["signed"] = Utils.get_authorization(again, "ACS3-HMAC-SHA256", payload, "LTAI", "hunter2")
    return found


async def smpp(path):
    import smpp34

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = smpp34.Server(host="127.0.0.1", port=port, system_id="centre")
    await server.start()
    print(port, flush=True)
    while True:
        event = await server.next()
        if isinstance(event, smpp34.SubmitSmEvent):
            if event.destination_addr.endswith("98"):
                event.reject(smpp34.ESME_RINVDSTADR)
            elif event.destination_addr.endswith("99"):
                event.reject(smpp34.ESME_RMSGQFUL)
            else:
                with open(path, "a", encoding="utf-8") as file:
                    names = ("source_addr", "source_addr_ton", "destination_addr", "dest_addr_ton", "esm_class",
                             "data_coding")
                    said = {name: getattr(event, name, None) for name in names}
                    file.write(json.dumps({**said, "bytes": bytes(event.short_message).hex()}) + "\n")
                event.accept(message_id="m-1")


if __name__ == "__main__":
    if sys.argv[1] == "sign":
        wish = json.load(sys.stdin)
        print(json.dumps({"twilio": twilio, "tencent": tencent, "alibaba": alibaba}[wish["vendor"]](wish)))
    else:
        asyncio.run(smpp(sys.argv[2]))
