//! The conformance suite: tests of the storage contract that every engine must pass. They know nothing about an engine.

mod api_tokens;
mod attachment_store;
mod attachments;
mod clocks;
mod entries;
mod entry_changes;
mod health;
pub(crate) mod idempotency;
mod identities;
pub(crate) mod isolation;
mod listing;
mod opaque_sessions;
mod reminders;
mod sealed_entries;
mod search;
mod secret_tags;
mod security_events;
mod sessions;
mod storage;
mod tags;
mod users;
pub(crate) mod world;

use world::World;

/// Turns each listed function into a test on each engine: `conformance::sqlite::entries::create_…`. A function that is
/// not listed is dead code, so the compiler reports it.
macro_rules! on_each_engine {
    ($($file:ident { $($test:ident)+ })+) => {
        mod sqlite {
            $(mod $file { $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    crate::conformance::$file::$test(&crate::conformance::World::sqlite().await).await;
                }
            )+ })+
        }
        mod postgres {
            $(mod $file { $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    crate::conformance::$file::$test(&crate::conformance::World::postgres().await).await;
                }
            )+ })+
        }
    };
}

on_each_engine! {
    storage {
        a_storage_is_reachable_and_names_its_engine
        a_disk_space_probe_leaves_nothing
        stored_rows_survive_closing_and_opening
        closing_finishes_accepted_calls_and_rejects_later_ones
    }
    users {
        create_get_and_credentials
        create_rejects_a_taken_address
        create_rejects_a_taken_id
        one_of_many_creates_with_one_address_succeeds
        create_first_creates_only_the_first_account
        one_of_many_first_accounts_is_created
        an_address_is_verified_until_it_changes
        administer_sets_an_address_and_whether_it_is_verified
        reset_credentials_leaves_one_way_into_the_account
        update_changes_only_the_given_fields
        update_rejects_the_address_of_another_user
        preferences_are_replaced_as_a_whole
        many_first_requests_for_a_draft_key_get_the_same_key
        set_password_replaces_the_hash_and_ends_the_other_sessions
        set_password_deletes_the_api_tokens_on_request
        set_password_requires_the_session_that_asks_for_it
        one_of_many_password_changes_from_different_sessions_succeeds
        set_active_ends_every_session_of_a_deactivated_user
        delete_removes_all_rows_of_the_user
        list_pages_through_every_account_once
        list_searches_addresses_and_names
        administer_changes_only_the_given_fields
        the_last_active_superuser_stays
        one_of_many_concurrently_removed_superusers_stays
        a_nonexistent_user_is_missing
    }
    sessions {
        start_and_standing
        start_rejects_a_deleted_user
        rotate_raises_the_generation
        rotate_accepts_the_previous_generation_for_a_moment
        rotate_ends_a_session_after_token_reuse
        rotate_finds_no_session_that_has_ended_or_expired
        one_of_many_concurrent_rotations_raises_the_generation
        no_session_outlasts_its_limit
        start_ends_the_sessions_beyond_the_limit
        concurrent_starts_respect_the_limit
        confirm_is_recorded_for_one_session
        end_succeeds_once
        list_contains_unexpired_sessions_newest_first
        delete_expired_counts_what_it_deletes
    }
    identities {
        link_find_and_list
        an_identity_signs_in_to_one_account
        link_rejects_a_deleted_user
        sign_up_creates_user_and_identity_or_neither
        sign_up_first_creates_only_the_first_account
        one_of_many_sign_ups_with_one_identity_succeeds
        a_google_identity_is_recorded_in_the_account
        unlink_keeps_the_last_way_to_sign_in
        concurrent_unlinks_keep_one_way_to_sign_in
        deleting_a_user_deletes_their_identities
    }
    idempotency {
        each_create_with_one_key_creates_one_row
        a_used_key_is_reported_before_other_errors
        one_of_many_creates_with_one_key_creates_a_row
        a_failed_create_does_not_use_its_key
        a_key_outlives_its_row
        keys_are_deleted_after_a_day_and_with_their_user
        a_key_from_a_wrong_clock_is_redated
        create_rejects_a_key_of_a_deleted_user
    }
    api_tokens {
        create_standing_and_list
        create_rejects_taken_ids_and_secrets
        create_rejects_a_deleted_user
        concurrent_creates_respect_the_limit
        use_is_recorded_once_a_minute
        delete_succeeds_once
    }
    entries {
        create_and_get
        create_keeps_every_kind_of_text
        create_twice_finds_the_first
        create_rejects_an_id_of_another_user
        create_rejects_a_deleted_user
        create_attaches_existing_and_new_tags
        create_counts_a_tag_once
        create_with_an_unknown_tag_stores_nothing
        one_of_two_creates_with_one_id_succeeds
        concurrent_creates_with_one_new_tag_share_it
        an_entry_under_a_secret_tag_is_never_shown
    }
    entry_changes {
        update_changes_only_the_given_fields
        update_checks_the_expected_revision
        update_replaces_the_tags
        update_with_an_unknown_tag_changes_nothing
        update_moves_the_entry_to_its_new_day
        an_unknown_zone_is_kept_and_treated_as_utc
        one_of_two_updates_with_one_expected_revision_is_stale
        updates_without_an_expected_revision_all_succeed
        delete_checks_the_expected_revision
        delete_leaves_the_tags
        a_nonexistent_entry_is_missing
    }
    listing {
        list_is_newest_first_with_tags
        pages_show_each_entry_once
        pages_are_stable_while_rows_are_written
        from_and_to_are_days_in_the_entries_zones
        list_filters_by_tag
        list_filters_by_a_tag_on_many_entries
        list_combines_all_filters
        days_counts_entries_and_words
        on_days_lists_the_entries_of_given_days
        pages_of_long_texts_end_early
    }
    search {
        words_match_by_prefix_in_any_case
        all_words_have_to_match
        punctuation_separates_words
        words_of_every_script_are_found
        unusual_search_words_are_no_error
        update_replaces_the_words
        deleted_entries_are_not_found
        entries_of_other_users_are_not_found
        pages_of_a_search_show_each_entry_once
    }
    tags {
        create_and_get
        create_rejects_an_equivalent_name
        create_rejects_a_taken_id
        create_rejects_a_deleted_user
        one_of_many_creates_with_one_name_succeeds
        update_changes_only_the_given_fields
        update_rejects_an_equivalent_name
        delete_unlinks_and_keeps_the_entries
        list_pages_in_order_of_creation
        a_nonexistent_tag_is_missing
    }
    reminders {
        create_and_get_every_frequency
        create_rejects_a_taken_id
        create_rejects_a_deleted_user
        a_paused_reminder_is_never_due
        replace_changes_the_expected_version
        one_of_two_replacements_of_one_version_succeeds
        delete_succeeds_once
        list_pages_in_order_of_creation
        a_nonexistent_reminder_is_missing
        a_new_time_zone_of_a_user_moves_the_reminders_in_the_old_one
        an_unchanged_account_moves_no_reminder
        a_concurrent_time_zone_change_and_replacements_lose_nothing
    }
    clocks {
        token_reuse_is_detected_after_a_clock_jump_and_back
        session_expiry_from_a_wrong_clock_is_corrected
        a_session_from_a_wrong_clock_is_neither_recent_nor_longer
        a_secret_tag_is_not_blocked_after_a_clock_jump_and_back
        failed_attempts_are_counted_after_a_clock_jump_and_back
        the_failure_limit_of_a_user_ends_after_a_day
        no_unlock_survives_a_clock_jump_ahead_and_back
        no_unlock_survives_a_clock_jump_back
        a_login_cannot_be_finished_years_later
        attempts_from_a_wrong_clock_are_redated
        the_use_of_an_api_token_is_recorded_again
        small_clock_differences_between_servers_are_tolerated
    }
    health {
        snapshot_describes_the_database
        statement_texts_contain_no_user_data
        a_period_counts_its_statements
        another_schema_is_reported
        advice_covers_unnecessary_and_missing_indexes
        write_cost_is_measured_on_a_copy
        the_clock_is_that_of_the_database_server
    }
    secret_tags {
        create_get_and_list
        list_starts_with_the_last_unlocked
        create_rejects_a_taken_id
        create_rejects_a_deleted_user
        secret_tags_per_user_are_limited
        concurrent_creates_respect_the_limit
        set_lock_replaces_the_lock_and_ends_the_other_sessions
        one_of_two_passphrase_changes_for_one_version_succeeds
        set_metadata_changes_nothing_else
        delete_removes_entries_only_if_requested
        delete_returns_the_freed_recordings
        concurrent_deletes_and_changes_leave_and_lose_no_recording
        delete_removes_the_sessions_of_the_tag
        an_entry_never_outlives_its_secret_tag
        the_id_of_a_deleted_secret_tag_stays_taken
        create_and_delete_of_one_id_at_once_leave_it_taken
        create_ends_the_attempts_of_its_registration
        server_keys_returns_each_key_once
        a_nonexistent_secret_tag_is_missing
    }
    security_events {
        record_and_list_every_kind
        an_unknown_kind_is_listed
        record_rejects_a_deleted_user_and_a_taken_id
        pages_are_newest_first
        the_oldest_events_of_a_kind_beyond_the_limit_are_deleted
        events_are_deleted_after_90_days_and_with_their_user
        an_event_from_a_wrong_clock_is_redated
    }
    opaque_sessions {
        a_started_login_is_taken_once
        start_rejects_a_deleted_user
        one_of_many_concurrent_takes_succeeds
        take_finds_no_expired_login
        wrong_passphrases_are_delayed
        unknown_secret_tags_are_delayed_like_known_ones
        an_unfinished_login_counts_as_failed
        concurrent_starts_respect_the_limit
        attempts_with_many_secret_tags_are_delayed
        a_recovered_secret_tag_can_be_unlocked_in_spite_of_the_limit
        unlock_returns_the_failed_attempts
        unlock_requires_a_taken_login
        unlock_requires_the_attempted_version
        unlock_ends_the_oldest_unlock
        concurrent_unlocks_respect_the_limit
        open_requires_the_token
        activity_extends_an_unlock_up_to_a_limit
        list_contains_recent_attempts_and_unlocks
        end_does_not_reset_the_delay
        lock_ends_the_unlocks_of_one_secret_tag
        end_all_ends_every_unlock
        delete_expired_keeps_rows_that_still_count
    }
    sealed_entries {
        create_and_get
        create_rejects_a_taken_id
        create_requires_a_secret_tag_of_the_user
        one_of_two_creates_with_one_id_succeeds
        list_pages_through_one_secret_tag_newest_first
        pages_of_long_sealed_entries_end_early
        replace_checks_the_expected_revision
        replace_moves_an_entry_to_another_secret_tag
        one_of_two_concurrent_replacements_is_stale
        seal_removes_all_plain_text
        seal_requires_a_plain_entry_at_the_expected_revision
        unseal_restores_everything
        unseal_requires_a_sealed_entry_at_the_expected_revision
        unseal_with_an_unknown_tag_changes_nothing
        one_of_many_concurrent_moves_and_updates_succeeds
        delete_checks_the_expected_revision
        deleting_a_user_deletes_everything_sealed
    }
    attachments {
        put_and_get
        put_replaces_the_previous_recording
        put_requires_a_matching_entry
        put_rejects_a_taken_id
        put_respects_the_quota
        concurrent_puts_respect_the_quota
        concurrent_puts_for_one_entry_replace_each_other
        remove_clears_the_audio_url
        a_recording_is_deleted_with_its_entry
        a_recording_attached_during_deletion_is_freed_or_rejected
        sealing_and_unsealing_return_the_freed_recording
        a_move_during_concurrent_puts_leaves_no_recording
        known_returns_the_existing_ids
    }
    attachment_store {
        a_database_gets_one_identity
        many_first_calls_get_the_same_identity
        replace_resets_identity_and_sweeps
        one_of_many_concurrent_sweeps_begins
        end_sweep_stores_the_result
        deletes_record_freed_attachments
        rejected_changes_record_no_freed_attachments
        freed_and_recordings_are_read_page_by_page
    }
    isolation {
        no_method_reads_or_changes_rows_of_another_user
    }
}
