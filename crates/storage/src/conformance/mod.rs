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
        it_answers_and_says_which_engine_it_is
        a_probe_for_room_leaves_nothing
        what_was_stored_is_there_after_closing_and_opening
        closing_finishes_what_was_accepted_and_refuses_the_rest
    }
    users {
        create_get_and_credentials
        create_refuses_a_taken_address
        create_refuses_a_taken_id
        one_of_many_creates_with_one_address_succeeds
        update_changes_only_what_is_named
        update_refuses_another_users_address
        preferences_are_replaced_as_a_whole
        concurrent_first_requests_get_the_same_draft_key
        set_password_replaces_the_hash_and_ends_the_other_sessions
        set_active_ends_every_session_when_it_deactivates
        delete_removes_all_that_is_theirs
        list_pages_through_every_account_once
        list_searches_addresses_and_names
        administer_changes_only_what_is_named
        the_last_active_superuser_stays
        one_superuser_remains_after_concurrent_changes
        a_user_who_is_not_there_is_missing
    }
    sessions {
        start_and_standing
        start_refuses_a_user_who_is_gone
        rotate_raises_the_generation
        rotate_forgives_the_generation_before_for_a_moment
        rotate_ends_a_session_whose_outlived_token_comes_back
        rotate_finds_no_session_that_has_ended_or_expired
        one_of_many_concurrent_rotations_raises_the_generation
        end_is_final
        list_shows_what_has_not_expired_newest_first
        delete_expired_counts_what_it_deletes
    }
    identities {
        link_find_and_list
        an_identity_opens_one_account
        link_refuses_a_user_who_is_gone
        sign_up_makes_both_or_neither
        one_of_many_sign_ups_with_one_identity_succeeds
        google_is_noted_at_the_account
        unlink_leaves_the_last_way_in
        concurrent_unlinks_leave_one_way_to_sign_in
        deleting_a_user_deletes_their_identities
    }
    idempotency {
        each_create_makes_one_row_with_one_key
        a_used_key_refuses_whatever_else_is_wrong
        one_of_many_creates_with_one_key_creates_a_row
        a_create_that_makes_nothing_leaves_its_key
        a_key_outlives_its_row
        keys_end_after_a_day_and_with_their_user
        a_key_from_a_wrong_clock_is_dated_anew
        create_refuses_a_key_of_a_user_who_is_gone
    }
    api_tokens {
        create_standing_and_list
        create_refuses_what_is_taken
        create_refuses_a_user_who_is_gone
        concurrent_creates_respect_the_limit
        use_is_noted_once_a_minute
        delete_is_final
    }
    entries {
        create_and_get
        create_keeps_every_kind_of_text
        create_twice_finds_the_first
        create_refuses_an_id_that_is_another_users
        create_refuses_a_user_who_is_gone
        create_attaches_and_makes_tags
        create_counts_a_tag_once
        create_with_an_unknown_tag_stores_nothing
        one_of_two_creates_with_one_id_succeeds
        creates_that_name_one_new_tag_share_it
        an_entry_under_a_secret_tag_is_never_shown
    }
    entry_changes {
        update_changes_only_what_is_named
        update_expects_a_revision
        update_replaces_the_tags
        update_with_an_unknown_tag_changes_nothing
        update_moves_the_entry_to_its_new_day
        an_unknown_zone_is_read_as_utc_and_kept
        one_of_two_updates_of_one_revision_is_stale
        updates_that_expect_nothing_all_count
        delete_expects_a_revision
        delete_leaves_the_tags
        an_entry_that_is_not_there_is_missing
    }
    listing {
        list_is_newest_first_with_tags
        pages_show_each_entry_once
        pages_are_stable_under_concurrent_writes
        from_and_to_are_days_of_the_entries_own_zones
        list_filters_by_tag
        list_filters_by_a_tag_on_many_entries
        list_combines_all_filters
        days_counts_entries_and_words
        on_days_gathers_the_entries_of_some_days
        pages_end_early_where_texts_are_long
    }
    search {
        words_match_from_their_beginning_whatever_their_case
        all_words_have_to_match
        punctuation_separates_words
        words_of_every_script_are_found
        odd_words_are_no_error
        update_replaces_the_words
        deleted_entries_are_not_found
        words_of_others_are_not_found
        pages_of_a_search_show_each_entry_once
    }
    tags {
        create_and_get
        create_refuses_a_name_with_a_taken_key
        create_refuses_a_taken_id
        create_refuses_a_user_who_is_gone
        one_of_many_creates_with_one_name_succeeds
        update_changes_only_what_is_named
        update_refuses_a_name_with_a_taken_key
        delete_unlinks_and_keeps_the_entries
        list_pages_in_order_of_creation
        a_tag_that_is_not_there_is_missing
    }
    reminders {
        create_and_get_every_frequency
        create_refuses_a_taken_id
        create_refuses_a_user_who_is_gone
        a_reminder_that_is_off_is_never_due
        replace_changes_what_was_seen
        one_of_two_replacements_of_one_version_succeeds
        delete_is_final
        list_pages_in_order_of_creation
        a_reminder_that_is_not_there_is_missing
        a_new_time_zone_of_a_user_moves_the_reminders_in_the_old_one
        an_account_that_is_not_changed_moves_no_reminder
        a_new_time_zone_and_replacements_at_once_lose_nothing
    }
    clocks {
        reuse_is_noticed_after_a_jump_ahead_and_back
        ends_of_logins_are_brought_back
        a_secret_tag_is_not_locked_after_a_jump_ahead_and_back
        guesses_are_counted_after_a_jump_ahead_and_back
        the_limit_of_a_user_ends_after_a_day
        nothing_stays_open_after_a_jump_ahead_and_back
        nothing_stays_open_after_a_jump_back
        no_login_can_be_finished_years_later
        tries_are_dated_anew
        the_use_of_an_api_token_is_noted_again
        small_differences_between_servers_do_not_matter
    }
    health {
        snapshot_tells_what_there_is
        no_text_holds_what_anybody_wrote
        a_period_counts_what_was_done_in_it
        a_schema_of_another_version_is_reported
        planted_indexes_are_advised_on
        write_cost_is_measured_on_a_copy
        the_clock_is_that_of_the_databases_server
    }
    secret_tags {
        create_get_and_list
        list_begins_with_what_was_opened_last
        create_refuses_a_taken_id
        create_refuses_a_user_who_is_gone
        the_number_of_secret_tags_is_limited
        concurrent_creates_respect_the_limit
        set_lock_replaces_what_opens_it_and_ends_the_other_sessions
        one_of_many_locks_of_one_version_is_set
        set_metadata_changes_nothing_else
        delete_takes_entries_only_when_asked
        delete_tells_which_recordings_went
        changes_during_a_delete_leave_and_lose_no_recording
        delete_takes_the_sessions_about_it
        an_entry_never_outlives_its_secret_tag
        each_server_key_is_returned_once
        a_secret_tag_that_is_not_there_is_missing
    }
    opaque_sessions {
        start_and_take_once
        start_refuses_a_user_who_is_gone
        one_of_many_concurrent_takes_succeeds
        take_finds_no_login_that_has_expired
        wrong_phrases_are_slowed_down
        attempts_at_an_unknown_secret_tag_are_slowed_equally
        a_login_that_is_not_finished_counts
        concurrent_starts_respect_the_limit
        tries_with_many_secret_tags_are_slowed_down
        unlock_opens_and_tells_of_failed_tries
        unlock_needs_a_login_that_was_taken
        unlock_needs_the_version_that_was_tried
        unlock_closes_the_oldest
        concurrent_unlocks_respect_the_limit
        open_needs_the_token
        activity_moves_the_end_up_to_a_limit
        list_shows_what_is_of_use
        end_never_undoes_the_wait
        lock_ends_what_is_open_about_one_secret_tag
        end_all_ends_what_is_open
        delete_expired_keeps_what_counts
    }
    sealed_entries {
        create_and_get
        create_refuses_a_taken_id
        create_needs_a_secret_tag_of_the_user
        one_of_two_creates_with_one_id_succeeds
        list_pages_through_one_secret_tag_newest_first
        pages_end_early_where_much_is_sealed
        replace_expects_a_revision
        replace_moves_an_entry_to_another_secret_tag
        one_of_two_concurrent_replacements_is_stale
        seal_leaves_nothing_in_plain
        seal_expects_a_plain_entry_at_its_revision
        unseal_brings_everything_back
        unseal_expects_a_sealed_entry_at_its_revision
        unseal_with_an_unknown_tag_changes_nothing
        one_of_many_concurrent_moves_and_updates_succeeds
        delete_expects_a_revision
        deleting_a_user_deletes_everything_sealed
    }
    attachments {
        put_and_get
        put_replaces_the_one_before
        put_needs_an_entry_of_its_kind
        put_refuses_a_taken_id
        put_keeps_to_the_quota
        concurrent_puts_respect_the_quota
        concurrent_puts_for_one_entry_replace_each_other
        remove_clears_what_points_to_it
        deleting_an_entry_deletes_its_recording
        a_recording_that_comes_as_its_entry_goes_is_told
        sealing_and_unsealing_return_the_freed_recording
        concurrent_puts_during_a_move_leave_no_recording
        known_returns_the_existing_ids
    }
    attachment_store {
        a_database_gets_one_identity
        concurrent_first_calls_get_the_same_identity
        replace_forgets_what_was_known
        one_of_many_concurrent_sweeps_begins
        end_sweep_notes_what_became_of_it
        what_deletes_a_recording_notes_its_object
        what_was_not_changed_notes_nothing
        freed_and_recordings_are_read_page_by_page
    }
    isolation {
        no_method_shows_or_touches_what_is_anothers
    }
}
