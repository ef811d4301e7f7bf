"""`glassplate rm --now` and `proof`, against a real cluster."""

import json

import pytest


@pytest.fixture(name="reference")
def _reference(receipt):
    return receipt.reference.rpartition("/")[0]


def test_rm_now_prints_a_proof(glassplate, reference, receipt, cluster):
    """For people: each node with what it removed, and the signature."""
    result = glassplate("rm", "--now", "--yes", reference)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{reference} was erased at ")
    assert any(line.startswith("  east-2: ") and "trash" in line for line in lines)
    assert lines[-1].startswith("  signature: ")
    found = [*cluster.root.glob(f"*/.trash/*/*/*/{receipt.photo}*")]
    assert found == []


def test_a_proof_is_verified(glassplate, reference, tmp_path):
    """A changed one is not."""
    document = glassplate("rm", "--now", "--yes", "--json", reference).stdout
    file = tmp_path / "proof.json"
    file.write_text(document)
    assert glassplate("proof", str(file)).stdout == f"{reference}: complete\n"
    changed = json.loads(document)
    changed["deleted"][0]["proof"]["photo"] = "3/0000000000000000"
    file.write_text(json.dumps(changed))
    result = glassplate("proof", str(file))
    assert result.exit_code == 1
    assert "not signed by this cluster, or changed" in result.stdout
    file.write_text("[1]")
    assert glassplate("proof", str(file)).exit_code == 2
