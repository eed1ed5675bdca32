"""`make bench`: measures, keeps the results, and writes docs/reference/benchmarks.md from them."""

import argparse

from bench.extraction import PEERS, measure_extraction
from bench.report import keep, write_report
from bench.runs import measure_first_load, measure_runs
from bench.stage import Stage


def main() -> None:
    """One part or all of them; sizes and numbers as options."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("part", nargs="?", default="all", help="extraction, runs, growth, report")
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--growth", default="300000,1000000,3000000")
    parser.add_argument("--without-peers", action="store_true")
    arguments = parser.parse_args()
    if arguments.part in ("all", "extraction"):
        stage = filled(arguments.rows)
        peers = () if arguments.without_peers else PEERS
        keep("extraction", arguments.rows, measure_extraction(stage, arguments.pairs, peers))
    if arguments.part in ("all", "runs"):
        stage = filled(arguments.rows)
        keep("runs", arguments.rows, measure_runs(stage, arguments.pairs))
    if arguments.part in ("all", "growth"):
        for rows in map(int, arguments.growth.split(",")):
            stage = filled(rows)
            pairs = arguments.pairs if rows <= arguments.rows else 1
            keep("growth of extraction", rows, measure_extraction(stage, pairs, ()))
            loads = [measure_first_load(stage, number) for number in range(min(2, pairs))]
            keep("growth of first loads", rows, {"first load": loads})
    write_report()


def filled(rows: int) -> Stage:
    stage = Stage(rows)
    stage.fill()
    return stage


if __name__ == "__main__":
    main()
