"""May today's numbers be used? What speaks against it, from what the run and its states say."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

from IPython.display import HTML

from credix.core.freshness import in_words
from credix.core.results import Monitoring
from credix.report.facts import LayerTest, SourceFacts

YES, CARE, NO = "Yes", "With care", "No"
# Okabe and Ito's green, orange and vermilion below a text in contrast; word and sign say the same.
LOOKS = {
    YES: ("#009E73", "#FFFFFF", "✔"),
    CARE: ("#E69F00", "#000000", "!"),
    NO: ("#D55E00", "#FFFFFF", "✘"),
}


@dataclass
class Verdict:
    """Why the numbers may not be used, what to keep in mind, and what is good to know."""

    against: list[str] = field(default_factory=list)
    care: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def answer(self) -> str:
        return NO if self.against else CARE if self.care else YES


def judge(
    *,
    business_date: str | None,
    today: str,
    has_rules_of_project: bool,
    sources: Iterable[SourceFacts],
    tests: Iterable[LayerTest],
    monitoring: Monitoring,
    quarantined: int,
) -> Verdict:
    """Return the verdict on gold as it is now, the same whichever job asks.

    `tests` are dbt's results of the run with layer, name and status: none in a run that builds
    nothing, whose gold has no business day unless its tests have passed. `has_rules_of_project` is
    False once models, macros, variables or seeds have changed since gold was built.
    """
    verdict = Verdict()
    if business_date is None:
        verdict.against.append(
            "The last build of gold did not end well: what it holds is not tested."
        )
    elif business_date != today:
        verdict.against.append(f"Gold is of {business_date}, and today is {today}.")
    if business_date is not None and not has_rules_of_project:
        verdict.against.append(
            "Gold was built by other rules than those of the dbt project: the next run builds it."
        )
    for source in sources:
        judge_source(verdict, source)
    failed = [test.node.name for test in tests if test.node.has_failed]
    warned = [test.node.name for test in tests if test.node.status == "warn"]
    if failed:
        verdict.against.append(f"Tests of dbt fail: {', '.join(failed)}.")
    if warned:
        verdict.notes.append(f"Tests of dbt warn: {', '.join(warned)}.")
    judge_monitors(verdict, monitoring)
    if quarantined:
        verdict.notes.append(f"Faults that keep rows out of gold: {quarantined:,}, listed below.")
    return verdict


def judge_source(verdict: Verdict, source: SourceFacts) -> None:
    name = source.name
    if source.age is None:
        verdict.against.append(f"Gold was never built from {name}.")
        return
    if source.age > source.late.seconds:
        allowed = in_words(source.late.seconds)
        verdict.care.append(
            f"{name} is in gold as of {in_words(source.age)} ago, which is late from {allowed} on: "
            f"{source.late.reason}."
        )
    if source.status == "failed":
        verdict.care.append(f"The last run of {name} failed.")
    verdict.against += [
        f"Rows of {name} differ between the steps: {difference}."
        for difference in source.differences
    ]
    if source.missed:
        verdict.care.append(f"{name} was not read without loss: {'; '.join(source.missed)}.")
    verdict.notes += [
        f"Bronze of {name} was repaired by one more attempt, and proven: {repair.fault}"
        for repair in source.repairs
    ]


def judge_monitors(verdict: Verdict, monitoring: Monitoring) -> None:
    if monitoring.status == "absent":
        verdict.notes.append(monitoring.reason)
    if monitoring.status == "failed":
        verdict.care.append(f"The tables are not watched: {monitoring.reason}")
    for one in monitoring.monitors:
        if one.has_failed:
            verdict.care.append(f"Elementary: {one.monitor} ({one.table}) does not hold.")
        elif one.status == "warn":
            verdict.notes.append(f"Elementary warns: {one.monitor} ({one.table}).")


def show_verdict(verdict: Verdict) -> HTML:
    """Return the answer in large letters, and every reason below it."""
    color, ink, sign = LOOKS[verdict.answer]
    lines = "".join(
        f"<li>{escape(reason)}</li>" for reason in [*verdict.against, *verdict.care, *verdict.notes]
    )
    return HTML(
        f'<p style="background-color: {color}; color: {ink}; font-size: 22px; font-weight: bold">'
        f"&nbsp;{sign} {verdict.answer}</p>"
        f"<ul>{lines or '<li>Nothing speaks against it.</li>'}</ul>"
    )
