-- Each client stays with one author for about 50 turns, so that looking for the next one costs nothing.
\set change random(1, 50)
\if :ready = 0 or :change = 1
\set number random(0, :last)
SELECT users.id AS author, first.id AS first_tag, second.id AS second_tag
FROM users
    JOIN tags AS first ON first.user_id = users.id AND first.name_key = 'dreams'
    JOIN tags AS second ON second.user_id = users.id AND second.name_key = 'family'
WHERE users.email = 'author' || :number || '@example.org' \gset
\set ready 1
\endif
