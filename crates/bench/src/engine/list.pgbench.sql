-- As put together by crates/storage/src/postgres/entry_list.rs.
SELECT * FROM (SELECT e.id, e.title, e.content, e.audio_url, e.entry_date, e.entry_zone, e.revision, e.created_at, e.updated_at,
    (SELECT json_agg(json_build_array(t.id, t.name, t.color) ORDER BY t.name_key COLLATE "C")
     FROM journal_entry_tags l JOIN tags t ON t.user_id = l.user_id AND t.id = l.tag_id
     WHERE l.user_id = :author AND l.entry_id = e.id) AS tags
FROM journal_entries e WHERE e.user_id = :author AND e.secret_tag_id IS NULL
ORDER BY e.entry_date DESC, e.id DESC LIMIT 32) page
ORDER BY entry_date DESC, id DESC LIMIT :page;
