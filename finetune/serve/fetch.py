"""Images behind addresses, fetched so that a client cannot make the server ask its own network.

Only http and https; only hosts all of whose addresses are public; the connection goes to the very address that was
checked, so that a second DNS answer cannot replace it; every redirect is checked anew; no proxy, no cookies, no
credentials; bytes and seconds are bounded.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import h11

from finetune.serve.images import BadImageError

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Connect = Callable[[str, int, ssl.SSLContext | None, str], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
MAX_REDIRECTS = 3
_AT_ONCE = 16
_BLOCK = 2**16
_SAFE = "/%:@!$&'()*+,;=~-._?"  # stays as it is in a path or query
_UNICAST = ipaddress.ip_network("2000::/3")
_CARRIES_IPV4 = [ipaddress.ip_network(net) for net in ("2001::/32", "2002::/16")]  # Teredo, 6to4


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public Internet.

    >>> [is_public(a) for a in ("93.184.215.14", "127.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1")]
    [True, False, False, False, False, False]
    >>> [is_public(a) for a in ("2606:2800:220:1::1", "::1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "2002:7f00:1::")]
    [True, False, False, False, False]
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if not found.is_global or found.is_multicast:
        return False
    # An IPv6 address may carry an IPv4 one that nobody looks at; those ranges are refused whole.
    return found.version == 4 or (found in _UNICAST and not any(found in net for net in _CARRIES_IPV4))


async def resolve(host: str, port: int) -> Sequence[str]:
    """A host's addresses, as the system's resolver says. It reads ``2130706433`` and ``0177.1`` as addresses, too."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def connect(
    address: str, port: int, tls: ssl.SSLContext | None, host: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to an address; the certificate must be the host's."""
    return await asyncio.open_connection(address, port, ssl=tls, server_hostname=host if tls else None)


class Fetcher:
    """Fetches images from public addresses.

    Args:
        max_bytes: Of one image.
        timeout_s: Of one image, redirects and DNS included.
        resolve, connect: The network; tests put another in their place.
    """

    def __init__(
        self, max_bytes: int, timeout_s: float, *, resolve: Resolve = resolve, connect: Connect = connect
    ) -> None:
        self._max_bytes, self._timeout_s = max_bytes, timeout_s
        self._resolve, self._connect = resolve, connect
        self._tls = ssl.create_default_context()
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def fetch(self, url: str) -> bytes:
        """What an address answers with.

        Raises:
            BadImageError: it may not be asked, does not answer in time, or not with status 200 and few enough bytes.
        """
        try:
            async with self._turn:
                return await asyncio.wait_for(self._followed(url.strip()), self._timeout_s)
        except (asyncio.TimeoutError, TimeoutError):
            raise BadImageError(f"the address did not answer within {self._timeout_s:g} s") from None
        except (OSError, h11.ProtocolError, UnicodeError) as error:
            raise BadImageError(f"the address cannot be fetched ({type(error).__name__})") from None

    async def _followed(self, url: str) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            status, location, content = await self._once(url)
            if status not in (301, 302, 303, 307, 308) or location is None:
                if status != 200:
                    raise BadImageError(f"the address answered {status}; expected 200")
                return content
            url = urljoin(url, location)
        raise BadImageError(f"the address redirects more than {MAX_REDIRECTS} times")

    async def _once(self, url: str) -> tuple[int, str | None, bytes]:
        """Status, where it redirects to, and content of one request."""
        parts, host, port = _parsed(url)
        addresses = await self._resolve(host, port)
        if not addresses or not all(map(is_public, addresses)):
            raise BadImageError(f"{host!r} is not a public host; only public addresses are fetched")
        tls = self._tls if parts.scheme == "https" else None
        reader, writer = await self._connect(addresses[0], port, tls, host)
        try:
            return await self._exchange(reader, writer, parts)
        finally:
            writer.transport.abort()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, parts: SplitResult
    ) -> tuple[int, str | None, bytes]:
        talk = h11.Connection(h11.CLIENT)
        writer.write(talk.send(_request(parts)) or b"")
        writer.write(talk.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        status, location, content = 0, None, bytearray()
        while True:
            event = talk.next_event()
            if event is h11.NEED_DATA:
                talk.receive_data(await reader.read(_BLOCK))
            elif isinstance(event, h11.Response):
                status = event.status_code
                location = next((value.decode("latin-1") for name, value in event.headers if name == b"location"), None)
                if status != 200:
                    return status, location, b""
            elif isinstance(event, h11.Data):
                content += event.data
                if len(content) > self._max_bytes:
                    raise BadImageError(f"the address answers with more than the {self._max_bytes:,} bytes that may be")
            elif isinstance(event, h11.EndOfMessage):
                return status, location, bytes(content)
            elif isinstance(event, h11.ConnectionClosed):
                raise BadImageError("the address closed the connection before its answer was complete")


def _parsed(url: str) -> tuple[SplitResult, str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadImageError("is no address; expected https://host/path") from None
    if parts.scheme not in ("http", "https") or not host:
        raise BadImageError(f"an address of scheme {parts.scheme!r}; only http and https are fetched")
    return parts, host, port or (443 if parts.scheme == "https" else 80)


def _request(parts: SplitResult) -> h11.Request:
    query = f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
    target = quote(parts.path or "/", safe=_SAFE) + query
    host = parts.netloc.rpartition("@")[2].encode("idna" if not parts.netloc.isascii() else "ascii").decode()
    headers = [("Host", host), ("User-Agent", "deit-finetune"), ("Accept", "image/*"), ("Accept-Encoding", "identity")]
    return h11.Request(method="GET", target=target, headers=[*headers, ("Connection", "close")])
