"""A real HTTP server that answers as it is told to, for the tests of the server back end."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.annotate.conftest import ANSWER

KEY = "secret-key-4711"
Behaviour = Callable[["Server", str, int], tuple[int, dict[str, str], str]]


def completion(text: str | None) -> str:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]})


class Server(ThreadingHTTPServer):
    """Counts what it is asked; `behaviour` gets the picture's data and how often it came, and says what to answer."""

    daemon_threads = True

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour = behaviour
        self.lock = threading.Lock()
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.busy = self.busiest = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        picture = body["messages"][0]["content"][0]["image_url"]["url"]
        with self.server.lock:
            self.server.asked[picture] += 1
            times = self.server.asked[picture]
            self.server.bodies.append(body)
            self.server.keys.add(self.headers.get("Authorization"))
            self.server.busy += 1
            self.server.busiest = max(self.server.busiest, self.server.busy)
        status, headers, text = self.server.behaviour(self.server, picture, times)
        with self.server.lock:
            self.server.busy -= 1
            self.server.answered[picture] += status == 200
        data = text.encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def fine(server: Server, picture: str, times: int) -> tuple[int, dict[str, str], str]:
    return 200, {}, completion(ANSWER)
