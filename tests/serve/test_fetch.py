"""Addresses are fetched from public hosts only; the network is a fake one, and HTTP is real."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from finetune.serve.fetch import Fetcher, is_public, resolve
from finetune.serve.images import BadImageError

PUBLIC, OTHER, PRIVATE = "93.184.215.14", "8.8.8.8", "10.0.0.5"
NAMES = {
    "public.example": [PUBLIC],
    "other.example": [OTHER],
    "inside.example": [PRIVATE],
    "both.example": [PUBLIC, PRIVATE],
    "nobody.example": [],
}
ANSWERS = {
    "/ok": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "/ok?a=1%202": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nquery",
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    "/large": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + bytes(5000),
    "/cut": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe",
    "/gone": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "/nonsense": b"\x00\x01\x02 nonsense\r\n\r\n",
    "/on": b"HTTP/1.1 302 Found\r\nLocation: http://other.example/ok\r\nContent-Length: 0\r\n\r\n",
    "/near": b"HTTP/1.1 307 Temporary\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n",
    "/inside": b"HTTP/1.1 302 Found\r\nLocation: http://inside.example/ok\r\nContent-Length: 0\r\n\r\n",
    "/loopback": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/ok\r\nContent-Length: 0\r\n\r\n",
    "/file": b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
    "/round": b"HTTP/1.1 302 Found\r\nLocation: /round\r\nContent-Length: 0\r\n\r\n",
    "/silent": b"",
}


async def with_fake_host(url: str, then: Callable[[Fetcher, list[str]], Awaitable[Any]]) -> Any:
    """What comes of a fetcher whose connections all end at one local host, and the addresses it connected to."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target = (await reader.readline()).split()[1].decode()
            writer.write(ANSWERS[target])
            await writer.drain()
            await asyncio.sleep(5 if target == "/silent" else 0)
        finally:
            writer.close()

    host = await asyncio.start_server(answer, "127.0.0.1", 0)
    port, asked = host.sockets[0].getsockname()[1], []

    async def look_up(name: str, port: int) -> list[str]:
        return NAMES[name] if name in NAMES else list(await resolve(name, port))

    async def connect(address: str, _port: int, _tls: Any, _host: str) -> Any:
        asked.append(address)
        return await asyncio.open_connection("127.0.0.1", port)

    fetcher = Fetcher(1000, 0.5, resolve=look_up, connect=connect)
    try:
        return await then(fetcher, asked)
    finally:
        host.close()
        await asyncio.sleep(0.02)  # for the connections to end


def fetched(url: str) -> tuple[bytes | str, list[str]]:
    """What an address gives, or why it does not, and which addresses were connected to."""

    async def fetch(fetcher: Fetcher, asked: list[str]) -> tuple[bytes | str, list[str]]:
        try:
            return await fetcher.fetch(url), asked
        except BadImageError as fault:
            return str(fault), asked

    return asyncio.run(with_fake_host(url, fetch))


@pytest.mark.parametrize(
    ("path", "content", "asked"),
    [
        ("/ok", b"hello", [PUBLIC]),
        ("/ok?a=1 2", b"query", [PUBLIC]),
        ("/chunked", b"hello", [PUBLIC]),
        ("/near", b"hello", [PUBLIC, PUBLIC]),
        ("/on", b"hello", [PUBLIC, OTHER]),
    ],
)
def test_a_public_host_is_asked_at_the_address_that_was_checked(path, content, asked):
    assert fetched(f"http://public.example{path}") == (content, asked)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "169.254.169.254", "[::1]", "2130706433", "0177.0.0.1", "0x7f000001", "127.1",
        "0.0.0.0", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]",
        "[fd00:ec2::254]",
        "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "user:word@127.0.0.1", "public.example@127.0.0.1",
        "inside.example", "both.example", "nobody.example",
    ],
)  # fmt: skip
def test_a_host_that_is_not_public_is_never_connected_to(host):
    said, asked = fetched(f"http://{host}/ok")
    assert "not a public host" in said
    assert asked == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/inside", "'inside.example' is not a public host"),
        ("/loopback", "'127.0.0.1' is not a public host"),
        ("/file", "scheme 'file'; only http and https"),
    ],
)
def test_a_redirect_is_checked_as_the_first_address_was(path, reason):
    said, asked = fetched(f"http://public.example{path}")
    assert reason in said
    assert asked == [PUBLIC]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/large", "more than the 1,000 bytes"),
        ("/cut", "cannot be fetched"),
        ("/gone", "answered 404"),
        ("/nonsense", "cannot be fetched"),
        ("/round", "redirects more than 3 times"),
        ("/silent", "did not answer within 0.5 s"),
    ],
)
def test_an_answer_is_bounded_and_its_failure_is_said(path, reason):
    assert reason in fetched(f"http://public.example{path}")[0]


@pytest.mark.parametrize(
    "url", ["http://", "http:///x", "http://[::1", "http://public.example:99999/", "ftp://public.example/"]
)
def test_what_is_no_address_of_the_web_is_refused(url):
    said, asked = fetched(url)
    assert "expected https://host/path" in said or "only http and https" in said
    assert asked == []


def test_public_addresses_of_both_kinds_are_public():
    assert all(map(is_public, ["1.1.1.1", PUBLIC, "2606:2800:220:1:248:1893:25c8:1946"]))
