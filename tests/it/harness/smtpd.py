"""A mail server on a free port of 127.0.0.1 that keeps what it is sent.

usage: smtpd.py FOLDER [--refuse CODE] [--greet CODE] [--login NAME:PASSWORD] [--tls CERTIFICATE KEY]
       [--starttls CERTIFICATE KEY] [--by-address]

Prints its port once it listens. Each mail becomes FOLDER/000001.eml and so on, with its envelope in 000001.json. With
--refuse, recipients are refused with that code and a text that repeats the address; with --greet, every client is
turned away with that code before it says a word. Ends with its standard input.

With --by-address the word before the first dash of the recipient says what happens to a mail:

  rcpt550   the recipient is refused with 550, always
  data451   the mail is refused with 451 after its text, always
  grey      the recipient is refused with 451 the first time, and taken from then on
  cut       the first time, the connection ends while the text is on its way; later it is taken
  lost      the first time, the mail is taken and the connection ends before that is said; later it is taken again
  slow2     the mail is taken, and that is said 2 seconds later
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

    def __init__(self, folder, refuse, by_address):
        self.folder = pathlib.Path(folder)
        self.refuse = refuse
        self.by_address = by_address
        self.count = 0
        self.seen = set()

    def wish(self, address):
        """The word and the number that begin an address."""
        word = address.split("-", 1)[0] if self.by_address and "-" in address else ""
        return word.rstrip("0123456789"), int(word.lstrip("abcdefghijklmnopqrstuvwxyz") or 0)

    def is_first(self, address):
        first = address not in self.seen
        self.seen.add(address)
        return first

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.refuse:
            enhanced = f"{str(self.refuse)[0]}.1.1"
            return f"{self.refuse} {enhanced} <{address}>: not today, {address}"
        word, number = self.wish(address)
        if word == "rcpt":
            return f"{number} {str(number)[0]}.1.1 <{address}>: not today, {address}"
        if word == "grey" and self.is_first(address):
            return f"451 4.7.1 <{address}>: come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        word, number = self.wish(envelope.rcpt_tos[0])
        if word == "data":
            return f"{number} {str(number)[0]}.7.0 {envelope.rcpt_tos[0]}: not this text"
        self.keep(session, envelope)
        if word == "lost" and self.is_first(envelope.rcpt_tos[0]):
            server.transport.abort()
        if word == "slow":
            await asyncio.sleep(number)
        return "250 2.0.0 OK, kept"

    def keep(self, session, envelope):
        self.count += 1
        name = f"{self.count:06}"
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


class Server(SMTP):
    """A server that may end a connection while a text is on its way."""

    async def smtp_DATA(self, arg):
        keeper, recipients = self.event_handler, self.envelope.rcpt_tos
        if recipients and keeper.wish(recipients[0])[0] == "cut" and keeper.is_first(recipients[0]):
            await self.push("354 go on")
            self.transport.abort()
            return
        await super().smtp_DATA(arg)


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
    keeper = Keeper(options.folder, options.refuse, options.by_address)
    rules = {"hostname": "localhost", "tls_context": context(options.starttls)}
    if options.login:
        rules |= {"authenticator": checker(options.login), "auth_required": True, "auth_require_tls": False}
    loop = asyncio.get_running_loop()
    protocol = (lambda: Refuser(options.greet)) if options.greet else (lambda: Server(keeper, loop=loop, **rules))
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
    parser.add_argument("--by-address", action="store_true")
    # Logins without TLS are wanted here, and refused handshakes are what some tests are about.
    warnings.simplefilter("ignore")
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    asyncio.run(serve(parser.parse_args()))


main()
