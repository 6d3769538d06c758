"""Cloudflare's API, as far as we use it, over a real socket."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKEN = "the-cloudflare-token-of-the-tests"


class FakeCloudflare:
    """zones: names. records: by id. changed: called after each change with all records."""

    def __init__(self, zones: list[str], changed=lambda records: None) -> None:
        self.zones, self.records, self.seen = zones, {}, []
        self._changed, self._number = changed, 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/client/v4"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, query: dict, body: dict) -> object:
        parts = path.removeprefix("/client/v4/").split("/")
        match method, parts:
            case "GET", ["user", "tokens", "verify"]:
                return {"status": "active"}
            case "GET", ["zones"]:
                first = (int(query["page"]) - 1) * int(query["per_page"])
                return [
                    {"id": f"z-{name}", "name": name} for name in self.zones[first : first + int(query["per_page"])]
                ]
            case "GET", ["zones", _, "dns_records"]:
                return [
                    record
                    for record in self.records.values()
                    if (record["type"], record["name"]) == (query["type"], query["name"])
                ]
            case "POST", ["zones", zone, "dns_records"]:
                self._number += 1
                self.records[f"r{self._number}"] = {**body, "id": f"r{self._number}", "zone": zone}
                return self.records[f"r{self._number}"]
            case "PUT", ["zones", zone, "dns_records", record]:
                self.records[record] = {**body, "id": record, "zone": zone}
                return self.records[record]
            case "DELETE", ["zones", _, "dns_records", record]:
                del self.records[record]
                return {}
        raise LookupError(path)

    def _handler(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments): ...

            def _serve(self):
                url = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                outer.seen.append((self.command, url.path))
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    answer, status = {"success": False, "errors": [{"message": "Invalid API Token"}]}, 401
                else:
                    query = {name: values[0] for name, values in parse_qs(url.query).items()}
                    answer = {"success": True, "result": outer.answer(self.command, url.path, query, body)}
                    status = 200
                    outer._changed(outer.records)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = _serve

        return Handler
