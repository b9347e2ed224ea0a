"""A small Hub on this machine: as much of its protocol as downloading a checkpoint takes."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "a" * 40


@contextmanager
def hub(folder: Path):
    """Serve ``folder/owner/name/FILE``; yields (endpoint, list of the requests seen)."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self.answer(with_body=False)

        def do_GET(self):
            self.answer(with_body=True)

        def answer(self, with_body):
            seen.append(f"{self.command} {self.path}")
            parts = self.path.split("?")[0].strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                return self.api(parts[2:], with_body)
            if len(parts) < 5 or parts[2] != "resolve":
                return self.refuse(404, "NotFound")
            return self.file("/".join(parts[:2]), parts[3], "/".join(parts[4:]), with_body)

        def api(self, parts, with_body):
            name, rest = "/".join(parts[:2]), parts[2:]
            if name == "some/gated":
                return self.refuse(403, "GatedRepo")
            if not (folder / name).is_dir():
                return self.refuse(401, "RepoNotFound")
            if rest[:1] == ["revision"] and rest[1] not in ("main", COMMIT):
                return self.refuse(404, "RevisionNotFound")
            files = sorted(path.name for path in (folder / name).iterdir())
            if rest[:1] == ["tree"]:
                tree = [{"type": "file", "path": file, "size": 1, "oid": "0" * 40} for file in files]
                return self.send(200, json.dumps(tree).encode(), with_body)
            siblings = [{"rfilename": file} for file in files]
            body = {"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings, "tags": [], "private": False}
            return self.send(200, json.dumps(body).encode(), with_body)

        def file(self, name, revision, file, with_body):
            path = folder / name / file
            if not path.is_file():
                return self.refuse(404, "EntryNotFound", {"X-Repo-Commit": COMMIT})
            body = path.read_bytes()
            etag = hashlib.sha256(body).hexdigest()
            return self.send(200, body, with_body, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

        def refuse(self, status, code, headers=None):
            said = {"X-Error-Code": code, "X-Error-Message": code, **(headers or {})}
            self.send(status, b"{}", with_body=self.command == "GET", headers=said)

        def send(self, status, body, with_body, headers=None):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
