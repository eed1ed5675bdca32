"""The picture of a run in `how-a-run-works.md`: jobs, notebooks, cells, side effects."""

import ast
import json
from itertools import pairwise
from pathlib import Path

from credix.core.jobs import GOLD_STEP, NOTEBOOKS, REPORT_STEP, SOURCE_STEPS, all_jobs
from docs.generator.effects import effects_in, effects_of
from docs.generator.markdown import code, table

BEFORE, AFTER = ("locks",), ("archive", "history.publish", "notify.alerts")
STEPS = tuple(dict.fromkeys((*SOURCE_STEPS, REPORT_STEP)))


def run_part() -> str:
    return "\n\n".join([jobs_table(), f"```mermaid\n{diagram()}\n```", notebooks_table()])


def jobs_table() -> str:
    rows = [
        [
            code(job.name),
            ", ".join(job.sources) or "none",
            " → ".join(map(code, job.notebooks)),
            code(job.cron) if job.cron else "when asked",
        ]
        for job in all_jobs().values()
    ]
    return table(["job", "sources", "notebooks", "scheduled (cron)"], rows)


def diagram() -> str:
    """A flow chart of the job that does everything, in mermaid's words."""
    first, last = SOURCE_STEPS[0], SOURCE_STEPS[-1]
    edges = [
        f"    {short(step)} --> {short(following)}" for step, following in pairwise(SOURCE_STEPS)
    ]
    return "\n".join(
        [
            "flowchart TB",
            box("before", "the run begins", effects_in(*BEFORE)),
            '  subgraph source ["each source of the job, one after the other"]',
            *(f"  {box(short(step), title_of(step), own_effects(step))}" for step in SOURCE_STEPS),
            *edges,
            "  end",
            box("gold", f"{title_of(GOLD_STEP)}<br/>silver and gold, for all sources", gold()),
            box(short(REPORT_STEP), title_of(REPORT_STEP), own_effects(REPORT_STEP)),
            box("after", "the run ends", effects_in(*AFTER)),
            f"  before --> {short(first)}",
            f"  {short(last)} --> gold",
            f"  gold --> {short(REPORT_STEP)}",
            f"  {short(REPORT_STEP)} --> after",
            f'  {short(first)} -. "nothing changed, gold is current" .-> after',
        ]
    )


def box(name: str, title: str, effects: list[str]) -> str:
    lines = "<br/>".join([f"<b>{title}</b>", *effects])
    return f'  {name}["{lines}"]'


def short(step: str) -> str:
    return f"n{step[:2]}"


def own_effects(step: str) -> list[str]:
    """The effects of a notebook in a run that goes well; those of gold stand in gold's own box.

    What a notebook opened by hand does about its lease, the run does around all notebooks.
    """
    elsewhere = {
        "01_extract": effects_of(["credix.state.run.open_own_run"]),
        GOLD_STEP: [*repair(), *gold()],
    }
    left_out = [*elsewhere.get(step, []), *effects_of(["credix.state.run.lease_of"])]
    return [name for name in in_order_of_cells(step) if name not in left_out]


def in_order_of_cells(step: str) -> list[str]:
    found = [effect for call in calls_of(step) for effect in effects_of([call])]
    return list(dict.fromkeys(found))


def repair() -> list[str]:
    """What 04 does besides where the proof fails: one more cycle."""
    found = effects_of(["credix.warehouse.bronze.repair"])
    return [effect for effect in found if effect != "bronze.merge"]


def gold() -> list[str]:
    return [
        effect for effect in in_order_of_cells(GOLD_STEP) if effect.startswith(("gold.", "layer."))
    ]


def notebooks_table() -> str:
    rows = [
        [
            f"[{step}](../../notebooks/{step}.ipynb)",
            "; ".join(headings_of(step)),
            ", ".join(map(code, effects_of(calls_of(step)))),
        ]
        for step in STEPS
    ]
    return table(["notebook", "its parts", "side effects it may have"], rows)


def title_of(step: str) -> str:
    return headings(step, "# ")[0].partition(":")[0]


def headings_of(step: str) -> list[str]:
    return headings(step, "## ")


def headings(step: str, mark: str) -> list[str]:
    return [
        line.removeprefix(mark)
        for kind, source in cells(step)
        for line in source.splitlines()
        if kind == "markdown" and line.startswith(mark)
    ]


def calls_of(step: str) -> list[str]:
    """The functions of the package that the cells of a notebook call, in their order."""
    code_cells = "\n".join(source for kind, source in cells(step) if kind == "code")
    tree = ast.parse(code_cells)
    modules = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    found = {
        (node.lineno, node.col_offset): f"{modules[node.value.id]}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in modules
    }
    return [found[place] for place in sorted(found)]


def cells(step: str) -> list[tuple[str, str]]:
    path: Path = NOTEBOOKS / f"{step}.ipynb"
    content = json.loads(path.read_text("utf-8"))
    return [(cell["cell_type"], "".join(cell["source"])) for cell in content["cells"]]
