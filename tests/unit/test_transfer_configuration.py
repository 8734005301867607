"""What a configuration says of transfer: which twins, which tasks, and what a wrong one looks like."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from zootwins.catalogue.candidates import Candidate, candidates
from zootwins.catalogue.entries import Run, load_run
from zootwins.catalogue.experiments import get_experiment
from zootwins.run.errors import InputError

ROOT = Path(__file__).parents[2]
TRANSFER = get_experiment("transfer")
ZOO = "fmnist_mini_seed"
LINEAR = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["transfer"]["linear"]


def run_with(**transfer) -> Run:
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    update_config(config, {"catalogue": str(ROOT / "config/zoos.yaml")})
    config["transfer"] |= transfer
    return load_run(config, ROOT)


def who(run: Run, mode: str) -> list[tuple[str, float]]:
    chosen = candidates(TRANSFER.points(run, ZOO), run.config.transfer, mode)
    assert [Candidate.of(candidate.plain()) for candidate in chosen] == chosen
    return [(candidate.method, candidate.value) for candidate in chosen]


def test_the_control_is_always_there_and_other_methods_take_their_usual_point():
    run = run_with(points={"mp": [80, 50]}, random=[80], scratch=[0, 50], untrained=True)
    twins = [("original", 0), ("mp", 0), ("mp", 50), ("mp", 80), ("vd", 25), ("mp_random", 80)]
    assert who(run, "linear") == [*twins, ("untrained", 0)]
    assert who(run, "full") == [*twins, ("mp_scratch", 0), ("mp_scratch", 50)]


def test_the_configuration_of_the_docs_can_be_run():
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    update_config(config, yaml.safe_load((ROOT / "config/transfer.yaml").read_text(encoding="utf-8")))
    run = load_run(config, ROOT)
    for zoo in run.zoos:
        assert [point.value for point in TRANSFER.points(run, zoo)["mp"]] == [0, 50, 80, 90]
        assert len(TRANSFER.tasks(run, zoo)) == 1


def test_all_methods_of_a_zoo_are_transferred_where_none_is_named():
    run = run_with(methods=None)
    assert set(TRANSFER.points(run, ZOO)) == set(run.catalogue[ZOO].methods) > {"mp", "vd", "gmp", "l0"}


def test_a_zoos_own_data_is_no_task_but_its_variants_are():
    tasks = ("digits", "fashion_mnist_mini", f"zoo:{ZOO}", "zoo:fmnist_mini_random", f"zoo:{ZOO}:rotated", "mnist")
    assert TRANSFER.tasks(run_with(tasks=tasks), ZOO) == ["digits", f"zoo:{ZOO}:rotated", "mnist"]


def test_archives_that_bring_their_own_data_are_tasks_for_each_other():
    run = run_with(tasks=[f"zoo:{ZOO}", "zoo:fmnist_mini_random"])
    for zoo in (ZOO, "fmnist_mini_random"):
        run.catalogue[zoo] = replace(run.catalogue[zoo], dataset="archive")
    assert TRANSFER.tasks(run, ZOO) == ["zoo:fmnist_mini_random"]


@pytest.mark.parametrize(
    ("transfer", "message"),
    [
        (
            {"points": {"mp": [55]}},
            r"transfer\.points\.mp: 55 is not among what fmnist_mini_seed is run at \(0, 10",
        ),
        ({"points": {"vd": [26]}}, r"transfer\.points\.vd: 26 is not among"),
        ({"random": [70]}, r"transfer\.random: 70 is not in transfer\.points\.mp; add it there"),
        ({"scratch": [70]}, r"transfer\.scratch: 70 is not in"),
        ({"methods": ["vd"]}, r"transfer\.points\.mp: mp is not in transfer\.methods; add it there, or set"),
        (
            {"methods": ["vd"], "points": {"mp": []}, "scratch": []},
            r"transfer\.random: takes its counts and masks from mp, .* add mp to .* set random to \[\]",
        ),
        ({"methods": ["vd"], "points": {"mp": []}, "random": []}, r"transfer\.scratch: takes its counts and masks"),
    ],
)
def test_points_that_are_not_run_are_named(transfer, message):
    with pytest.raises(InputError, match=message):
        TRANSFER.points(run_with(**transfer), ZOO)


def test_other_methods_are_transferred_alone_where_nothing_else_is_asked_for():
    run = run_with(methods=["vd"], points={"mp": []}, random=[], scratch=[], untrained=False)
    assert who(run, "full") == [("original", 0), ("vd", 25)]


def test_published_twins_have_no_untrained_networks():
    run = run_with(methods=["vd"], points={"mp": []}, random=[], scratch=[])
    with pytest.raises(InputError, match=r"transfer\.untrained: .* mnist_s_seed_authors, .* set it to false"):
        TRANSFER.points(run, "mnist_s_seed_authors")


@pytest.mark.parametrize(
    ("linear", "message"),
    [
        (
            {"layers": ["conv3"], "exact": []},
            r"layers: figures and claims take what the old head sees; add last",
        ),
        ({"layers": ["fc1"], "exact": ["conv3"]}, r"transfer\.linear: exact: conv3 is not in layers; add it there"),
    ],
)
def test_layers_that_are_classified_suffice_for_what_is_asked(linear, message):
    with pytest.raises(InputError, match=message):
        run_with(linear=LINEAR | linear)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([], "transfer.tasks: none for fmnist_mini_seed"),
        (["fashion_mnist_mini"], "transfer.tasks: none for fmnist_mini_seed"),
        (["digit"], "'digit': there is no such data set or zoo"),
        (["zoo:digits"], "'zoo:digits': there is no such data set or zoo"),
    ],
)
def test_tasks_that_cannot_be_are_named(tasks, message):
    with pytest.raises(InputError, match=message):
        TRANSFER.tasks(run_with(tasks=tasks), ZOO)


def test_a_task_that_is_misspelled_is_refused_at_once():
    with pytest.raises(InputError, match=r"transfer\.tasks"):
        run_with(tasks=["digits:mirrored"])
