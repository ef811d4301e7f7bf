"""Every attack that once succeeded has a test, by name. A test that is renamed is renamed here."""

import ast
import functools

import pytest

from tests.docs.pages import ROOT

TLS = "storagenode/transport/test_tls.py"
UNPROVEN = "storagemaster/repair/test_unproven_tombstones.py"
WRITES = "storagenode/transport/test_signed_writes.py"
CLIENTS = "runtime/test_clients.py"
TOKENS = "permission_urls/test_api_tokens.py"

TESTS = {
    "a process without keys answers for a node, gets originals, and acknowledges uploads": (
        f"{TLS}::test_an_impostor_with_another_role_at_a_nodes_address_gets_no_request",
        f"{TLS}::test_an_answer_counts_only_from_the_node_that_was_asked",
        f"{TLS}::test_a_client_without_tls_is_refused",
    ),
    "a listing invents a tombstone, and the photo is deleted everywhere": (
        f"{UNPROVEN}::test_reconcile_obeys_no_tombstone_without_a_valid_proof",
        f"{UNPROVEN}::test_the_lifting_of_a_fence_delivers_no_unproven_tombstone",
        f"{UNPROVEN}::test_a_hinted_tombstone_without_a_proof_is_not_delivered",
        f"{UNPROVEN}::test_a_node_refuses_a_tombstone_whose_proof_is_of_another_photo",
    ),
    "a request that was captured on one machine is repeated at another": (
        "permission_urls/test_internal_requests.py::test_a_signature_is_for_one_receiver",
        "attacks/test_signed_requests.py::test_the_write_port_serves_no_request",
    ),
    "a request is valid for years": (
        (
            "permission_urls/test_internal_requests.py"
            "::test_an_expiry_is_at_most_a_lifetime_and_a_clock_skew_away"
        ),
    ),
    "a captured drop destroys the only copy of an offloaded original": (
        (
            "tiering/test_offload_and_recall.py"
            "::test_a_cold_node_refuses_a_drop_that_was_captured_on_another"
        ),
    ),
    "a decoder that is taken over reaches the files of a node": (
        "imageworker/sandbox/test_landlock.py::test_a_process_under_landlock_cannot",
        "imageworker/sandbox/test_landlock.py::test_a_decoder_is_under_landlock_besides_its_filter",
    ),
    "a local user reads photos and the trash": (
        "storagenode/disk/test_root_marker.py::test_a_new_root_is_for_its_owner_alone",
        "storagenode/disk/test_root_marker.py::test_a_root_that_stays_open_to_others_is_refused",
    ),
    "a local user reads Valkey, memcached, and the password of the queue": (
        "storagemaster/jobs/test_queue_login.py::test_a_client_without_the_password_is_refused",
        "storagemaster/jobs/test_queue_login.py::test_the_password_is_in_no_command_line",
        (
            "storagemaster/jobs/test_queue_login.py"
            "::test_a_client_without_a_certificate_of_the_cluster_is_refused"
        ),
        (
            "storagemaster/caches/test_memcached_tls.py"
            "::test_a_client_without_a_certificate_of_the_cluster_is_refused"
        ),
    ),
    "one application takes over the Idempotency-Key of another, or reads its digest": (
        "storagemaster/handlers/test_applications.py::test_two_applications_with_one_key_have_two_photos",
        "storagemaster/uploads/test_known_photos.py::test_another_application_learns_nothing",
    ),
    "a token reads with the scope to delete": (
        f"{TOKENS}::test_no_scope_opens_another",
        "attacks/test_storagemaster_port.py::test_no_route_is_served_without_its_token",
    ),
    "bodies fill the memory before their signature is read": (
        f"{WRITES}::test_an_unsigned_body_is_refused_before_it_is_read",
        f"{WRITES}::test_a_compressed_body_is_refused",
        "storagemaster/jobs/test_bundles.py::test_an_unsigned_bundle_is_refused_before_it_is_read",
        "storagemaster/jobs/test_bundles.py::test_a_compressed_bundle_is_refused",
    ),
    "connections and slow clients stop a process": (
        f"{CLIENTS}::test_a_flood_of_connections_leaves_those_that_were_there",
        f"{CLIENTS}::test_half_a_head_is_closed",
        f"{CLIENTS}::test_a_body_that_stalls_is_answered_with_408_and_closed",
        f"{CLIENTS}::test_a_client_that_does_not_read_is_cut_off",
        f"{CLIENTS}::test_open_files_are_raised_to_what_is_allowed",
    ),
    "a small photo takes minutes of processor time, three times": (
        "photos/test_jpeg.py::test_scans_are_counted_before_any_is_decoded",
        "imageworker/sandbox/test_child.py::test_a_child_over_its_processor_time_is_ended",
    ),
    "a malformed job blinds the status, and ends workers": (
        "storagemaster/jobs/test_malformed_jobs.py::test_a_malformed_job_does_not_stop_the_status",
        "imageworker/queue/test_forged_jobs.py::test_a_malformed_job_is_skipped",
    ),
    "one leaked token cannot be revoked alone": (
        f"{TOKENS}::test_a_revoked_token_is_refused_and_no_other",
        (
            "storagemaster/admission/test_authorization.py"
            "::test_a_revoked_token_is_refused_by_a_running_storagemaster"
        ),
    ),
    "an application holds the keys of the cluster": (
        "glassplate/test_client_of_application.py::test_an_application_has_no_other_scope",
        "glassplate/test_client_of_application.py::test_a_file_without_read_key_signs_no_url",
    ),
    "responses have permanent URLs, also of the original": (
        (
            "storagemaster/admission/test_authorization.py"
            "::test_responses_have_only_the_urls_that_the_scopes_allow"
        ),
        (
            "storagemaster/admission/test_authorization.py"
            "::test_status_and_lookup_have_no_original_without_its_scope"
        ),
        (
            "storagemaster/admission/test_authorization.py"
            "::test_urls_end_when_the_request_asks_for_it"
        ),
    ),
    "a key for URLs has no longest lifetime, and opens every size": (
        "attacks/test_restricted_keys.py::test_a_url_beyond_a_restriction_is_refused",
        "permission_urls/test_restrictions.py::test_a_restriction_cannot_be_changed",
    ),
    "a long number or deep JSON is an internal error": (
        "storagemaster/uploads/test_bad_uploads.py::test_invalid_wait_is_rejected",
        "storagemaster/uploads/test_bad_uploads.py::test_invalid_json_is_rejected",
    ),
    "edges and nodes read a target in absolute form differently": (
        "attacks/test_read_ports.py::test_no_photo_is_sent_to_a_forged_url",
        "proxy_config/test_edge_responses.py::test_an_absolute_uri_means_what_its_path_means",
    ),
    "the token of a monitor reads photos": (
        "attacks/test_storagemaster_port.py::test_no_route_is_served_without_its_token",
        f"{TOKENS}::test_no_scope_opens_another",
    ),
    "another package is installed than the one that was tested": (
        "deploy/test_locks.py::test_every_pin_has_hashes",
    ),
    "the owner of a camera is named in public sizes": (
        (
            "imageworker/pixels/test_metadata.py"
            "::test_an_artist_without_a_copyright_notice_is_no_credit"
        ),
    ),
    "a node that returns serves photos that were deleted without it": (
        (
            "probes/test_returning_nodes.py"
            "::test_strict_deletes_keep_the_fence_until_all_tombstones_are_known"
        ),
        "storagenode/upkeep/test_fence.py::test_a_strict_fence_never_falls",
    ),
    "a web page purges an edge through a browser": (
        "attacks/test_purge_ports.py::test_no_page_reaches_the_purge_port",
    ),
    "an event is repeated at another receiver": (
        "storagemaster/events/test_webhooks.py::test_a_changed_or_old_webhook_is_rejected",
    ),
    "a machine that left, or a removed authority, is still trusted": (
        f"{TLS}::test_a_machine_that_is_not_in_the_map_is_refused",
        f"{TLS}::test_a_removed_authority_is_trusted_no_longer_without_a_restart",
    ),
    "a process answers for a node to an edge": (
        "edges/test_tls_to_nodes.py::test_an_impostor_at_the_address_of_a_node_gets_no_request",
    ),
}


@functools.cache
def functions_of(file):
    """Return the names of all functions of a file of tests."""
    tree = ast.parse((ROOT / "tests" / file).read_text())
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


@pytest.mark.parametrize("attack", TESTS)
def test_an_attack_that_succeeded_has_its_tests(attack):
    """Each of them is there, under this name."""
    for test in TESTS[attack]:
        file, _, name = test.partition("::")
        assert name in functions_of(file), test
