"""What the rule `application` takes for an application's own, and what not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cntr_slimmer.rules.application import LIMIT, Application
from cntr_slimmer.rules.closure import close

from cntr_core.images import open_image
from cntr_core.images.tree.layers import open_layers
from tests.unit.images.layouts import file, layout, tar
from tests.unit.slimmer.rules.directory_view import DirectoryView
from tests.unit.slimmer.rules.trees import ANY, ask, context, plant

HTML = {"index.php": "", "about.php": "", "inc/db.php": ""}


def kept(root: Path, files: Mapping[str, str], *used: str, command: tuple[str, ...] = (), **more: Any) -> set[str]:
    plant(root, files)
    return {*ask(root, [Application()], used, commands=(tuple(word.encode() for word in command),), **more)}


def below(directory: str, *names: str) -> dict[str, str]:
    return {f"{directory}/{name}": "" for name in names}


def test_what_lies_below_the_working_directory(tmp_path: Path) -> None:
    files = below("/app", "app.py", "late.py", "templates/other.html") | below("/data", "x") | {"/usr/bin/tool": ""}
    assert kept(tmp_path, files, "/app/app.py", working_dir=b"/app") == {"/app/late.py", "/app/templates/other.html"}


@pytest.mark.parametrize(
    "directory", [b"/", b"/usr", b"/usr/bin", b"/etc", b"/var/lib", b"/usr/local/bin", b"/absent", b""]
)
def test_a_directory_of_all_is_no_application(tmp_path: Path, directory: bytes) -> None:
    files = below("/usr/bin", "a") | below("/etc", "b") | below("/var/lib", "c") | below("/usr/local/bin", "d")
    assert kept(tmp_path, files, working_dir=directory) == set()


def test_what_the_root_has_beside_a_system(tmp_path: Path) -> None:
    files = {"/server": "", "/helper.py": "", "/templates/a.html": "", "/etc/x": "", "/usr/x": "", "/srv/x": ""}
    assert kept(tmp_path, files, "/server") == {"/helper.py", "/templates/a.html"}
    assert kept(tmp_path, {}, "/server", working_dir=b"/srv", command=("/server",)) >= {"/helper.py", "/srv/x"}


@pytest.mark.parametrize(
    "command",
    [
        ("/opt/app/bin/serve",),
        ("serve",),
        ("node", "/opt/app/main.js"),
        ("sh", "-c", "cd /opt/app && exec ./main.js"),
        ("java", "-Dbase=/opt/app", "-jar", "/usr/share/java/x.jar"),
        ("php", "-S", "0.0.0.0:80", "-t", "/opt/app"),
        ("java", "-cp", "/opt/app/main.js:/usr/share/java/x.jar", "Main"),
    ],
)
def test_the_directories_that_the_command_names(tmp_path: Path, command: tuple[str, ...]) -> None:
    files = below("/opt/app", "bin/serve", "main.js", "lib/late.js") | below("/opt/jdk", "bin/java", "lib/big")
    files |= below("/usr/share/java", "y.jar") | below("/usr/bin", "node", "sh")
    environment = {"PATH": "/opt/app/bin:/opt/jdk/bin:/usr/bin"}
    found = kept(tmp_path, files, command=command, environment=environment, working_dir=b"/usr")
    assert "/opt/app/lib/late.js" in found
    assert not [path for path in found if path.startswith(("/opt/jdk", "/usr/bin"))], "no interpreter is an application"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/nginx/conf.d/site.conf", "server { listen 80; root /srv/www; }"),
        ("/etc/nginx/nginx.tmpl", "http {\n server {\n  root '/srv/www';\n }\n}"),
        ("/app/nginx.conf", "location /x { alias /srv/www/; }"),
        ("/etc/nginx/sites/x", "root /srv/www/$host/public;"),
        ("/etc/apache2/sites-enabled/a.conf", 'DocumentRoot "/srv/www"\n'),
        ("/usr/local/apache2/conf/httpd.conf", "documentroot ${SITE}\n"),
        ("/etc/apache2/conf-enabled/b.conf", "Alias /x /srv/www\n"),
        ("/etc/lighttpd/lighttpd.conf", 'server.document-root = "/srv/www"\n'),
        ("/etc/caddy/Caddyfile", ":80 {\n root * /srv/www\n}\n"),
    ],
)
def test_what_a_web_server_serves(tmp_path: Path, path: str, text: str) -> None:
    files = {f"/srv/www/{name}": content for name, content in HTML.items()} | {path: text}
    found = kept(tmp_path, files, path, "/srv/www/index.php", environment={"SITE": "/srv/www"}, working_dir=b"/usr")
    assert found >= {"/srv/www/about.php", "/srv/www/inc/db.php"}


def test_a_comment_serves_nothing_and_settings_that_were_not_read_neither(tmp_path: Path) -> None:
    files = below("/srv/www", "a.php") | {
        "/etc/nginx/a.conf": "# root /srv/www;\n",
        "/etc/nginx/b.conf": "root /srv/www;",
    }
    assert kept(tmp_path, files, "/etc/nginx/a.conf", working_dir=b"/usr") == set()


def test_settings_of_strangers_hang_nothing(tmp_path: Path) -> None:
    """As a million blank lines would, with an expression that tries each again at each."""
    words = ("\n" * 500_000, " " * 250_000, "alias " * 20_000, "root\t" * 10_000)
    files = {"/srv/www/a.php": "", "/etc/nginx/a.conf": "".join(words) + "\nroot /srv/www;\n"}
    assert kept(tmp_path, files, "/etc/nginx/a.conf", working_dir=b"/usr") == {"/srv/www/a.php"}


def test_what_lies_around_a_public_directory(tmp_path: Path) -> None:
    files = below("/srv/shop", "public/index.php", "src/late.php") | {"/etc/nginx/a.conf": "root /srv/shop/public;"}
    assert "/srv/shop/src/late.php" in kept(tmp_path, files, "/etc/nginx/a.conf", working_dir=b"/usr")


def test_an_exploded_web_application(tmp_path: Path) -> None:
    files = below("/opt/t/webapps/shop", "WEB-INF/web.xml", "WEB-INF/classes/Late.class", "late.jsp")
    found = kept(tmp_path, files, "/opt/t/webapps/shop/WEB-INF/web.xml", working_dir=b"/usr")
    assert found == {"/opt/t/webapps/shop/WEB-INF/classes/Late.class", "/opt/t/webapps/shop/late.jsp"}


@pytest.mark.parametrize(
    ("root", "page"),
    [
        ("/var/lib/jetty9/webapps/root", "index.html"),
        ("/opt/wildfly/standalone/deployments/shop.war", "index.html"),
        ("/srv/pages", "index.jsp"),
    ],
)
def test_a_web_application_without_settings(tmp_path: Path, root: str, page: str) -> None:
    files = below(root, page, "late.jsp", "in/style.css") | below(f"{root}/../other", "x.jsp")
    assert kept(tmp_path, files, f"{root}/{page}", working_dir=b"/usr") == {f"{root}/late.jsp", f"{root}/in/style.css"}


def test_what_a_package_manager_has_is_no_application(tmp_path: Path) -> None:
    managed = below(
        "/app",
        "venv/lib/python3.11/site-packages/x.py",
        "node_modules/x/index.js",
        "vendor/bundle/ruby/3.1.0/gems/x.rb",
        "gems/ruby/3.1.0/gems/x.rb",
        "vendor/composer/installed.json",
        "vendor/acme/x.php",
        ".git/config",
        "owned",
    )
    own = below("/app", "x.py", "src/vendor/x.php", "lib/node.js")
    status = "Package: app\nStatus: install ok installed\nVersion: 1\n"
    dpkg = {"/var/lib/dpkg/status": status, "/var/lib/dpkg/info/app.list": "/app\n/app/owned\n"}
    assert kept(tmp_path, {**managed, **own, **dpkg}, working_dir=b"/app") == set(own)


def test_a_limit_keeps_the_smallest_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    plant(tmp_path, below("/app", "a.py", "model", "z.py"))
    with open(tmp_path / "app/model", "wb") as model:
        model.truncate(LIMIT + 1)
    closed = close(context(DirectoryView(tmp_path), {}, working_dir=b"/app"), [Application()])
    assert {path for path in closed.kept if path.startswith(b"/app/")} == {b"/app/a.py", b"/app/z.py"}
    assert list(closed.left_out) == [b"/app/model"]
    assert "beyond 67 MB" in closed.left_out[b"/app/model"].because


@pytest.mark.parametrize(
    ("lowest", "layers", "own"),
    [
        ("etc/os-release", 2, {b"/app/upper"}),
        ("templates/x", 2, {b"/app/lower", b"/app/upper"}),  # FROM scratch
        ("etc/os-release", 1, {b"/app/lower"}),  # squashed
    ],
)
def test_the_base_is_no_application(tmp_path: Path, lowest: str, layers: int, own: set[bytes]) -> None:
    tars = [tar(file(lowest), file("app/lower")), tar(file("app/upper"))][:layers]
    with open_image(layout(tmp_path / "image", *tars)) as image, open_layers(image) as opened:
        told = context(opened.view, {b"/app": ANY}, working_dir=b"/app", layers=layers)
        found = close(told, [Application()]).kept
    assert {path for path in found if path.startswith(b"/app/")} == own
