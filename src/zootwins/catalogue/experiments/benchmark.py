"""The benchmark on published zoos: baselines on tasks with frozen splits."""

from __future__ import annotations

from zootwins.catalogue.experiments.base import Experiment, Table


class BenchmarkExperiment(Experiment):
    """Baselines of the benchmark on the configured zoos, each published first."""

    id = "benchmark"
    title = "a leaderboard of baselines on published zoos"
    page = "published.md"
    long_tables = ("benchmark",)
    tables = (
        Table(
            name="leaderboard",
            module="zootwins.benchmark.leaderboard",
            maker="leaderboard_table",
            arranger="arrange_leaderboard",
            sources=("benchmark",),
            title="Baselines on the tasks of the benchmark",
            note=(
                "Scores on test originals: of the frozen split, and mean over splits with its 95 % interval "
                "(Student's t; wider, since splits share originals: Nadeau and Bengio 2003). Ceiling: the largest "
                "Kendall's tau-b of predictions without ties; one that ties where the targets do can pass it."
            ),
            label="benchmark: baselines",
        ),
    )
