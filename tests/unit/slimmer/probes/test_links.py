"""Links are found where browsers find them, and followed on the same server only."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from cntr_slimmer.probes import links
from cntr_slimmer.probes.listening import Listener, addresses, parse
from hypothesis import given

HOSTS = frozenset({"localhost", "localhost:80", "127.0.0.1"})


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("<a href=x>", ["x"]),
        ("<a name=x>", []),
        ("<A HREF='x?a=1&amp;b=2'>", ["x?a=1&b=2"]),
        ("<link rel=icon href=/i><script src=s></script><img src=p>", ["/i", "s", "p"]),
        ("<img srcset='a.png 1x, b.png 2x'>", ["a.png", "b.png"]),
        ("<style>a { b: url(x) }</style>", ["x"]),
        ("<p style='background:url(\"x\")'>", ["x"]),
        ("<form action=/delete></form>", []),
        ("<base href=/sub/><a href=x>", ["/sub/x"]),
        ("<!-- <a href=x> -->", []),
        ("<script>'<a href=x>'</script>", []),
        ("<a href=x", []),
    ],
)
def test_links_of_html(page: str, found: list[str]) -> None:
    assert links.of_html(page) == found


def test_links_of_css() -> None:
    sheet = "@import 'a.css'; @import url(b.css); p { x: url( \"c\" ) } /* url(d) */ q { y: URL('e') }"
    assert links.of_css(sheet) == ["a.css", "b.css", "c", "e"]


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("x", "/dir/x"),
        ("../x", "/x"),
        ("../../../x", "/x"),
        ("/x?q=1#part", "/x?q=1"),
        ("#part", "/dir/page"),
        ("?q", "/dir/page?q"),
        ("http://localhost/x", "/x"),
        ("http://LOCALHOST:80/x", "/x"),
        ("//localhost/x", "/x"),
        ("http://localhost", "/"),
        ("a b\n", "/dir/a%20b"),
        ("http://localhost:81/x", None),
        ("http://elsewhere/x", None),
        ("//elsewhere/x", None),
        ("ftp://localhost/x", None),
        ("mailto:a@localhost", None),
        ("javascript:void(0)", None),
        ("data:text/plain,x", None),
        ("http://[broken/x", None),
    ],
)
def test_only_links_to_the_same_server_are_followed(link: str, path: str | None) -> None:
    assert links.within(link, "/dir/page", HOSTS) == path


@given(st.text(), st.text(max_size=40))
def test_no_page_and_no_link_is_too_odd(page: str, link: str) -> None:
    links.of_html(page)
    links.of_css(page)
    path = links.within(link, "/dir/page", HOSTS)
    assert path is None or (path.startswith("/") and not path.startswith("//") and " " not in path)


# Recorded on a machine of little-endian byte order, as every one that Docker runs on.
TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 100 0 0 10 0
"""
TABLE6 = """  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:0051 00000000000000000000000000000000:0000 0A 00000000:00000000
   1: 00000000000000000000000001000000:0052 00000000000000000000000000000000:0000 0A 00000000:00000000
"""


def test_listening_sockets_are_read() -> None:
    assert parse(TABLE) == [Listener("127.0.0.1", 8080), Listener("0.0.0.0", 80)]
    assert parse(TABLE6) == [Listener("::", 81), Listener("::1", 82)]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([], []),
        ([Listener("0.0.0.0", 81)], []),
        ([Listener("0.0.0.0", 80)], ["127.0.0.1"]),
        ([Listener("::", 80)], ["127.0.0.1", "::1"]),
        ([Listener("172.17.0.2", 80), Listener("::1", 80)], ["::1", "172.17.0.2"]),
    ],
)
def test_a_port_is_reached_where_it_is_listened_on(known: list[Listener], expected: list[str]) -> None:
    assert addresses(80, known) == expected
