"""Jobs of the local BigQuery that a test holds while others run."""

import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Holds:
    """The routes that a local server with `--holds` has for tests."""

    endpoint: str

    def next(self, moment: str = "snapshot", times: int = 1, **labels: str) -> None:
        """Hold the next job with these labels that changes rows."""
        self._ask("POST", "", {"labels": labels, "moment": moment, "times": times})

    def under_way(self) -> dict[str, str]:
        """Jobs that are not done, with their states."""
        return {job["job"]: job["state"] for job in self._jobs()}

    def claims(self) -> list[str]:
        """Transactions that are about to commit."""
        return [job["job"] for job in self._jobs() if job["moment"] == "commit"]

    def await_held(self) -> str:
        """The id of the job that is held, as soon as one is."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            found = [job for job, state in self.under_way().items() if state == "HELD"]
            if found:
                return found[-1]
            time.sleep(0.02)
        raise TimeoutError("No job was held.")

    def release(self, job: str) -> str:
        """Let a job go on; its state when it is done, or held again."""
        answer = self._ask("POST", f"/{job}/release")
        assert isinstance(answer, dict)
        return str(answer["state"])

    def forget(self) -> None:
        """Hold no job that is still to come."""
        self._ask("DELETE", "/next")

    def clear(self) -> None:
        """Cancel every job that is held, and hold no more."""
        self._ask("DELETE", "")

    def _jobs(self) -> list[dict[str, Any]]:
        answer = self._ask("GET", "")
        assert isinstance(answer, list)
        return answer

    def _ask(self, method: str, path: str, body: object = None) -> list[Any] | dict[str, Any]:
        data = json.dumps(body).encode() if body is not None else None
        request = Request(f"{self.endpoint}/holds{path}", data, method=method)
        with urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            found: list[Any] | dict[str, Any] = json.load(answer)
            return found
