"""What a package manager of this kind was measured to get wrong, and the tests that would catch it
here: the table is kept true by this test, which looks for each of them by its name."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parent
FAULTS: dict[str, tuple[str, ...]] = {
    "two adds of one id at once leave a package with files missing, and success is said": (
        "store/test_concurrency.py::test_many_adds_of_one_id",
        "store/test_concurrency.py::test_adds_removes_and_readers_at_once",
    ),
    "of two activations at once one fails at random; remove looks first and deletes later": (
        "activation/test_concurrency.py::test_activations_at_once_come_one_after_the_other",
        "activation/test_concurrency.py::test_removes_collections_and_activations_at_once",
        "activation/test_storm.py::test_storm",
    ),
    "an add that is killed leaves an orphan at work and a temporary tree that is a package": (
        "store/test_kills.py::test_killed_at_every_call",
        "store/test_store.py::test_a_dead_writers_directory_is_swept",
        "activation/test_storm.py::test_storm",
    ),
    "a remove that is killed leaves half a package, still listed": (
        "store/test_kills.py::test_killed_at_every_call",
        "activation/test_kills.py::test_killed_at_every_call",
        "activation/test_kills.py::test_told_to_stop_at_every_call",
    ),
    "one path in two packages ends in a raw 'File exists' after staging has begun": (
        "activation/test_activation.py::test_two_packages_with_one_path",
    ),
    "a directory that meets another package's link is followed into that package": (
        "activation/test_activation.py::test_two_packages_with_one_path",
        "activation/test_activation.py::test_packages_are_never_written_into",
    ),
    "a bin or etc that is a link out of the package publishes what is there": (
        "activation/test_activation.py::test_what_no_set_may_hold",
        "host/test_systemd_units.py::test_a_units_directory_that_is_a_link_is_refused",
    ),
    "values in the environment file are run by shells; newlines add variables": (
        "generations/test_environment_files.py::test_a_shell_reads_what_the_packages_said",
        "generations/test_environment_files.py::test_systemd_reads_what_the_packages_said",
        "activation/test_activation.py::test_environment_files_hold_values_and_run_nothing",
    ),
    "setuid bits, devices, fifos and owners are unpacked; nothing is limited": (
        "store/test_hostile_archives.py::test_refused",
        "store/test_hostile_archives.py::test_a_compression_bomb_is_refused",
        "store/test_hostile_archives.py::test_a_million_members_are_refused",
        "store/test_store.py::test_the_tree_is_the_archives_and_nothing_more",
    ),
    "nothing is hashed or signed: another package under the id is taken": (
        "store/test_store.py::test_promises_about_the_archive",
        "store/test_store.py::test_verify_finds_any_change",
        "repositories/test_download.py::test_a_wrong_hash",
        "repositories/test_trust.py::test_a_tampered_index",
    ),
    "add does not look at what a package says of itself; an id with other content is a success": (
        "store/test_store.py::test_pkginfo_of_the_wrong_type",
        "store/test_store.py::test_other_content_is_a_conflict",
    ),
    "an empty list of units is given to systemctl, and every later activation fails": (
        "host/test_systemd_units.py::test_an_empty_list_of_units_is_never_passed_to_systemctl",
    ),
    "an activation that failed may be applied at a later boot": (
        "host/test_boot.py::test_a_set_that_is_refused",
        "host/test_boot.py::test_a_host_that_can_not_be_prepared",
        "host/test_boot.py::test_a_unit_that_does_not_start",
        "host/test_boot.py::test_an_activation_that_is_cut_off",
    ),
    "every swap stops, links and starts all there is; no plan, no gate, no way back": (
        "host/test_host_commands.py::test_a_swap_restarts_only_what_changed_whatever_else_there_is",
        "host/test_host_commands.py::test_a_failed_start_rolls_back_when_asked",
        "activation/test_activation.py::test_swap_changes_what_only_one_version_has",
        "activation/test_activation.py::test_plan_tells_what_activate_then_does",
        "activation/test_activation.py::test_rollback_goes_back_step_by_step_and_to_any_number",
    ),
    "while the set is switched readers find nothing, or a mixture": (
        "activation/test_concurrency.py::test_readers_never_see_a_missing_or_mixed_set",
        "activation/test_storm.py::test_storm",
    ),
    "recovery fails after many kills, and is one command's, for one root": (
        "activation/test_kills.py::test_killed_at_every_call",
        "host/test_kills.py::test_killed_at_every_call",
        "activation/test_power_loss.py::test_cut_at_every_call",
    ),
    "activations that fail leave users, directories and trees": (
        "host/test_users.py::test_a_failed_activation_takes_its_directory_back",
        "host/test_host_commands.py::test_real_users_are_made_once_and_not_left_behind",
        "host/test_kills.py::test_killed_at_every_call",
        "activation/test_disk_full.py::test_every_fill_level",
    ),
    "state directories are given away recursively, each time": (
        "host/test_users.py::test_only_what_belongs_to_others_gets_another_owner",
        "host/test_users.py::test_a_state_directory_as_it_should_be_is_not_walked_again",
    ),
    "a download may hang for ever, never resumes, is tried again for 500 and not for 503": (
        "repositories/test_download.py::test_nothing_hangs",
        "repositories/test_download.py::test_resumes_where_it_broke",
        "repositories/test_download.py::test_passing_failures_are_tried_again",
    ),
    "one stray name breaks list; removing what is not there is a success; an id may end in \\n": (
        "store/test_store.py::test_what_is_no_package_is_not_listed",
        "store/test_store.py::test_remove",
        "store/test_store.py::test_what_is_not_an_id",
    ),
}


def test_each_has_tests_that_would_catch_it() -> None:
    for fault, tests in FAULTS.items():
        for each in tests:
            file, _, name = each.partition("::")
            tree = ast.parse((TESTS / file).read_text())
            functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert name in functions, f"{fault}: {each} is gone"
