"""A YAML language server over stdio, as an editor speaks to it (Language Server Protocol 3.17)."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

HOW_TO_GET_IT = "npm install yaml-language-server, then name node_modules/.bin/yaml-language-server"


def find() -> str | None:
    """The server: as YAML_LANGUAGE_SERVER names it, or on the path; None where there is none."""
    return shutil.which(os.environ.get("YAML_LANGUAGE_SERVER", "yaml-language-server"))


class LanguageServer:
    """One server that checks everything it is shown against one schema."""

    def __init__(self, program: str, schema: Path, *, timeout: float = 60.0) -> None:
        self.timeout = timeout
        self._settings = {
            "yaml": {
                "schemas": {schema.resolve().as_uri(): ["*.yaml"]},
                "schemaStore": {"enable": False},
                "validate": True,
                "hover": True,
                "completion": True,
            }
        }
        self._diagnostics: dict[str, list[dict[str, Any]]] = {}
        self._answers: dict[int, Any] = {}
        self._last = self._shown = 0
        self._unread = b""
        self._process = subprocess.Popen(
            [program, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> LanguageServer:
        capabilities = {
            "workspace": {"configuration": True},
            "textDocument": {
                "completion": {
                    "completionItem": {"documentationFormat": ["markdown"], "snippetSupport": True}
                },
                "hover": {"contentFormat": ["markdown"]},
                "publishDiagnostics": {},
            },
        }
        self.ask("initialize", {"processId": os.getpid(), "rootUri": None, "capabilities": capabilities})
        self._send({"method": "initialized", "params": {}})
        self._send({"method": "workspace/didChangeConfiguration", "params": {"settings": self._settings}})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.ask("shutdown", None)
            self._send({"method": "exit"})
        else:
            self._process.kill()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(self.timeout)
        self._process.stdout.close()

    def diagnostics(self, name: str, text: str) -> list[dict[str, Any]]:
        """Show a text; return what the server finds wrong with it."""
        uri = self.show(name, text)
        self._until(lambda: uri in self._diagnostics, f"diagnostics of {name}")
        return self._diagnostics[uri]

    def show(self, name: str, text: str) -> str:
        """Open a text, each as a file of its own; returns its URI."""
        self._shown += 1
        uri = f"file:///workspace/{self._shown}/{name}"
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        return uri

    def completions(self, name: str, text: str) -> list[dict[str, Any]]:
        """What the server offers at the `|` of a text."""
        uri, position = self._at_mark(name, text)
        found = self.ask("textDocument/completion", {"textDocument": {"uri": uri}, "position": position})
        items: list[dict[str, Any]] = found["items"] if isinstance(found, dict) else found or []
        return items

    def hover(self, name: str, text: str) -> str:
        """What the server says about the word at the `|` of a text."""
        uri, position = self._at_mark(name, text)
        found = self.ask("textDocument/hover", {"textDocument": {"uri": uri}, "position": position})
        return str(found["contents"]["value"]) if found else ""

    def _at_mark(self, name: str, text: str) -> tuple[str, dict[str, int]]:
        before, _, after = text.partition("|")
        uri = self.show(name, before + after)
        self._until(lambda: uri in self._diagnostics, f"diagnostics of {name}")
        return uri, {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}

    # Messages

    def ask(self, method: str, params: Any) -> Any:
        """The server's answer to a request."""
        self._last += 1
        number = self._last
        self._send({"id": number, "method": method, "params": params})
        self._until(lambda: number in self._answers, method)
        return self._answers.pop(number)

    def _until(self, done: Any, what: str) -> None:
        deadline = time.monotonic() + self.timeout
        while not done():
            message = self._read(deadline)
            if message is None:
                raise TimeoutError(f"no {what} within {self.timeout} s")
            self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        method = message.get("method")
        if method == "textDocument/publishDiagnostics":
            self._diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif method == "workspace/configuration":
            wanted = [self._settings.get(item.get("section"), {}) for item in message["params"]["items"]]
            self._send({"id": message["id"], "result": wanted})
        elif method is not None and "id" in message:
            self._send({"id": message["id"], "result": None})
        elif "error" in message:
            raise RuntimeError(message["error"]["message"])
        elif "id" in message:
            self._answers[message["id"]] = message.get("result")

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _read(self, deadline: float) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        while True:
            head, found, rest = self._unread.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]) if found else 0
            if found and len(rest) >= length:
                self._unread = rest[length:]
                message: dict[str, Any] = json.loads(rest[:length])
                return message
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return None
            chunk = os.read(self._process.stdout.fileno(), 1 << 16)
            if not chunk:
                raise RuntimeError("the language server ended")
            self._unread += chunk
