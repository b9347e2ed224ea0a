"""A small Hub on this machine: as much of its protocol as downloading a checkpoint and uploading a folder take."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "a" * 40
WRITER, READER = "hf_writer", "hf_reader"
"""Tokens that this Hub knows: of ``me``, with the right to write, and without it."""


@contextmanager
def hub(folder: Path, private: set[str] | None = None, large_files: str = ".safetensors"):
    """Serve ``folder/owner/name/FILE``, and write there what is uploaded.

    Args:
        private: The names of private repositories; what is made as one is added. Only `WRITER` sees them.
        large_files: The suffix of files that are asked for by the protocol for large ones.
    Yields:
        (endpoint, list of the requests seen)
    """
    seen: list[str] = []
    hidden = set() if private is None else private
    large: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self.answer(with_body=False)

        def do_GET(self):
            self.answer(with_body=True)

        def answer(self, with_body):
            parts = self.asked()
            if parts[:2] == ["api", "models"]:
                return self.api(parts[2:], with_body)
            if len(parts) < 5 or parts[2] != "resolve":
                return self.refuse(404, "NotFound")
            return self.file("/".join(parts[:2]), parts[3], "/".join(parts[4:]), with_body)

        def asked(self):
            seen.append(f"{self.command} {self.path}")
            return self.path.split("?")[0].strip("/").split("/")

        def api(self, parts, with_body):
            name, rest = "/".join(parts[:2]), parts[2:]
            if name == "some/gated":
                return self.refuse(403, "GatedRepo")
            if not (folder / name).is_dir() or (name in hidden and self.token != WRITER):
                return self.refuse(401, "RepoNotFound")
            if rest[:1] == ["revision"] and rest[1] not in ("main", COMMIT):
                return self.refuse(404, "RevisionNotFound")
            files = sorted(
                path.relative_to(folder / name).as_posix() for path in (folder / name).rglob("*") if path.is_file()
            )
            if rest[:1] == ["tree"]:
                tree = [{"type": "file", "path": file, "size": 1, "oid": "0" * 40} for file in files]
                return self.send(200, json.dumps(tree).encode(), with_body)
            siblings = [{"rfilename": file} for file in files]
            about = {"id": name, "modelId": name, "sha": COMMIT, "tags": [], "private": name in hidden}
            return self.send(200, json.dumps({**about, "siblings": siblings}).encode(), with_body)

        def file(self, name, revision, file, with_body):
            path = folder / name / file
            if not path.is_file():
                return self.refuse(404, "EntryNotFound", {"X-Repo-Commit": COMMIT})
            body = path.read_bytes()
            etag = hashlib.sha256(body).hexdigest()
            return self.send(200, body, with_body, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

        # ------------------------------------------------------------ uploading

        def do_PUT(self):
            parts, body = self.asked(), self.body()
            assert parts == ["large", hashlib.sha256(body).hexdigest()]
            large[parts[1]] = body
            self.send(200, b"", with_body=False)

        def do_POST(self):
            parts, body = self.asked(), self.body()
            if self.token not in (WRITER, READER):
                said = "Invalid credentials in Authorization header"
                return self.send(401, b"{}", True, {"X-Error-Message": said})
            if self.token == READER:
                return self.send(403, b"{}", True, {"X-Error-Message": "You don't have the rights to do that"})
            if parts == ["api", "repos", "create"]:
                return self.create(json.loads(body))
            if parts == ["api", "validate-yaml"]:
                return self.validate(json.loads(body)["content"])
            if parts[4:] == ["preupload", "main"]:
                return self.reply({"files": [self.way(file["path"]) for file in json.loads(body)["files"]]})
            if parts[2:] == ["info", "lfs", "objects", "batch"]:
                return self.reply({"objects": [self.place(entry) for entry in json.loads(body)["objects"]]})
            if parts[4:] == ["commit", "main"]:
                return self.commit("/".join(parts[2:4]), [json.loads(line) for line in body.splitlines()])
            return self.refuse(404, "NotFound")

        def create(self, wish):
            name = f"{wish['organization']}/{wish['name']}"
            if (folder / name).exists():
                return self.reply({"url": f"{self.endpoint}/{name}"}, 409)
            (folder / name).mkdir(parents=True)
            if wish.get("visibility") == "private" or wish.get("private"):
                hidden.add(name)
            return self.reply({"url": f"{self.endpoint}/{name}"})

        def validate(self, card):
            wrong = re.search(r"^license: (?!apache-2.0|mit|other)", card, re.MULTILINE)
            errors = [{"message": '"license" must be one of a list'}] if wrong else []
            return self.reply({"errors": errors, "warnings": []}, 400 if errors else 200)

        def way(self, path):
            return {
                "path": path,
                "uploadMode": "lfs" if path.endswith(large_files) else "regular",
                "shouldIgnore": False,
            }

        def place(self, entry):
            return {**entry, "actions": {"upload": {"href": f"{self.endpoint}/large/{entry['oid']}"}}}

        def commit(self, name, lines):
            for line in lines:
                what, value = line["key"], line["value"]
                if what == "header":
                    continue
                path = folder / name / value["path"]
                if what == "deletedFile":
                    path.unlink()
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(base64.b64decode(value["content"]) if what == "file" else large[value["oid"]])
            self.reply({"commitUrl": f"{self.endpoint}/{name}/commit/{COMMIT}", "commitOid": COMMIT})

        @property
        def token(self):
            return self.headers.get("Authorization", "").removeprefix("Bearer ")

        @property
        def endpoint(self):
            return f"http://{self.headers['Host']}"

        def body(self):
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        # ------------------------------------------------------------ answering

        def reply(self, value, status=200):
            self.send(status, json.dumps(value).encode(), with_body=True)

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
