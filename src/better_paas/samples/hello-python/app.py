"""A web app with nothing but Python's standard library."""

import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Hello from Better-PaaS</title>
<style>
  body { font: 18px/1.5 system-ui, sans-serif; display: grid; place-items: center; min-height: 100vh; margin: 0 }
  h1 { margin: 0 } p { color: #667 }
</style></head>
<body><main><h1>Hello from Better-PaaS</h1><p>This is hello-python, live from its repository.</p></main></body>
</html>
"""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"ok" if self.path == "/health" else PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain" if self.path == "/health" else "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET


server = ThreadingHTTPServer(("0.0.0.0", int(os.environ.get("PORT", "8080"))), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print(f"listening on port {server.server_port}", flush=True)
server.serve_forever()
