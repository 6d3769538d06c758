"""The other ways to build: uv, poetry, Django, pnpm, yarn, and what a plan of a private network says."""

import json

import pytest

pytestmark = pytest.mark.engine
SERVE = "import http.server, os\n\n\nclass H(http.server.BaseHTTPRequestHandler):\n    def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n        self.wfile.write(TEXT)\n\n\nhttp.server.ThreadingHTTPServer(('', int(os.environ['PORT'])), H).serve_forever()\n"
EXPRESS = "const app = require('express')()\napp.get('/', (request, response) => response.send('NAME'))\napp.listen(process.env.PORT)\n"


def node(manager: str) -> dict[str, str]:
    package = {
        "name": "plain",
        "private": True,
        "packageManager": manager,
        "scripts": {"start": "node index.js"},
        "dependencies": {"express": "^5.0.0"},
    }
    return {"package.json": json.dumps(package), "index.js": EXPRESS.replace("NAME", manager.split("@")[0])}


APPS = {
    "uv": {
        "pyproject.toml": '[project]\nname = "plain"\nversion = "0.1.0"\nrequires-python = ">=3.11"\ndependencies = []\n',
        "uv.lock": 'version = 1\nrequires-python = ">=3.11"\n\n[[package]]\nname = "plain"\nversion = "0.1.0"\nsource = { virtual = "." }\n',
        "main.py": SERVE.replace("TEXT", "b'uv'"),
    },
    "poetry": {
        "pyproject.toml": '[tool.poetry]\nname = "plain"\nversion = "0.1.0"\ndescription = ""\nauthors = []\npackage-mode = false\n\n[tool.poetry.dependencies]\npython = "^3.11"\n',
        "main.py": SERVE.replace("TEXT", "b'poetry'"),
    },
    "django": {
        "requirements.txt": "django\n",
        "manage.py": "import os, sys\n\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\nfrom django.core.management import execute_from_command_line\n\nexecute_from_command_line(sys.argv)\n",
        "shop/__init__.py": "",
        "shop/settings.py": "import os\n\nSECRET_KEY = os.environ.get('SECRET_KEY', 'x')\nALLOWED_HOSTS = ['*']\nROOT_URLCONF = 'shop.urls'\nINSTALLED_APPS = ['django.contrib.staticfiles']\nSTATIC_URL = 'static/'\nSTATIC_ROOT = '/app/static'\n",
        "shop/urls.py": "from django.http import HttpResponse\nfrom django.urls import path\n\nurlpatterns = [path('', lambda request: HttpResponse('django'))]\n",
        "shop/wsgi.py": "import os\n\nfrom django.core.wsgi import get_wsgi_application\n\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\napplication = get_wsgi_application()\n",
    },
    "pnpm": node("pnpm@10.12.1"),
    "yarn": node("yarn@1.22.22"),
}


@pytest.mark.parametrize("name", APPS)
def test_it_is_built_and_answers(paas, git, name):
    app = paas.live(f"by-{name}", git.repository(f"by-{name}.git", APPS[name]).url)
    assert paas.visit(app).text == name
    paas.post("/api/apps/delete", id=app["id"])


def test_a_version_that_can_not_be_had_is_told_with_those_that_can(paas, git):
    # The image of an app that stands on a base is no version of it.
    other = paas.live("stands-on-python")
    repository = git.repository(
        "new-python.git", {"main.py": "", "Procfile": "web: python main.py", ".python-version": "3.14"}
    )
    app = paas.deploy("new-python", repository.url)
    ended = paas.ended(app["deploymentId"])
    if ended["status"] == "failed" and "base image" in ended["error"]:
        assert "python 3.14" in ended["error"]
        assert "This server can give: 3.11" in ended["hint"]
        plan = paas.post("/api/deploy/plan", gitRepo=repository.url)
        assert plan["available"] == ["3.11"]
    paas.post("/api/apps/delete", id=other["id"])
    paas.post("/api/apps/delete", id=app["id"])
