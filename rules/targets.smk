# Check, once all rules are known, that each target can be made.
from difflib import get_close_matches
from os.path import normpath
from sys import argv

from snakemake.cli import get_argument_parser

from zootwins.catalogue.messages import FORMER_NAMES, too_long, unknown_target


def makes(target):
    return target in RULE_NAMES or any(rule.is_producer(normpath(target)) for rule in workflow.rules)


def check_targets(words):
    """Refuse targets that no rule makes, with those that may be meant.

    Args:
        words: the command line, which is taken apart only where one of them may be such a target.
    """
    doubtful = [
        word
        for word in words
        if normpath(word).startswith("results/") or word in FORMER_NAMES or get_close_matches(word, RULE_NAMES)
    ]
    if all(not too_long(word) and (makes(word) or Path(word).exists()) for word in doubtful):
        return
    files = [*FILES.tables(experiments()), *FILES.figures(experiments())]
    for target in set(doubtful) & set(get_argument_parser().parse_known_args(words)[0].targets):
        if reason := too_long(target):
            refuse(reason)
        if not makes(target):
            refuse(unknown_target(target, [*RULE_NAMES, *files], RUN.catalogue))


RULE_NAMES = [rule.name for rule in workflow.rules]
# As a module, the workflow is not all there is: other rules may make a target.
if Path(workflow.main_snakefile).resolve() in {ROOT.resolve() / "Snakefile", ROOT.resolve() / "workflow/Snakefile"}:
    if Path(argv[0]).name in {"snakemake", "__main__.py"}:
        check_targets(argv[1:])
