"""A SCIM service (scim2-server) on a free port of 127.0.0.1, which it prints. Ends when its standard input does."""

import os
import sys
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from scim2_models import ScimProvider
from scim2_server.memory import InMemoryStorage
from scim2_server.service import ScimService
from scim2_server.testserver.application import BearerTokenApplication
from scim2_server.utils import (
    load_default_resource_types,
    load_default_schemas,
    load_default_service_provider_config,
)


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


provider = ScimProvider.from_discovery(
    load_default_schemas().values(),
    load_default_resource_types().values(),
    config=load_default_service_provider_config(),
)
service = ScimService(provider, secret="of the tests")
application = BearerTokenApplication(InMemoryStorage(), provider, service=service, bearer_tokens=[sys.argv[1]])
threading.Thread(target=end_with_parent, daemon=True).start()
with make_server("127.0.0.1", 0, application, server_class=Server, handler_class=Handler) as server:
    print(server.server_port, flush=True)
    server.serve_forever()
