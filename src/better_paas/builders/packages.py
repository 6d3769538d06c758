"""Which packages of Debian a dependency needs, for building and for running: facts of each project's manual."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Needs:
    """Names of Debian 12, divided by blanks."""

    build: str = ""
    run: str = ""


COMPILER = "build-essential"
# What Chromium is linked with, and letters to draw.
BROWSER = (
    "ca-certificates fonts-liberation libasound2 libatk-bridge2.0-0 libatk1.0-0 libatspi2.0-0 libcairo2 libcups2 "
    "libdbus-1-3 libdrm2 libexpat1 libfontconfig1 libgbm1 libgcc-s1 libgdk-pixbuf-2.0-0 libglib2.0-0 libgtk-3-0 "
    "libnspr4 libnss3 libpango-1.0-0 libpangocairo-1.0-0 libstdc++6 libx11-6 libx11-xcb1 libxcb1 libxcomposite1 "
    "libxcursor1 libxdamage1 libxext6 libxfixes3 libxi6 libxkbcommon0 libxrandr2 libxrender1 libxss1 libxtst6"
)
_MYSQL = Needs(f"{COMPILER} default-libmysqlclient-dev pkg-config", "libmariadb3")
_POSTGRES = Needs(f"{COMPILER} libpq-dev", "libpq5")
_CAIRO = Needs(f"{COMPILER} pkg-config libcairo2-dev", "libcairo2")
_GL = Needs("", "libgl1 libglib2.0-0")
_PANGO = Needs("", "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 libgdk-pixbuf-2.0-0 libffi8 shared-mime-info")
_FFMPEG = Needs("", "ffmpeg")

# Those whose wheels hold all that they need are not here: psycopg2-binary, lxml, Pillow, cryptography, numpy …
PYTHON: dict[str, Needs] = {
    "psycopg2": _POSTGRES,
    # Without its extra `binary` or `c` it is linked when it runs.
    "psycopg": Needs("libpq-dev", "libpq5"),
    "psycopg-c": _POSTGRES,
    "mysqlclient": _MYSQL,
    "mariadb": Needs(f"{COMPILER} libmariadb-dev", "libmariadb3"),
    "pycairo": _CAIRO,
    "cairosvg": Needs("", "libcairo2"),
    "cairocffi": Needs("", "libcairo2"),
    "rlpycairo": _CAIRO,
    "pygobject": Needs(
        f"{COMPILER} pkg-config libcairo2-dev libgirepository1.0-dev", "libgirepository-1.0-1 libcairo2"
    ),
    "weasyprint": _PANGO,
    "opencv-python": _GL,
    "opencv-contrib-python": _GL,
    "pydub": _FFMPEG,
    "ffmpeg-python": _FFMPEG,
    "moviepy": _FFMPEG,
    "openai-whisper": _FFMPEG,
    "pdf2image": Needs("", "poppler-utils"),
    "pytesseract": Needs("", "tesseract-ocr"),
    "python-magic": Needs("", "libmagic1"),
    "python-ldap": Needs(f"{COMPILER} libldap2-dev libsasl2-dev", "libldap-2.5-0 libsasl2-2"),
    "pyodbc": Needs(f"{COMPILER} unixodbc-dev", "unixodbc"),
    "pygraphviz": Needs(f"{COMPILER} pkg-config libgraphviz-dev", "graphviz"),
    "graphviz": Needs("", "graphviz"),
    "python-snappy": Needs(f"{COMPILER} libsnappy-dev", "libsnappy1v5"),
    "xmlsec": Needs(f"{COMPILER} pkg-config libxmlsec1-dev", "libxmlsec1-openssl"),
    "python3-saml": Needs(f"{COMPILER} pkg-config libxmlsec1-dev", "libxmlsec1-openssl"),
    "gdal": Needs(f"{COMPILER} libgdal-dev", "libgdal32"),
    "uwsgi": Needs(COMPILER, ""),
    "pysqlcipher3": Needs(f"{COMPILER} libsqlcipher-dev", "libsqlcipher0"),
    "soundfile": Needs("", "libsndfile1"),
    "librosa": Needs("", "libsndfile1 ffmpeg"),
    "pyaudio": Needs(f"{COMPILER} portaudio19-dev", "libportaudio2"),
    "playwright": Needs("", BROWSER),
    "lightgbm": Needs("", "libgomp1"),
    "xgboost": Needs("", "libgomp1"),
    "pyzbar": Needs("", "libzbar0"),
    "wand": Needs("", "imagemagick libmagickwand-6.q16-6"),
    "pandoc": Needs("", "pandoc"),
    "pypandoc": Needs("", "pandoc"),
    "gitpython": Needs("", "git"),
}

# sharp, better-sqlite3, bcrypt and canvas bring their files; where one has none for a version of Node, it is compiled.
_NODE_GYP = Needs("build-essential python3", "")
NODE: dict[str, Needs] = {
    "puppeteer": Needs("", BROWSER),
    "playwright": Needs("", BROWSER),
    "playwright-core": Needs("", BROWSER),
    "better-sqlite3": _NODE_GYP,
    "bcrypt": _NODE_GYP,
    "sqlite3": _NODE_GYP,
    "argon2": _NODE_GYP,
    "node-pty": _NODE_GYP,
    "canvas": Needs(
        "build-essential python3 pkg-config libcairo2-dev libpango1.0-dev libjpeg-dev libgif-dev librsvg2-dev",
        "libcairo2 libpango-1.0-0 libpangocairo-1.0-0 libjpeg62-turbo libgif7 librsvg2-2",
    ),
    "prisma": Needs("openssl", "openssl"),
    "@prisma/client": Needs("openssl", "openssl"),
    "fluent-ffmpeg": _FFMPEG,
    "pg-native": Needs("build-essential python3 libpq-dev", "libpq5"),
    "zeromq": _NODE_GYP,
    "serialport": _NODE_GYP,
}

# Ruby's image compiles with what it has; what runs on it is there as well, but for these.
RUBY: dict[str, Needs] = {
    "pg": Needs("libpq-dev", "libpq5"),
    "mysql2": Needs("default-libmysqlclient-dev", "libmariadb3"),
    "sqlite3": Needs("libsqlite3-dev", "libsqlite3-0"),
    "ruby-vips": Needs("", "libvips42"),
    "image_processing": Needs("", "libvips42 imagemagick"),
    "mini_magick": Needs("", "imagemagick"),
    "rmagick": Needs("libmagickwand-dev pkg-config", "libmagickwand-6.q16-6"),
    "charlock_holmes": Needs("libicu-dev pkg-config", "libicu72"),
    "nokogiri": Needs("libxml2-dev libxslt1-dev", "libxml2 libxslt1.1"),
    "psych": Needs("libyaml-dev", "libyaml-0-2"),
}

# Of compiled programs, what they are linked with when they run: their build image has all headers.
RUST: dict[str, Needs] = {
    "pq-sys": Needs("", "libpq5"),
    "mysqlclient-sys": Needs("", "libmariadb3"),
    "libgit2-sys": Needs("", "libgit2-1.5"),
    "alsa-sys": Needs("", "libasound2"),
}

# Extensions of PHP that its official image compiles, and the packages of Debian that it needs for it.
EXTENSIONS = {
    "bcmath": "",
    "bz2": "libbz2-dev",
    "calendar": "",
    "dba": "",
    "exif": "",
    "ffi": "libffi-dev",
    "gd": "libpng-dev libjpeg62-turbo-dev libfreetype6-dev libwebp-dev",
    "gettext": "",
    "gmp": "libgmp-dev",
    "imap": "libc-client-dev libkrb5-dev",
    "intl": "libicu-dev",
    "ldap": "libldap2-dev",
    "mysqli": "",
    "opcache": "",
    "pcntl": "",
    "pdo_mysql": "",
    "pdo_pgsql": "libpq-dev",
    "pgsql": "libpq-dev",
    "shmop": "",
    "soap": "libxml2-dev",
    "sockets": "",
    "sysvmsg": "",
    "sysvsem": "",
    "sysvshm": "",
    "tidy": "libtidy-dev",
    "xsl": "libxslt1-dev",
    "zip": "libzip-dev",
}
# Extensions that the official image fetches from PECL, and the packages of Debian that they need for it.
PECL = {
    "amqp": "librabbitmq-dev",
    "apcu": "",
    "igbinary": "",
    "imagick": "libmagickwand-dev",
    "memcached": "libmemcached-dev zlib1g-dev libssl-dev",
    "mongodb": "libssl-dev",
    "msgpack": "",
    "redis": "",
    "yaml": "libyaml-dev",
}
# What both images have without being asked.
EXTENSIONS_OF_BASE = frozenset(
    [
        "ctype",
        "curl",
        "date",
        "dom",
        "fileinfo",
        "filter",
        "ftp",
        "hash",
        "iconv",
        "json",
        "libxml",
        "mbstring",
        "openssl",
        "pcre",
        "pdo",
        "pdo_sqlite",
        "phar",
        "posix",
        "readline",
        "reflection",
        "session",
        "simplexml",
        "sodium",
        "spl",
        "sqlite3",
        "standard",
        "tokenizer",
        "xml",
        "xmlreader",
        "xmlwriter",
        "zlib",
    ]
)
# What Debian calls them, where that differs; "" for what its PHP has without a package.
DEBIAN_NAMES = {
    "pdo_mysql": "mysql",
    "mysqli": "mysql",
    "pdo_pgsql": "pgsql",
    "xsl": "xml",
    **dict.fromkeys(
        ("calendar", "exif", "ffi", "gettext", "opcache", "pcntl", "shmop", "sockets", "sysvmsg", "sysvsem", "sysvshm"),
        "",
    ),
}


def needed(table: dict[str, Needs], dependencies: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(for building, for running), each once and in order."""
    wanted = [table[name] for name in sorted(set(dependencies)) if name in table]
    building = sorted({package for each in wanted for package in each.build.split()})
    return tuple(building), tuple(sorted({package for each in wanted for package in each.run.split()}))
