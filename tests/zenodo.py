"""An HTTP server on loopback that speaks Zenodo's JSON, serves ranges, and misbehaves on request."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RECORD, KEY = 6632104, "fmnist_seed.zip"


class Server(ThreadingHTTPServer):
    """Serves `files`; takes the next of `statuses` and `cuts` (bytes before the connection breaks) for each body."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.statuses: list[tuple[int, dict[str, str]]] = []
        self.cuts: list[int | None] = []
        self.sent: list[tuple[str, int]] = []  # path and bytes of each answered request

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def body_bytes(self) -> int:
        return sum(sent for path, sent in self.sent if path.endswith(".zip"))

    def publish(self, files: dict[str, bytes]) -> None:
        """Serve files and the record that lists them."""
        entries = []
        for key, content in files.items():
            self.files[f"/files/{key}"] = content
            entries.append(
                {
                    "key": key,
                    "size": len(content),
                    "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
                    "links": {"self": f"{self.base}/files/{key}"},
                }
            )
        self.files[f"/api/records/{RECORD}"] = json.dumps({"id": RECORD, "files": entries}).encode()


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.server.statuses:
            status, headers = self.server.statuses.pop(0)
            self.answer(status, headers, b"")
        elif self.path not in self.server.files:
            self.answer(404, {}, b"")
        else:
            content = self.server.files[self.path]
            asked = self.headers.get("Range")
            if asked and self.server.ranges:
                first, _, last = asked.removeprefix("bytes=").partition("-")
                start, stop = int(first), int(last) + 1 if last else len(content)
                headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
                self.answer(206, headers, content[start:stop])
            else:
                self.answer(200, {}, content)

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        cut = (
            self.server.cuts.pop(0)
            if self.server.cuts and len(body) > 2 and self.path.endswith((".zip", ".tar"))
            else None
        )
        self.wfile.write(body[:cut])
        self.server.sent.append((self.path, len(body[:cut])))
        if cut is not None:
            self.close_connection = True

    def log_message(self, *args):
        pass


@contextmanager
def serving() -> Iterator[Server]:
    """A server that answers until the block is left."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
