"""A mail server on a free port of 127.0.0.1 that keeps what it is sent.

usage: smtpd.py FOLDER [--refuse CODE] [--greet CODE] [--login NAME:PASSWORD] [--tls CERTIFICATE KEY]
       [--starttls CERTIFICATE KEY]

Prints its port once it listens. Each mail becomes FOLDER/0001.eml and so on, with its envelope in 0001.json. With
--refuse, recipients are refused with that code and a text that repeats the address; with --greet, every client is
turned away with that code before it says a word. Ends with its standard input.
"""

import argparse
import asyncio
import json
import logging
import pathlib
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult


class Keeper:
    """Takes mail, or refuses each recipient."""

    def __init__(self, folder, refuse):
        self.folder = pathlib.Path(folder)
        self.refuse = refuse
        self.count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.refuse:
            enhanced = f"{str(self.refuse)[0]}.1.1"
            return f"{self.refuse} {enhanced} <{address}>: not today, {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        name = f"{self.count:04}"
        facts = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "login": bool(session.authenticated),
            "peer": session.peer[1],
        }
        (self.folder / f"{name}.json").write_text(json.dumps(facts))
        draft = self.folder / f"{name}.part"
        draft.write_bytes(envelope.original_content)
        draft.rename(self.folder / f"{name}.eml")
        return "250 OK"


def checker(login):
    name, password = login.encode().split(b":", 1)

    def check(server, session, envelope, mechanism, data):
        right = (data.login, data.password) == (name, password)
        return AuthResult(success=right, handled=right)

    return check


def context(pair):
    if pair is None:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*pair)
    return made


class Refuser(asyncio.Protocol):
    """Turns every client away."""

    def __init__(self, code):
        self.code = code

    def connection_made(self, transport):
        transport.write(f"{self.code} {str(self.code)[0]}.3.2 no service here\r\n".encode())
        transport.close()


async def serve(options):
    keeper = Keeper(options.folder, options.refuse)
    rules = {"hostname": "localhost", "tls_context": context(options.starttls)}
    if options.login:
        rules |= {"authenticator": checker(options.login), "auth_required": True, "auth_require_tls": False}
    loop = asyncio.get_running_loop()
    protocol = (lambda: Refuser(options.greet)) if options.greet else (lambda: SMTP(keeper, loop=loop, **rules))
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context(options.tls))
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--refuse", type=int)
    parser.add_argument("--greet", type=int)
    parser.add_argument("--login")
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--starttls", nargs=2)
    # Logins without TLS are wanted here, and refused handshakes are what some tests are about.
    warnings.simplefilter("ignore")
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    asyncio.run(serve(parser.parse_args()))


main()
