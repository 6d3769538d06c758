"""Five real apps, and the second version of each."""

import json

FLASK = {
    "app.py": 'from flask import Flask\n\napp = Flask(__name__)\n\n\n@app.get("/")\ndef index():\n    return "flask VERSION"\n',
    "requirements.txt": "flask\n",
}
FASTAPI = {
    "main.py": 'from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get("/")\ndef index():\n    return {"version": "fastapi VERSION"}\n\n\n@app.get("/health")\ndef health():\n    return "ok"\n',
    "requirements.txt": "fastapi\nuvicorn\n",
}
EXPRESS = {
    "package.json": json.dumps(
        {
            "name": "express-app",
            "private": True,
            "scripts": {"start": "node index.js"},
            "dependencies": {"express": "^5.0.0"},
        }
    ),
    "index.js": "const app = require('express')()\napp.get('/', (request, response) => response.send('express VERSION'))\napp.listen(process.env.PORT)\n",
}
VITE = {
    "package.json": json.dumps(
        {
            "name": "site",
            "private": True,
            "type": "module",
            "scripts": {"build": "vite build"},
            "devDependencies": {"vite": "^7.0.0"},
        }
    ),
    "index.html": '<!doctype html><html lang="en"><body><div id="app">vite VERSION</div><script type="module" src="/main.js"></script></body></html>',
    "main.js": "document.querySelector('#app').title = import.meta.env.VITE_TITLE ?? 'none'\n",
}
DOCKERFILE = {
    "Dockerfile": 'FROM better-paas/python:3.11\nWORKDIR /srv\nCOPY . .\nRUN chmod -R a+rX /srv && python3 -c "print(1)"\nEXPOSE 9000\nUSER 1234\nCMD ["python3", "-u", "server.py"]\n',
    "server.py": 'from http.server import *\n\n\nclass H(BaseHTTPRequestHandler):\n    def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n        self.wfile.write(b"dockerfile VERSION")\n\n\nThreadingHTTPServer(("", 9000), H).serve_forever()\n',
}
# Answers /slow after 10 s, counts what is uploaded, keeps WebSockets open.
SLOW = {
    "package.json": json.dumps({"name": "slow", "private": True, "scripts": {"start": "node server.js"}}),
    "server.js": """
const http = require('node:http')
const crypto = require('node:crypto')
const server = http.createServer((request, response) => {
  if (request.url === '/slow') return void setTimeout(() => response.end('slow'), 10000)
  if (request.url === '/upload') {
    let size = 0
    request.on('data', chunk => (size += chunk.length))
    request.on('end', () => response.end(String(size)))
    return
  }
  response.end('ok')
})
server.keepAliveTimeout = 60000
server.on('upgrade', (request, socket) => {
  const key = crypto.createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64')
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + key + '\\r\\n\\r\\n')
  socket.on('error', () => {})
})
server.listen(process.env.PORT)
process.on('SIGTERM', () => process.exit(0))
""",
}
# Answers with the headers, and the variables, that reached it.
MIRROR = {
    "Procfile": "web: python app.py\n",
    "app.py": """
import json, os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

slow = []

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()
    def do_GET(self):
        if self.path == "/slow":
            slow.append(1)
            time.sleep(5)
        body = json.dumps({"path": self.path, "slow": len(slow), "headers": dict(self.headers), "environment": dict(os.environ)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
""",
}
APPS = {"flask": FLASK, "fastapi": FASTAPI, "express": EXPRESS, "vite": VITE, "dockerfile": DOCKERFILE}


def version(files: dict[str, str], number: int) -> dict[str, str]:
    return {name: text.replace("VERSION", str(number)) for name, text in files.items()}
