-- The objects stay where they are. A database that is upgraded again gets another identity: `sotto attachments adopt` gives it
-- the store.
-- loses: attachment_store, freed_attachments

DROP TABLE freed_attachments;
DROP TABLE attachment_store;
