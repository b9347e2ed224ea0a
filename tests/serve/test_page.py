"""The page, in a real browser: pictures are dropped on it."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import finetune
from finetune.predict import open_predictor

KEY = "key-for-the-page"
SEEN = """
JSON.stringify({
  title: document.getElementById("title").textContent,
  about: document.getElementById("about").textContent,
  keyAsked: !document.getElementById("key-row").hidden,
  right: Math.max(...[...document.querySelectorAll("body *")].map(element => element.getBoundingClientRect().right)),
  width: document.documentElement.clientWidth,
  pictures: [...document.querySelectorAll("article[data-done]")].map(article => ({
    name: article.querySelector("h2").textContent,
    labels: [...article.querySelectorAll(".row")].map(row => [
      row.querySelector(".name").textContent, row.querySelector(".score").textContent,
      ...[[".bar", ".track"].map(part => row.querySelector(part).getBoundingClientRect().width)].map(([a, b]) => a / b),
    ]),
    captions: [...article.querySelectorAll("figcaption")].map(caption => caption.textContent),
    loaded: [...article.querySelectorAll("img")].every(image => image.complete && image.naturalWidth > 0),
    error: article.querySelector(".error")?.textContent ?? null,
  })),
})
"""


class Tab:
    """A page in a browser, driven by the DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.asked: list[str] = []
        self.complaints: list[str] = []

    async def do(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=60)
            if message.get("method") == "Network.requestWillBeSent":
                self.asked.append(message["params"]["request"]["url"])
            entry = message.get("params", {}).get("entry", {})
            if message.get("method") == "Runtime.exceptionThrown" or entry.get("level") in ("warning", "error"):
                self.complaints.append(json.dumps(message["params"]))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    async def see(self, until: Callable[[dict], bool]) -> dict:
        """What the page shows, as soon as it shows it."""
        for _ in range(300):
            found = (await self.do("Runtime.evaluate", expression=SEEN))["result"].get("value")
            if found and until(json.loads(found)):
                return json.loads(found)
            await asyncio.sleep(0.1)
        raise AssertionError(f"not seen in time: {found}; {self.complaints}")

    async def drop(self, *files: Path) -> None:
        """Drop files on the page as a hand would."""
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            await self.do("Input.dispatchDragEvent", type=kind, x=200, y=120, data=data)


def on_page(browser: str, address: str, profile: Path, then: Callable[[Tab], Awaitable[Any]], width: int = 1000) -> Any:
    """Open an address and do something with it."""
    call = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    call += ["--remote-debugging-port=0", f"--window-size={width},900", "about:blank"]
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    async def drive() -> Any:
        port_file, until = profile / "DevToolsActivePort", time.monotonic() + 60
        while not (port_file.exists() and port_file.read_text().count("\n")):
            assert time.monotonic() < until, "the browser did not start"
            await asyncio.sleep(0.05)
        port = port_file.read_text().split()[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                tabs = await answer.json()
            where = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            async with session.ws_connect(where, max_msg_size=0) as socket:
                tab = Tab(socket)
                for domain in ("Network", "Runtime", "Log", "Page"):
                    await tab.do(f"{domain}.enable")
                await tab.do(
                    "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
                )
                await tab.do("Page.navigate", url=address)
                return await then(tab)

    try:
        return asyncio.run(drive())
    finally:
        process.terminate()
        process.wait(30)


def test_the_page_needs_nothing_else():
    text = (Path(finetune.__file__).parent / "assets" / "serve.html").read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href|url\()=?["\']?\s*(?:https?:)?//', text)
    assert "innerHTML" not in text


@pytest.mark.parametrize("width", [390, 1000])
def test_dropped_pictures_get_labels_bars_and_overlays(browser, server, run, photo, tmp_path, width):
    good, bad = tmp_path / "<b>good.png", tmp_path / "bad.jpg"
    good.write_bytes(photo())
    bad.write_bytes(b"no picture")
    (said,) = open_predictor(run, "cpu").predict(good)

    async def then(tab: Tab) -> None:
        page = await tab.see(lambda page: page["title"] == "multiclass")
        assert page["about"].startswith("one label of 4 for each picture; vit, 32 px")
        await tab.drop(good, bad)
        page = await tab.see(lambda page: len(page["pictures"]) == 2 and not page["pictures"][0]["captions"])
        unread, read = page["pictures"]  # the newest stands first
        assert (unread["name"], unread["labels"]) == ("bad.jpg", [])
        assert unread["error"].startswith("not an image")
        assert (read["name"], read["error"], read["loaded"]) == ("<b>good.png", None, True)
        expected = [(name, f"{100 * score:.1f} %") for name, score in said.probabilities.items()]
        assert [(name, score) for name, score, _ in read["labels"]] == expected
        for (_, _, length), score in zip(read["labels"], said.probabilities.values(), strict=True):
            assert length == pytest.approx(score, abs=0.02)
        assert read["captions"] == ["picture", "where it looked: class token"]
        assert page["right"] <= page["width"] == width
        assert {url for url in tab.asked if not url.startswith((server.address, "data:", "blob:"))} == set()
        assert [complaint for complaint in tab.complaints if "422" not in complaint] == []

    on_page(browser, server.address, tmp_path / "profile", then, width)


def test_it_asks_for_the_key_where_there_is_one(browser, run, photo, tmp_path, start):
    file = tmp_path / "a.png"
    file.write_bytes(photo())

    async def then(tab: Tab) -> None:
        page = await tab.see(lambda page: page["keyAsked"])
        assert "no valid API key" in page["about"]
        typed = f'document.getElementById("key").value = "{KEY}"; document.getElementById("use-key").click()'
        await tab.do("Runtime.evaluate", expression=typed)
        await tab.see(lambda page: page["title"] == "multiclass" and not page["keyAsked"])
        await tab.drop(file)
        page = await tab.see(lambda page: len(page["pictures"]) == 1)
        assert len(page["pictures"][0]["labels"]) == 4

    with start(run, DEIT_FINETUNE_API_KEY=KEY) as server:
        on_page(browser, server.address, tmp_path / "profile", then)
