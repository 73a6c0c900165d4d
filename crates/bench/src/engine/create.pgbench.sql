-- As sent by crates/storage/src/postgres/entries.rs and entry_tags.rs, in as many round trips. Ids ascend, as ours do.
\set serial :serial + 1
\set tail random(0, 1152921504606846975)
\startpipeline
BEGIN;
INSERT INTO journal_entries
    (user_id, id, title, content, audio_url, entry_date, entry_zone, entry_day, word_count, created_at, updated_at)
VALUES (:author,
    (lpad(to_hex(:serial::bigint), 12, '0') || '7' || lpad(to_hex(:client_id::int), 3, '0')
        || '8' || lpad(to_hex(:tail::bigint), 15, '0'))::uuid,
    'An evening', '{text}', NULL, '2026-01-22T20:00:00Z', 'UTC', '2026-01-22', 90, now(), now())
ON CONFLICT DO NOTHING;
INSERT INTO tags (id, name, name_key, color, user_id, created_at, updated_at)
SELECT new.id, new.name, new.name_key, new.color, :author::uuid, now(), now()
FROM unnest(ARRAY[gen_random_uuid(), gen_random_uuid()], ARRAY['dreams', 'family'], ARRAY['dreams', 'family'],
    ARRAY[NULL, NULL]::text[]) AS new (id, name, name_key, color)
ON CONFLICT DO NOTHING;
SELECT id, name, color, name_key FROM tags
WHERE user_id = :author AND (id = ANY ('{}'::uuid[]) OR name_key = ANY (ARRAY['dreams', 'family']))
ORDER BY name_key COLLATE "C" FOR KEY SHARE;
\endpipeline
\startpipeline
INSERT INTO journal_entry_tags (user_id, entry_id, tag_id)
SELECT :author::uuid,
    (lpad(to_hex(:serial::bigint), 12, '0') || '7' || lpad(to_hex(:client_id::int), 3, '0')
        || '8' || lpad(to_hex(:tail::bigint), 15, '0'))::uuid,
    tag.id FROM unnest(ARRAY[:first_tag, :second_tag]::uuid[]) AS tag (id)
ON CONFLICT DO NOTHING;
COMMIT;
\endpipeline
