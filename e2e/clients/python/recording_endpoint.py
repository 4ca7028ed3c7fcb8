"""A local S3 endpoint that forwards each request unchanged, and notes the access key that signed it.

Clients without hooks of their own (object_store, OpenDAL, pyarrow) connect to it, so that they need no change."""

import http.client
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from protocol import access_key_in

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


def choose_endpoint():
    """Under delivery `sign` the gateway accepts its own Host only, so nothing can be in between."""
    gateway = os.environ.get("AWS_ENDPOINT_URL")
    return RecordingEndpoint() if gateway is None else DirectEndpoint(gateway)


class DirectEndpoint:
    """The endpoint itself, without a record: the test asks the gateway what it saw."""

    def __init__(self, url):
        self.address = urlsplit(url).netloc

    def measure(self, attempt):
        """Runs `attempt`; returns its error."""
        try:
            attempt()
        except Exception as error:  # Any error that an agent could get.
            return {"code": type(error).__name__, "message": str(error)}
        return {"status": 200}


class RecordingEndpoint:
    """The endpoint in front of AWS_ENDPOINT_URL_S3. `address` is its host and port."""

    def __init__(self):
        self.target = urlsplit(os.environ.get("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9"))
        self.reset()
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{server.server_address[1]}"
        # object_store prefers this variable to the endpoint that the application sets.
        os.environ["AWS_ENDPOINT_URL_S3"] = f"http://{self.address}"

    def reset(self):
        self.seen = {"status": None, "accessKeyId": None}

    def measure(self, attempt):
        """Runs `attempt`; returns what the cloud saw of it, and its error."""
        self.reset()
        try:
            attempt()
        except Exception as error:  # Any error that an agent could get.
            return {**self.seen, "code": type(error).__name__, "message": str(error)}
        return self.seen


def handler_for(endpoint):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self):
            endpoint.seen["accessKeyId"] = access_key_in(self.headers.get("Authorization", ""))
            status, headers, body = send_onward(endpoint.target, self)
            endpoint.seen["status"] = status
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            length = len(body)
            if self.command == "HEAD":
                length = dict((name.lower(), value) for name, value in headers).get("content-length", 0)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

        def log_message(self, *_):
            pass

    return Handler


def send_onward(target, request):
    """The signature covers Host, so it stays as it is."""
    length = int(request.headers.get("Content-Length", "0"))
    connection = http.client.HTTPConnection(target.hostname, target.port or 80, timeout=20)
    try:
        connection.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            connection.putheader(name, value)
        connection.endheaders(request.rfile.read(length))
        response = connection.getresponse()
        return response.status, response.getheaders(), response.read()
    finally:
        connection.close()
