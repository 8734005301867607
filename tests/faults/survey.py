"""The figures of docs/reliability.md: kills, deletions and flipped bits, through a whole run of everything.

    python tests/faults/survey.py FOLDER                  some minutes to an hour, by the number of cores
    python tests/faults/survey.py FOLDER --only flips

The folder gets a copy of the project and its results; a second call goes on with what is there.
"""

import argparse
import filecmp
import random
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parents[1]))

from damage import READERS, files_of, flip
from projects import Project, copy_project
from zootwins.storage.resume import Resume

CONFIGURATION = {
    "zoos": ["fmnist_mini_seed"],
    "max_models": 8,
    "models_per_shard": 8,
    "representations": {"name": "tiny", "zoos": ["fmnist_mini_seed"], "seeds": 1, "dimension": 16, "epochs": 2},
}
EXPORT = "results/exports/fmnist_mini_seed/vd.zip"
JOBS_BETWEEN = 3  # that are through before the next kill, at most; a run has some forty
LONGEST = 8.0  # seconds between that moment and the kill; a job takes about as long
WITHOUT = ("logs", "benchmarks", "resume")  # of the results, what no promise is made of
SOURCES = ("raw.zip", "source.json")  # archives are had again from where they came from


def finished_project(root: Path) -> tuple[Project, float]:
    """A project after a run of everything, and how many seconds that took."""
    project = Project(root)
    if not root.exists():
        copy_project(root)
        project.configure(**CONFIGURATION)
    started = time.monotonic()
    project.run("all")
    return project, time.monotonic() - started


def results_of(project: Project) -> dict[str, Path]:
    """The files that a run leaves, by their path under results."""
    folder = project.root / "results"
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path for name, path in files.items() if not name.startswith(WITHOUT) and path.name not in SOURCES}


def differing(project: Project, other: Project) -> list[str]:
    """Files that are not byte for byte the other's, or in one of the two alone."""
    ours, theirs = results_of(project), results_of(other)
    same = {name for name in ours.keys() & theirs.keys() if filecmp.cmp(ours[name], theirs[name], shallow=False)}
    return sorted((ours.keys() | theirs.keys()) - same)


def kills(project: Project, finished: Project, number: int) -> None:
    """Kill a run again and again, at random moments from its first job to its last; let it end, and compare."""
    draw, killed = random.Random(0), Counter()
    while killed.total() < number:
        with project.start("all") as snakemake:
            jobs = draw.randint(0, JOBS_BETWEEN)
            for line in snakemake.stdout:
                jobs -= line.startswith("Finished jobid")
                if jobs <= 0 and line.startswith(("Execute", "Finished jobid")):
                    break
            else:  # through before the last kill
                compare(project, finished)
                shutil.rmtree(project.root / "results")
                continue
            time.sleep(draw.uniform(0, LONGEST))
            killed[which := kill_some(psutil.Process(snakemake.pid), draw)] += 1
            if which == "a job":  # Snakemake waits for the others; orphans of a killed Snakemake go on beside the next
                snakemake.communicate()
        project.run("--unlock")
    started = time.monotonic()
    project.run("all")
    print(f"kills: {dict(killed)}, then to the end in {time.monotonic() - started:.0f} s")
    compare(project, finished)


def compare(project: Project, finished: Project) -> None:
    """Say what of a run that was killed is not as it should be."""
    print(f"kills: files that differ: {differing(project, finished)}")
    left = [str(path) for path in (project.root / "results").rglob("*.tmp")]
    print(f"kills: left over are {left} and {list((project.root / 'results/resume').glob('*'))}")


def kill_some(snakemake: psutil.Process, draw: random.Random) -> str:
    """Kill snakemake alone, one process of a job, or everything at once as a power cut does; which of the three."""
    jobs = snakemake.children(recursive=True)
    which = draw.choice(["snakemake", "a job", "everything"] if jobs else ["snakemake"])
    victims = {"snakemake": [snakemake], "everything": [snakemake, *jobs]}.get(which) or [draw.choice(jobs)]
    for victim in victims:
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            continue
    return which


def deletions(project: Project, finished: Project) -> None:
    """Delete every file of a finished run in turn, and run `all` again; say what ran, and whether the file is back."""
    plan = project.run("-n", "--forceall", "all").split("\nrule all:\n    input: ")[1].splitlines()[0].split(", ")
    files = results_of(project)
    unasked = sorted(f"results/{name}" for name in files if f"results/{name}" not in plan)
    print(f"deletions: of {len(files)} files, `all` does not ask for {unasked}")
    for name, file in files.items():
        file.unlink()
        started = time.monotonic()
        printed = project.run("all")
        ran = Counter(line.split()[-1][:-1] for line in printed.splitlines() if line.startswith("Finished jobid"))
        seconds = time.monotonic() - started
        back = file.is_file() and filecmp.cmp(file, finished.root / "results" / name, shallow=False)
        print(f"deletions: {name}: {'the same again' if back else 'NOT RESTORED'}; ran {dict(ran)} in {seconds:.0f} s")
    print(f"deletions: files that differ in the end: {differing(project, finished)}")


def flips(project: Project, number: int) -> None:
    """Flip bits in every kind of file, and have its reader read it."""
    results = project.root / "results"
    shard = files_of(results, "shard")[0]  # as large as the state of a run that makes it
    Resume(results / "resume/state.safetensors", "0").save(1, lambda: load_file(shard))
    for kind in READERS:
        if files := files_of(results, kind):
            size = sum(path.stat().st_size for path in files)
            print(f"flips: {kind}: {len(files)} files of {size} bytes: {dict(flip(files, kind, number))}")
        else:
            print(f"flips: {kind}: there is none")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=["kills", "deletions", "flips"])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--flips", type=int, default=200)
    arguments = parser.parse_args()
    finished, seconds = finished_project(arguments.folder.resolve() / "finished")
    print(f"all: {len(results_of(finished))} files in {seconds:.0f} s")

    def copy(name: str, *without: str) -> Project:
        ignored = shutil.ignore_patterns(*without)
        return Project(shutil.copytree(finished.root, finished.root.with_name(name), symlinks=True, ignore=ignored))

    if arguments.only in (None, "kills"):
        kills(copy("killed", "results", ".snakemake"), finished, arguments.kills)
    if arguments.only in (None, "deletions"):
        deletions(copy("deleted"), finished)
    if arguments.only in (None, "flips"):
        flipped = copy("flipped")
        flipped.run("representations", EXPORT)
        flips(flipped, arguments.flips)


if __name__ == "__main__":
    main()
