"""Labels of BigQuery's jobs: which attempt of which run, in which deployment, has sent one."""

import json
import re
from dataclasses import asdict, dataclass

from credix.core.settings import Settings

# BigQuery's rules for the value of a label.
LONGEST = 63
NOT_ALLOWED = re.compile(r"[^a-z0-9_-]")
NAMESPACE = "credix_"


@dataclass(frozen=True)
class JobLabels:
    """What the jobs of one process have in common. `source` is `gold` for silver and gold."""

    env: str
    prefix: str
    run: str
    source: str
    attempt: int

    def at(self, step: str) -> dict[str, str]:
        """Return the labels of a job that makes this side effect."""
        named = {**asdict(self), "step": step}
        return {f"{NAMESPACE}{name}": label_value(str(value)) for name, value in named.items()}

    def as_json(self, step: str) -> str:
        """Return them as dbt takes them (dbt/business_case/macros/job_labels.sql)."""
        return json.dumps(self.at(step))


def label_value(text: str) -> str:
    """Return a text as BigQuery lets it be the value of a label."""
    return NOT_ALLOWED.sub("_", text.lower())[:LONGEST]


def is_of_earlier_attempt(
    labels: dict[str, str], settings: Settings, source: str, attempt: int
) -> bool:
    """Return whether a job was sent by an earlier attempt at this source, or at gold."""
    own = JobLabels(settings.env, settings.prefix, "", source, attempt).at("")
    same = ("env", "prefix", "source")
    number = labels.get(f"{NAMESPACE}attempt", "")
    return (
        all(labels.get(f"{NAMESPACE}{name}") == own[f"{NAMESPACE}{name}"] for name in same)
        and number.isdecimal()
        and int(number) < attempt
    )
