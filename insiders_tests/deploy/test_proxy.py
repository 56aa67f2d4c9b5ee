"""The proxy: nginx with the configuration that the box gets, before two small web servers of Dagster's kind."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from insiders_tests.deploy.units import DEPLOY
from insiders_tests.servers import free_port

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not on this machine")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")

PATHS = ["/", "/graphql", "/server_info", "/assets/insiders_report", "/_next/static/chunks/main.js", "/healthz/more"]
OLGA = ("olga", "olga's long password")
VICTOR = ("victor", "victor's long password")
DOORS = {"operators": "web", "viewers": "web-readonly"}
PAGES = ["/pages/", "/pages/members", "/pages/static/js/index.js", "/pages/_stcore/health", "/pages/_stcore/stream"]
QUERY = {"query": "{ version }"}


@dataclass
class Proxy:
    """A running proxy, its two doors and their certificate."""

    folder: Path
    ports: dict[str, int]
    process: subprocess.Popen[bytes]

    @property
    def certificate(self) -> str:
        return str(self.folder / "tls" / "server.crt")

    def address(self, door: str, path: str = "/", scheme: str = "https") -> str:
        return f"{scheme}://localhost:{self.ports[door]}{path}"

    def get(self, door: str, path: str = "/", **otherwise: object) -> requests.Response:
        return requests.get(self.address(door, path), verify=self.certificate, timeout=20, **otherwise)  # type: ignore[arg-type]

    def post(self, door: str, path: str = "/graphql", **otherwise: object) -> requests.Response:
        return requests.post(self.address(door, path), verify=self.certificate, timeout=20, **otherwise)  # type: ignore[arg-type]

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificate)


async def _echo(request: Request) -> JSONResponse:
    await request.body()
    told = {"server": request.app.state.name, "path": request.url.path, "headers": dict(request.headers)}
    # As Streamlit does.
    return JSONResponse(told, headers={"Access-Control-Allow-Origin": "*"})


async def _subscription(socket: WebSocket) -> None:
    await socket.accept(subprotocol="graphql-ws")
    with contextlib.suppress(Exception):
        while True:
            await socket.send_text(f"{socket.app.state.name}: {await socket.receive_text()}")


@contextlib.contextmanager
def _web_server(name: str) -> Iterator[int]:
    sockets = [WebSocketRoute(path, _subscription) for path in ("/graphql", "/pages/_stcore/stream")]
    routes = [*sockets, Route("/{path:path}", _echo, methods=["GET", "POST"])]
    app = Starlette(routes=routes)
    app.state.name = name
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        yield port
    finally:
        server.should_exit = True
        thread.join()


def _script(name: str, *arguments: object, said: str = "", **variables: str) -> str:
    done = subprocess.run(
        [DEPLOY / "bin" / name, *map(str, arguments)],
        input=said,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _nginx(folder: Path, *more: str) -> list[str]:
    # As root its workers would be somebody who cannot enter the tests' folders.
    user = "user root; " if os.geteuid() == 0 else ""
    return [
        "nginx",
        "-e",
        "stderr",
        "-p",
        str(folder),
        "-c",
        str(folder / "nginx.conf"),
        "-g",
        f"{user}daemon off;",
        *more,
    ]


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("proxy")
    _script("make-certificate", folder / "tls", "localhost")
    (folder / "logins").mkdir()
    _script("add-user", "operators", OLGA[0], said=f"{OLGA[1]}\n", FOLDER=str(folder / "logins"))
    _script("add-user", "viewers", VICTOR[0], said=f"{VICTOR[1]}\n", FOLDER=str(folder / "logins"))
    with _web_server("web") as web, _web_server("web-readonly") as read_only, _web_server("dashboard") as pages:
        doors = {door: free_port() for door in DOORS}
        ports = {"OPERATORS_PORT": doors["operators"], "VIEWERS_PORT": doors["viewers"]}
        ports |= {"WEB_PORT": web, "READ_ONLY_PORT": read_only, "DASHBOARD_PORT": pages}
        text = _script("proxy-configuration", **{name: str(port) for name, port in ports.items()})
        (folder / "nginx.conf").write_text(text.replace("/etc/insiders", str(folder)))
        with (folder / "errors").open("wb") as errors:
            process = subprocess.Popen(_nginx(folder), stderr=errors)
        made = Proxy(folder, doors, process)
        try:
            deadline = time.monotonic() + 10
            while True:
                with contextlib.suppress(requests.ConnectionError):
                    if made.get("viewers", "/healthz").ok:
                        break
                assert process.poll() is None and time.monotonic() < deadline, (folder / "errors").read_text()
                time.sleep(0.05)
            yield made
        finally:
            process.terminate()
            process.wait(10)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("path", [*PATHS, *PAGES])
def test_without_a_login_nothing_is_answered_but_401(proxy: Proxy, door: str, path: str) -> None:
    for answer in (
        proxy.get(door, path),
        proxy.post(door, path, json=QUERY),
        proxy.get(door, path, auth=("olga", "x")),
    ):
        assert answer.status_code == 401
        assert "server" not in answer.text and answer.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("path", PATHS)
def test_with_a_login_each_door_leads_to_its_own_server(proxy: Proxy, door: str, path: str) -> None:
    answer = proxy.get(door, path, auth=OLGA)
    assert answer.status_code == 200
    assert (answer.json()["server"], answer.json()["path"]) == (DOORS[door], path)


@pytest.mark.parametrize(("door", "login"), [("operators", OLGA), ("viewers", OLGA), ("viewers", VICTOR)])
@pytest.mark.parametrize("path", PAGES)
def test_with_a_login_both_doors_lead_to_the_same_pages(
    proxy: Proxy, door: str, login: tuple[str, str], path: str
) -> None:
    answer = proxy.get(door, path, auth=login)
    assert answer.status_code == 200
    assert (answer.json()["server"], answer.json()["path"]) == ("dashboard", path)
    # Which Streamlit would let every site's page read.
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.parametrize("door", DOORS)
def test_the_pages_address_without_its_stroke_leads_there_through_a_tunnel_too(proxy: Proxy, door: str) -> None:
    answer = proxy.get(door, "/pages", auth=OLGA, allow_redirects=False)
    # Without host and port: a tunnel's end has another one.
    assert (answer.status_code, answer.headers["Location"]) == (301, "/pages/")


def test_a_viewer_looks_and_has_no_key_to_the_operators_door(proxy: Proxy) -> None:
    assert proxy.post("viewers", json=QUERY, auth=VICTOR).json()["server"] == "web-readonly"
    assert proxy.get("operators", auth=VICTOR).status_code == 401
    assert proxy.post("operators", json=QUERY, auth=VICTOR).status_code == 401


def test_the_password_ends_at_the_proxy(proxy: Proxy) -> None:
    headers = proxy.get("operators", auth=OLGA).json()["headers"]
    assert "authorization" not in headers
    assert headers["host"] == f"localhost:{proxy.ports['operators']}" and headers["x-forwarded-proto"] == "https"


def test_there_is_no_way_in_without_tls(proxy: Proxy) -> None:
    answer = requests.get(proxy.address("operators", "/", "http"), auth=OLGA, timeout=20)
    assert answer.status_code == 400 and "web" not in answer.text


@pytest.mark.parametrize(("version", "welcome"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_is_refused(proxy: Proxy, version: str, welcome: bool) -> None:
    context = proxy.tls()
    context.set_ciphers("ALL:@SECLEVEL=0")  # else this side would refuse by itself
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    connection = http.client.HTTPSConnection("localhost", proxy.ports["operators"], context=context, timeout=20)
    with contextlib.closing(connection), contextlib.nullcontext() if welcome else pytest.raises(ssl.SSLError):
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200


@pytest.mark.parametrize("door", DOORS)
def test_a_monitor_learns_that_the_proxy_lives_and_nothing_more(proxy: Proxy, door: str) -> None:
    answer = proxy.get(door, "/healthz")
    assert (answer.status_code, answer.text) == (200, "")


def _socket(
    proxy: Proxy, door: str, login: tuple[str, str] | None, origin: str | None = None, path: str = "/graphql"
) -> str:
    headers = {}
    if login:
        headers["Authorization"] = requests.auth._basic_auth_str(*login)
    with connect(
        proxy.address(door, path, "wss"),
        ssl=proxy.tls(),
        additional_headers=headers,
        origin=origin,  # type: ignore[arg-type]
        subprotocols=["graphql-ws"],  # type: ignore[list-item]
        open_timeout=20,
    ) as socket:
        socket.send("what happens?")
        return str(socket.recv(20))


def test_a_subscription_passes_as_a_websocket_with_a_login_only(proxy: Proxy) -> None:
    assert _socket(proxy, "operators", OLGA) == "web: what happens?"
    assert _socket(proxy, "viewers", VICTOR, proxy.address("viewers", "")) == "web-readonly: what happens?"
    with pytest.raises(InvalidStatus, match="401"):
        _socket(proxy, "operators", None)


@pytest.mark.parametrize(("door", "login"), [("operators", OLGA), ("viewers", VICTOR)])
def test_a_page_of_the_dashboard_is_fed_by_a_websocket_that_no_other_site_can_open(
    proxy: Proxy, door: str, login: tuple[str, str]
) -> None:
    path, own = "/pages/_stcore/stream", proxy.address(door, "")
    assert _socket(proxy, door, login, own, path) == "dashboard: what happens?"
    for origin in ("https://elsewhere.example", "null", f"{own}.example", own[:-1]):
        with pytest.raises(InvalidStatus, match="403"):
            _socket(proxy, door, login, origin, path)
    with pytest.raises(InvalidStatus, match="401"):
        _socket(proxy, door, None, own, path)


def test_another_sites_page_cannot_act_through_a_logged_in_browser(proxy: Proxy) -> None:
    own, foreign = proxy.address("operators", ""), "https://elsewhere.example"
    for origin, expected in ((own, 200), (foreign, 403), ("null", 403), (f"{own}.example", 403), (own[:-1], 403)):
        assert proxy.post("operators", json=QUERY, auth=OLGA, headers={"Origin": origin}).status_code == expected
    with pytest.raises(InvalidStatus, match="403"):
        _socket(proxy, "operators", OLGA, foreign)
    for site, mode, expected in (
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
        ("cross-site", "navigate", 200),  # a link in a mail
        ("cross-site", "no-cors", 403),  # a picture whose address is a mutation
        ("same-site", "cors", 403),
    ):
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
        asked = proxy.get("operators", "/graphql?query=mutation", auth=OLGA, headers=headers)
        assert asked.status_code == expected, (site, mode)


@needs_curl
def test_a_browser_that_speaks_http_2_is_known_as_this_site_too(proxy: Proxy) -> None:
    command = ["curl", "--silent", "--http2", "--cacert", proxy.certificate, "--user", ":".join(OLGA)]
    address = proxy.address("operators", "/graphql")
    for origin, expected in ((proxy.address("operators", ""), "200 2"), ("https://elsewhere.example", "403 2")):
        asked = [
            *command,
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} %{http_version}",
            "-H",
            f"Origin: {origin}",
            "-d",
            "{}",
        ]
        done = subprocess.run([*asked, address], capture_output=True, text=True, timeout=20)
        assert done.stdout == expected


def test_nothing_tells_which_nginx_this_is_and_every_answer_has_the_headers(proxy: Proxy) -> None:
    asked = [proxy.get("operators", auth=OLGA), proxy.get("operators"), proxy.get("viewers", "/healthz")]
    asked.append(proxy.post("operators", auth=OLGA, headers={"Origin": "null"}))
    for answer in asked:
        assert answer.headers["Server"] == "nginx" and "nginx/" not in answer.text
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
        assert answer.headers["Referrer-Policy"] == "same-origin"


def test_a_body_that_no_page_sends_is_refused(proxy: Proxy) -> None:
    assert proxy.post("operators", auth=OLGA, data=b"x" * (3 << 20)).status_code == 200
    assert proxy.post("operators", auth=OLGA, data=b"x" * (5 << 20)).status_code == 413


def test_a_new_login_counts_at_once_and_a_removed_one_no_more(proxy: Proxy) -> None:
    newcomer = ("nora", "nora's long password")
    _script("add-user", "operators", newcomer[0], said=f"{newcomer[1]}\n", FOLDER=str(proxy.folder / "logins"))
    assert proxy.get("operators", auth=newcomer).status_code == 200
    _script("add-user", "--remove", newcomer[0], FOLDER=str(proxy.folder / "logins"))
    assert proxy.get("operators", auth=newcomer).status_code == 401


def test_the_form_for_compose_is_understood_too(proxy: Proxy, tmp_path: Path) -> None:
    text = _script("proxy-configuration", "--compose", WEB_PORT="1", READ_ONLY_PORT="1", DASHBOARD_PORT="1")
    assert "server web:3000;" in text and "server web-readonly:3001;" in text and "server dashboard:8501;" in text
    assert "127.0.0.1:" not in text
    assert "access_log /dev/stdout audit;" in text and "syslog" not in text
    # The names are those of another network.
    for name in ("web", "web-readonly", "dashboard"):
        text = text.replace(f"server {name}:", "server 127.0.0.1:")
    (tmp_path / "nginx.conf").write_text(text.replace("/etc/insiders", str(proxy.folder)))
    done = subprocess.run(_nginx(tmp_path, "-t"), capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr


def test_what_is_no_port_is_refused() -> None:
    command = [DEPLOY / "bin" / "proxy-configuration"]
    done = subprocess.run(command, env={**os.environ, "WEB_PORT": "1; x"}, capture_output=True, text=True)
    assert done.returncode == 2 and "WEB_PORT" in done.stderr


def test_everything_that_the_template_asks_for_is_put_in() -> None:
    assert "${" not in _script("proxy-configuration")


@needs_curl
def test_a_page_of_many_files_opens_at_once_and_a_guesser_is_slowed_down(proxy: Proxy) -> None:
    def codes(number: int, login: str | None, under: str = "/") -> set[str]:
        address = proxy.address("viewers", f"{under}chunk-[1-{number}].js")
        command = ["curl", "--silent", "--cacert", proxy.certificate, "--parallel", "--parallel-max", "60"]
        command += ["-o", "/dev/null", "-w", "%{http_code}\n", *(["--user", login] if login else []), address]
        return set(subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.split())

    # One of Dagster's, and two of the dashboard's.
    assert codes(300, ":".join(VICTOR)) == {"200"}
    assert codes(120, ":".join(VICTOR), "/pages/static/js/") == {"200"}
    assert codes(200, None) == {"401", "429"}
    time.sleep(1)  # All of these count for everybody's limit, too: a fast machine has used it up.
    assert codes(700, f"{VICTOR[0]}:a guess") == {"401", "429"}
    assert proxy.get("viewers", "/healthz").status_code == 200
