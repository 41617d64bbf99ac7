"""All that other programs (provisioner) use of packager, beside the rooms `base` and `cli`.

Everything else is internal and may change at any commit. A name is imported from its room when it
is first asked for, so this module costs a start nothing; type checkers see what is below.

Paths are absolute strings, sizes are in bytes, times in seconds. What fails raises a
`packager.base.errors.PackagerError` with the exit code that says of what kind it is; `translated`
makes one of the OSError that functions may raise whose description says so. What works for longer
tells an `Emit` (see `packager.base.events`) how far it has got.

What is active, and another set of packages becoming active:
    activate Request Plan Packages make_plan plan_document acting_user environment_variable
    Generation active_generation is_number package_environment Published publish place_link

Packages: their ids, trees and declarations:
    LONGEST_NAME flaw_of_id split_id Declarations SERVICES_FILE UNIT_DIRECTORIES FILE EMBEDDED
    PKGINFO Entry Manifest compact_json decode_entries END_OF_ARCHIVE tar_header tar_padding

The store:
    Store has_tree installed_ids read_record translated DEFAULT_WAIT_SECONDS LOCK_NAME
    exclusive_lock is_locked

Verifying and repairing:
    FOREIGN MISSING UNREAD Difference verify check_active_generation is_activating
    remaining_host_work required_units repair_packages renew_active_generation forget_units
    forget_started

The host:
    HostOptions HostOptionValues HostPlan UnitsFailed Check CheckResult find_checks run_checks
    ordered_units systemctl systemctl_names failed_units not_running unknown_units
    own_unit OwnRestart own_restart_to_come has_own_restart_come is_own_restart_due
    refuse_without_systemd refuse_unless_booted why_not_booted

Repositories and downloads:
    Repository load_configuration check_repositories Candidate Repositories candidate_archive
    candidate_pkginfo install_candidate forget_old_downloads Policy REDIRECT_STATUSES is_url
    is_file_url local_path redacted download TrustingSession ca_bundle NETWORK_ERRORS
    network_failure Declared resolve
    requested_package

A host of pkgpanda's:
    PkgpandaHost look_at_pkgpanda
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.activation.activate import activate
    from packager.activation.activate import user as acting_user
    from packager.activation.activate import variable as environment_variable
    from packager.activation.pkgpanda_import import Found as PkgpandaHost
    from packager.activation.pkgpanda_import import look as look_at_pkgpanda
    from packager.activation.plan_document import document as plan_document
    from packager.activation.planning import Packages, Plan, Request, make_plan
    from packager.archive.tar_writer import END_OF_ARCHIVE
    from packager.archive.tar_writer import header as tar_header
    from packager.archive.tar_writer import padding as tar_padding
    from packager.dependencies.relations import Declared
    from packager.dependencies.resolver import requested_package, resolve
    from packager.generations.document import Generation, active_generation, is_number
    from packager.generations.environment_files import variables as package_environment
    from packager.generations.link_tree import place_link
    from packager.generations.published_links import Published, publish
    from packager.host.apply import refuse_without_systemd
    from packager.host.documents import HostPlan, OwnRestart
    from packager.host.host_plan import ordered as ordered_units
    from packager.host.options import HostOptions, HostOptionValues
    from packager.host.own_unit import has_come as has_own_restart_come
    from packager.host.own_unit import is_due as is_own_restart_due
    from packager.host.own_unit import own_unit
    from packager.host.own_unit import restart_to_come as own_restart_to_come
    from packager.host.package_checks import Check
    from packager.host.package_checks import Result as CheckResult
    from packager.host.package_checks import find as find_checks
    from packager.host.package_checks import run as run_checks
    from packager.host.settle import UnitsFailed
    from packager.host.systemd_units import addressed as systemctl_names
    from packager.host.systemd_units import failures as failed_units
    from packager.host.systemd_units import masked as masked_units
    from packager.host.systemd_units import (
        not_running,
        refuse_unless_booted,
        systemctl,
        why_not_booted,
    )
    from packager.host.systemd_units import unknown as unknown_units
    from packager.package.declarations import SERVICES_FILE, UNIT_DIRECTORIES, Declarations
    from packager.package.entry_kinds import FILE
    from packager.package.manifest import EMBEDDED, PKGINFO, Entry, Manifest, decode_entries
    from packager.package.manifest import compact as compact_json
    from packager.package.package_id import LONGEST as LONGEST_NAME
    from packager.package.package_id import flaw as flaw_of_id
    from packager.package.package_id import split_id
    from packager.repositories.candidates import Candidate, Repositories
    from packager.repositories.certificate_authorities import TrustingSession
    from packager.repositories.certificate_authorities import bundle as ca_bundle
    from packager.repositories.configuration_file import Repository
    from packager.repositories.configuration_file import load as load_configuration
    from packager.repositories.configuration_file import repositories as check_repositories
    from packager.repositories.download import fetch as download
    from packager.repositories.install import archive as candidate_archive
    from packager.repositories.install import install as install_candidate
    from packager.repositories.install import pkginfo as candidate_pkginfo
    from packager.repositories.mirrors import forget_old as forget_old_downloads
    from packager.repositories.network_errors import NETWORK_ERRORS
    from packager.repositories.network_errors import broken as network_failure
    from packager.repositories.retry_policy import REDIRECTS as REDIRECT_STATUSES
    from packager.repositories.retry_policy import Policy
    from packager.repositories.urls import is_file_url, is_url, local_path, redacted
    from packager.store.difference import FOREIGN, MISSING, UNREAD, Difference
    from packager.store.installed import has_tree, installed_ids
    from packager.store.lock import DEFAULT_WAIT as DEFAULT_WAIT_SECONDS
    from packager.store.lock import NAME as LOCK_NAME
    from packager.store.lock import exclusive as exclusive_lock
    from packager.store.lock import is_locked
    from packager.store.manifest_records import read_record
    from packager.store.store import Store
    from packager.store.translation import translated
    from packager.verification.generation_check import check as check_active_generation
    from packager.verification.generation_check import is_activating
    from packager.verification.host_check import remaining_host_work, required_units, static_units
    from packager.verification.repair import forget_started, forget_units
    from packager.verification.repair import packages as repair_packages
    from packager.verification.repair import renew_active as renew_active_generation
    from packager.verification.verify import verify

__all__ = [
    "DEFAULT_WAIT_SECONDS",
    "EMBEDDED",
    "END_OF_ARCHIVE",
    "FILE",
    "FOREIGN",
    "LOCK_NAME",
    "LONGEST_NAME",
    "MISSING",
    "NETWORK_ERRORS",
    "PKGINFO",
    "REDIRECT_STATUSES",
    "SERVICES_FILE",
    "UNIT_DIRECTORIES",
    "UNREAD",
    "Candidate",
    "Check",
    "CheckResult",
    "Declarations",
    "Declared",
    "Difference",
    "Entry",
    "Generation",
    "HostOptionValues",
    "HostOptions",
    "HostPlan",
    "Manifest",
    "OwnRestart",
    "Packages",
    "PkgpandaHost",
    "Plan",
    "Policy",
    "Published",
    "Repositories",
    "Repository",
    "Request",
    "Store",
    "TrustingSession",
    "UnitsFailed",
    "acting_user",
    "activate",
    "active_generation",
    "ca_bundle",
    "candidate_archive",
    "candidate_pkginfo",
    "check_active_generation",
    "check_repositories",
    "compact_json",
    "decode_entries",
    "download",
    "environment_variable",
    "exclusive_lock",
    "failed_units",
    "find_checks",
    "flaw_of_id",
    "forget_old_downloads",
    "forget_started",
    "forget_units",
    "has_own_restart_come",
    "has_tree",
    "install_candidate",
    "installed_ids",
    "is_activating",
    "is_file_url",
    "is_locked",
    "is_number",
    "is_own_restart_due",
    "is_url",
    "load_configuration",
    "local_path",
    "look_at_pkgpanda",
    "make_plan",
    "masked_units",
    "network_failure",
    "not_running",
    "ordered_units",
    "own_restart_to_come",
    "own_unit",
    "package_environment",
    "place_link",
    "plan_document",
    "publish",
    "read_record",
    "redacted",
    "refuse_unless_booted",
    "refuse_without_systemd",
    "remaining_host_work",
    "renew_active_generation",
    "repair_packages",
    "requested_package",
    "required_units",
    "resolve",
    "run_checks",
    "split_id",
    "static_units",
    "systemctl",
    "systemctl_names",
    "tar_header",
    "tar_padding",
    "translated",
    "unknown_units",
    "verify",
    "why_not_booted",
]

# Where each name is at home; those of types alone are not here: they exist for type checkers.
_HOMES = {
    "Candidate": ("packager.repositories.candidates", "Candidate"),
    "Check": ("packager.host.package_checks", "Check"),
    "CheckResult": ("packager.host.package_checks", "Result"),
    "DEFAULT_WAIT_SECONDS": ("packager.store.lock", "DEFAULT_WAIT"),
    "Difference": ("packager.store.difference", "Difference"),
    "EMBEDDED": ("packager.package.manifest", "EMBEDDED"),
    "END_OF_ARCHIVE": ("packager.archive.tar_writer", "END_OF_ARCHIVE"),
    "Entry": ("packager.package.manifest", "Entry"),
    "FILE": ("packager.package.entry_kinds", "FILE"),
    "FOREIGN": ("packager.store.difference", "FOREIGN"),
    "Generation": ("packager.generations.document", "Generation"),
    "HostOptions": ("packager.host.options", "HostOptions"),
    "LOCK_NAME": ("packager.store.lock", "NAME"),
    "LONGEST_NAME": ("packager.package.package_id", "LONGEST"),
    "MISSING": ("packager.store.difference", "MISSING"),
    "Manifest": ("packager.package.manifest", "Manifest"),
    "NETWORK_ERRORS": ("packager.repositories.network_errors", "NETWORK_ERRORS"),
    "PKGINFO": ("packager.package.manifest", "PKGINFO"),
    "OwnRestart": ("packager.host.documents", "OwnRestart"),
    "Packages": ("packager.activation.planning", "Packages"),
    "PkgpandaHost": ("packager.activation.pkgpanda_import", "Found"),
    "Plan": ("packager.activation.planning", "Plan"),
    "Policy": ("packager.repositories.retry_policy", "Policy"),
    "Published": ("packager.generations.published_links", "Published"),
    "REDIRECT_STATUSES": ("packager.repositories.retry_policy", "REDIRECTS"),
    "Repositories": ("packager.repositories.candidates", "Repositories"),
    "Repository": ("packager.repositories.configuration_file", "Repository"),
    "Request": ("packager.activation.planning", "Request"),
    "SERVICES_FILE": ("packager.package.declarations", "SERVICES_FILE"),
    "TrustingSession": ("packager.repositories.certificate_authorities", "TrustingSession"),
    "Store": ("packager.store.store", "Store"),
    "UNIT_DIRECTORIES": ("packager.package.declarations", "UNIT_DIRECTORIES"),
    "UNREAD": ("packager.store.difference", "UNREAD"),
    "UnitsFailed": ("packager.host.settle", "UnitsFailed"),
    "acting_user": ("packager.activation.activate", "user"),
    "activate": ("packager.activation.activate", "activate"),
    "active_generation": ("packager.generations.document", "active_generation"),
    "ca_bundle": ("packager.repositories.certificate_authorities", "bundle"),
    "candidate_archive": ("packager.repositories.install", "archive"),
    "candidate_pkginfo": ("packager.repositories.install", "pkginfo"),
    "check_active_generation": ("packager.verification.generation_check", "check"),
    "check_repositories": ("packager.repositories.configuration_file", "repositories"),
    "compact_json": ("packager.package.manifest", "compact"),
    "decode_entries": ("packager.package.manifest", "decode_entries"),
    "download": ("packager.repositories.download", "fetch"),
    "environment_variable": ("packager.activation.activate", "variable"),
    "exclusive_lock": ("packager.store.lock", "exclusive"),
    "failed_units": ("packager.host.systemd_units", "failures"),
    "find_checks": ("packager.host.package_checks", "find"),
    "flaw_of_id": ("packager.package.package_id", "flaw"),
    "forget_old_downloads": ("packager.repositories.mirrors", "forget_old"),
    "forget_started": ("packager.verification.repair", "forget_started"),
    "forget_units": ("packager.verification.repair", "forget_units"),
    "has_own_restart_come": ("packager.host.own_unit", "has_come"),
    "has_tree": ("packager.store.installed", "has_tree"),
    "install_candidate": ("packager.repositories.install", "install"),
    "installed_ids": ("packager.store.installed", "installed_ids"),
    "is_activating": ("packager.verification.generation_check", "is_activating"),
    "is_file_url": ("packager.repositories.urls", "is_file_url"),
    "is_locked": ("packager.store.lock", "is_locked"),
    "is_number": ("packager.generations.document", "is_number"),
    "is_own_restart_due": ("packager.host.own_unit", "is_due"),
    "is_url": ("packager.repositories.urls", "is_url"),
    "load_configuration": ("packager.repositories.configuration_file", "load"),
    "local_path": ("packager.repositories.urls", "local_path"),
    "look_at_pkgpanda": ("packager.activation.pkgpanda_import", "look"),
    "make_plan": ("packager.activation.planning", "make_plan"),
    "masked_units": ("packager.host.systemd_units", "masked"),
    "network_failure": ("packager.repositories.network_errors", "broken"),
    "not_running": ("packager.host.systemd_units", "not_running"),
    "ordered_units": ("packager.host.host_plan", "ordered"),
    "own_restart_to_come": ("packager.host.own_unit", "restart_to_come"),
    "own_unit": ("packager.host.own_unit", "own_unit"),
    "package_environment": ("packager.generations.environment_files", "variables"),
    "place_link": ("packager.generations.link_tree", "place_link"),
    "plan_document": ("packager.activation.plan_document", "document"),
    "publish": ("packager.generations.published_links", "publish"),
    "read_record": ("packager.store.manifest_records", "read_record"),
    "redacted": ("packager.repositories.urls", "redacted"),
    "refuse_unless_booted": ("packager.host.systemd_units", "refuse_unless_booted"),
    "refuse_without_systemd": ("packager.host.apply", "refuse_without_systemd"),
    "remaining_host_work": ("packager.verification.host_check", "remaining_host_work"),
    "renew_active_generation": ("packager.verification.repair", "renew_active"),
    "repair_packages": ("packager.verification.repair", "packages"),
    "requested_package": ("packager.dependencies.resolver", "requested_package"),
    "required_units": ("packager.verification.host_check", "required_units"),
    "resolve": ("packager.dependencies.resolver", "resolve"),
    "run_checks": ("packager.host.package_checks", "run"),
    "split_id": ("packager.package.package_id", "split_id"),
    "static_units": ("packager.verification.host_check", "static_units"),
    "systemctl": ("packager.host.systemd_units", "systemctl"),
    "systemctl_names": ("packager.host.systemd_units", "addressed"),
    "tar_header": ("packager.archive.tar_writer", "header"),
    "tar_padding": ("packager.archive.tar_writer", "padding"),
    "translated": ("packager.store.translation", "translated"),
    "unknown_units": ("packager.host.systemd_units", "unknown"),
    "verify": ("packager.verification.verify", "verify"),
    "why_not_booted": ("packager.host.systemd_units", "why_not_booted"),
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, own_name = _HOMES[name]
    value: object = getattr(import_module(module), own_name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_HOMES)
