"""Bugs of the audit log."""

from storagemaster.audit.copies import Durability
from storagemaster.audit.log_writer import LogWriter
from storagemaster.audit.verification import Verification
from storagenode.disk.audit_files import AuditFiles
from tests.planted.finders import Simulation, Tests
from tests.planted.planted_bug import PlantedBug


def answers_before_its_entry_is_durable(patch):
    """Begin to store the entry, and do not wait for it."""

    async def record(self, act):
        self.note(act)
        self.flush()
        return Durability.MIRRORED

    patch.setattr(LogWriter, "record", record)


def appends_without_fsync(patch):
    """Leave the lines in the page cache."""
    append = AuditFiles.append

    def without_fsync(self, file, lines):
        with_fsync = self._file_system.fsync
        self._file_system.fsync = lambda _: None
        try:
            append(self, file, lines)
        finally:
            self._file_system.fsync = with_fsync

    patch.setattr(AuditFiles, "append", without_fsync)


def checks_no_chain(patch):
    """Compare copies, and no hashes."""
    patch.setattr(Verification, "_check_link", lambda *_: None)


BUGS_OF_AUDIT = (
    PlantedBug(
        what="an act is answered before its entry is durable",
        plant=answers_before_its_entry_is_durable,
        found_by=Simulation("C17"),
    ),
    PlantedBug(
        what="the lines of the audit log are not fsynced",
        plant=appends_without_fsync,
        found_by=Simulation("C17"),
    ),
    PlantedBug(
        what="the hashes of the audit log are not compared",
        plant=checks_no_chain,
        found_by=Tests("tests/storagemaster/audit/test_verification.py"),
    ),
)
