"""Real programs in the languages whose compilers and packages can be had, each with nothing but its standard library.

Maven, Gradle and .NET need registries of their own, and gems, crates and hex packages too: their plans are unit tests.
"""

import pytest

from tests.system.servers import wait_until

pytestmark = pytest.mark.engine

GO = {
    "go.mod": "module shop\n\ngo 1.19\n",
    "cmd/server/main.go": """package main

import (
	"embed"
	"fmt"
	"net/http"
	"os"
)

//go:embed greeting.txt
var files embed.FS

func main() {
	greeting, _ := files.ReadFile("greeting.txt")
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s", greeting) })
	if err := http.ListenAndServe(":"+os.Getenv("PORT"), nil); err != nil {
		panic(err)
	}
}
""",
    "cmd/server/greeting.txt": "go",
}
PHP = {
    "public/index.php": '<?php if ($_SERVER["REQUEST_URI"] === "/") { echo "php"; } else { http_response_code(201); echo "route ", $_SERVER["REQUEST_URI"]; }',
    "public/style.css": "body {}",
    "config/secret.php": "<?php return 'secret';",
}
RUBY = {
    "Procfile": "web: ruby server.rb\n",
    "server.rb": """require "socket"
server = TCPServer.new("0.0.0.0", ENV.fetch("PORT").to_i)
loop do
  Thread.start(server.accept) do |client|
    client.gets
    client.print "HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\nConnection: close\\r\\n\\r\\nruby"
    client.close
  end
end
""",
}
RUST = {
    "Cargo.toml": '[package]\nname = "shop"\nversion = "0.1.0"\nedition = "2021"\n',
    "src/main.rs": """use std::io::{Read, Write};
use std::net::TcpListener;

fn main() {
    let port = std::env::var("PORT").unwrap();
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut buffer = [0; 1024];
        let _ = stream.read(&mut buffer);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\nConnection: close\\r\\n\\r\\nrust");
    }
}
""",
}
JAVA = {
    "Main.java": """import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;

public class Main {
    public static void main(String[] args) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress(Integer.parseInt(System.getenv("PORT"))), 0);
        server.createContext("/", exchange -> {
            byte[] body = "java".getBytes();
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
    }
}
""",
}
ELIXIR = {
    "mix.exs": """defmodule Shop.MixProject do
  use Mix.Project
  def project, do: [app: :shop, version: "0.1.0", elixir: "~> 1.14", deps: []]
  def application, do: [extra_applications: [:logger], mod: {Shop, []}]
end
""",
    "lib/shop.ex": """defmodule Shop do
  use Application
  def start(_type, _args), do: Supervisor.start_link([{Task, &serve/0}], strategy: :one_for_one)
  defp serve do
    port = String.to_integer(System.get_env("PORT"))
    {:ok, socket} = :gen_tcp.listen(port, [:binary, active: false, reuseaddr: true])
    accept(socket)
  end
  defp accept(socket) do
    {:ok, client} = :gen_tcp.accept(socket)
    spawn(fn ->
      :gen_tcp.recv(client, 0)
      :gen_tcp.send(client, "HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\nConnection: close\\r\\n\\r\\nelixir")
      :gen_tcp.close(client)
    end)
    accept(socket)
  end
end
""",
}
BUN = {
    "bunfig.toml": "",
    "server.ts": 'Bun.serve({ port: Number(process.env.PORT), fetch: (): Response => new Response("bun") })\n',
}
DENO = {
    "deno.json": "{}",
    "main.ts": 'Deno.serve({ port: Number(Deno.env.get("PORT")) }, () => new Response("deno"))\n',
}
MONOREPO = {
    "package.json": '{"private": true}',
    "services/api/app.py": "import http.server, os\n\n\nclass H(http.server.BaseHTTPRequestHandler):\n    def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n        self.wfile.write(b'monorepo')\n\n\nhttp.server.ThreadingHTTPServer(('', int(os.environ['PORT'])), H).serve_forever()\n",
}
APPS = {
    "go": GO, "php": PHP, "ruby": RUBY, "rust": RUST, "java": JAVA, "elixir": ELIXIR, "bun": BUN, "deno": DENO,
    "monorepo": MONOREPO,
}  # fmt: skip


@pytest.fixture(scope="module")
def apps(paas, git):
    """All of them, on their way at the same time."""
    made = {}
    for name, files in APPS.items():
        options = {"rootDir": "services/api"} if name == "monorepo" else {}
        made[name] = paas.deploy(f"in-{name}", git.repository(f"in-{name}.git", files).url, **options)
    yield made
    for app in made.values():
        paas.purge(app)


@pytest.mark.parametrize("name", APPS)
def test_it_is_built_and_answers(paas, apps, name):
    paas.ended(apps[name]["deploymentId"], 600)
    paas.succeeded(apps[name]["deploymentId"])
    assert paas.visit(apps[name]).text == name


def test_php_keeps_what_is_not_public(paas, apps):
    assert paas.visit(apps["php"], "/some/route").status_code == 201
    assert paas.visit(apps["php"], "/style.css").headers["Content-Type"].startswith("text/css")
    assert "return 'secret'" not in paas.visit(apps["php"], "/../config/secret.php").text


def test_a_single_page_site_is_compressed_and_cached(paas, git):
    files = {
        "package.json": '{"name": "spa", "private": true, "scripts": {"build": "node build.mjs"}, "devDependencies": {"vite": "^7.0.0"}}',
        "build.mjs": "import fs from 'node:fs'\nfs.mkdirSync('dist/assets', { recursive: true })\nfs.writeFileSync('dist/index.html', '<!doctype html><p>spa</p>'.padEnd(5000))\nfs.writeFileSync('dist/assets/index-4f2c1a9b.js', '1;'.repeat(5000))\n",
    }
    app = paas.live("spa", git.repository("spa.git", files).url)
    page = paas.visit(app, "/deep/link")
    assert (page.status_code, page.text.strip()) == (200, "<!doctype html><p>spa</p>")
    assert page.headers["Cache-Control"] == "no-cache"
    assert page.headers["Content-Encoding"] in ("gzip", "zstd")
    script = paas.visit(app, "/assets/index-4f2c1a9b.js")
    assert script.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    gone = paas.visit(app, "/assets/index-0a1B2c3D.js")  # of a version before: no page in the place of a script
    assert (gone.status_code, gone.headers["Cache-Control"]) == (404, "no-cache")
    paas.purge(app)


def test_a_site_says_itself_what_unknown_paths_get(paas, git):
    repository = git.repository("by-hand.git", {"index.html": "home", "404.html": "lost", "about.html": "about"})
    app = paas.live("by-hand", repository.url)
    assert paas.visit(app, "/about").text == "about"
    lost = paas.visit(app, "/deep/link")
    assert (lost.status_code, lost.text) == (404, "lost")
    repository.commit({"200.html": "app"}, "Becomes a single page")
    paas.redeploy(app)
    found = paas.visit(app, "/deep/link")
    assert (found.status_code, found.text, paas.visit(app, "/").text) == (200, "app", "home")
    paas.purge(app)


def test_a_module_that_wants_a_newer_language_is_told_so(paas, git):
    app = paas.deploy("newer", git.repository("newer.git", {**GO, "go.mod": "module shop\n\ngo 1.99\n"}).url)
    wait_until(lambda: paas.status(app["deploymentId"]) == "failed", 120)
    ended = paas.ended(app["deploymentId"])
    assert "there is no base image for go 1.99" in ended["error"]
    assert "This server can give: 1.19" in ended["hint"]
    paas.purge(app)
