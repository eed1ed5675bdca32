"""The WebAssembly module of GoogleSQL: compiled once into a file, then started in 0.1 s.

Of the wheel `zetasql` only the module and its protobuf messages are used: its own Python layer
compiles the module at each start (20 s of CPU) and copies messages byte by byte.
"""

import ctypes
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import tzdata
from filelock import FileLock
from google.protobuf.message import Message
from wasmtime import Config, Linker, Module, Store, Trap, WasiConfig, WasmtimeError
from wasmtime import Engine as Compiler
from zetasql.wasi import get_wasm_path

from credix.core.disk import replacing
from credix_local.bigquery.googlesql.installation import module_file

# The most that wasmtime accepts: enough for a sum of some 800 terms.
STACK_BYTES = 2 << 20
FAULT = re.compile(r"^Code: (?P<code>\d+), Message: (?P<message>.*)$", re.DOTALL)
# A mistake in the statement. Other codes are faults of the module itself (google.rpc.Code).
INVALID_ARGUMENT, NOT_FOUND, OUT_OF_RANGE = 3, 5, 11
STATEMENT_CODES = {INVALID_ARGUMENT, NOT_FOUND, OUT_OF_RANGE}


class StatementRefusedError(Exception):
    """What GoogleSQL says against a statement; the message ends with its place as `[at 7:13]`."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class EngineError(Exception):
    """The module reached a limit of its own and was started again: it says nothing."""


class Engine:
    """One instance of the module. Calls must not overlap."""

    def __init__(self) -> None:
        config = Config()
        config.shared_memory = True
        config.max_wasm_stack = STACK_BYTES
        self._compiler = Compiler(config)
        self._module = self._load()
        self.generation = 0
        self._start()

    def call(self, method: str, request: Message) -> bytes:
        """Call a method of the module's service; the serialized answer.

        Raises StatementRefusedError when the statement is wrong, EngineError when the module fails.
        """
        data = request.SerializeToString()
        try:
            return self._call(method, data)
        except (Trap, WasmtimeError) as error:
            self._start()
            raise EngineError(f"{type(error).__name__}: {str(error).splitlines()[0]}") from None

    def _call(self, method: str, data: bytes) -> bytes:
        store, exports = self._store, self._exports
        sent = exports["wasm_malloc"](store, max(len(data), 1))
        size_of_answer = exports["wasm_malloc"](store, 4)
        ctypes.memmove(self._address(sent), data, len(data))
        answer = exports[f"ZetaSqlLocalService_{method}"](store, sent, len(data), size_of_answer)
        if answer == 0:
            size = exports["wasm_get_last_error_size"](store)
            text = self._read(exports["wasm_get_last_error"](store), size).decode(
                "utf-8", "replace"
            )
            self._free(sent, size_of_answer)
            raise fault_of(text)
        size = int.from_bytes(self._read(size_of_answer, 4), "little")
        content = self._read(answer, size)
        self._free(sent, size_of_answer, answer)
        return content

    def _start(self) -> None:
        """Start an instance; what was registered with an earlier one is gone."""
        self._store = Store(self._compiler)
        wasi = WasiConfig()
        zones = Path(tzdata.__file__).parent / "zoneinfo"
        wasi.preopen_dir(str(zones), "/usr/share/zoneinfo")
        self._store.set_wasi(wasi)
        linker = Linker(self._compiler)
        linker.define_wasi()
        # What a module exports is known only when it runs.
        exports: Any = linker.instantiate(self._store, self._module).exports(self._store)
        self._exports, self._memory = exports, exports["memory"]
        self._exports["_initialize"](self._store)
        self.generation += 1

    def _load(self) -> Module:
        """Return the compiled module.

        Of the file, or compiled into it where the file does not fit.
        """
        file = module_file()
        with suppress(WasmtimeError):
            if file.exists():
                return Module.deserialize_file(self._compiler, str(file))
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock"):
            with suppress(WasmtimeError):
                if file.exists():
                    return Module.deserialize_file(self._compiler, str(file))
            module = Module.from_file(self._compiler, str(get_wasm_path()))
            with replacing(file) as beside:
                beside.write_bytes(module.serialize())
                # Another user may run the server, as in an image.
                beside.chmod(0o644)
            return module

    def _read(self, place: int, size: int) -> bytes:
        return ctypes.string_at(self._address(place), size)

    def _address(self, place: int) -> int:
        return ctypes.addressof(self._memory.data_ptr().contents) + (place & 0xFFFFFFFF)

    def _free(self, *places: int) -> None:
        for place in places:
            self._exports["wasm_free"](self._store, place)


def fault_of(text: str) -> Exception:
    """Return the exception for an error text of the module."""
    found = FAULT.match(text)
    if found and int(found["code"]) in STATEMENT_CODES:
        return StatementRefusedError(found["message"])
    return EngineError(text)
