-- The event log becomes partitioned by month (docs/decisions/0004-event-log.md). Rows keep what they say, and each goes into
-- its month: moving them later would keep writers waiting.
ALTER TABLE "upload_events" RENAME TO "upload_events_whole";
--> statement-breakpoint
CREATE TABLE "upload_events" (
	"app_id" text NOT NULL,
	"upload_id" text NOT NULL,
	"revision" integer NOT NULL,
	"event_id" text NOT NULL,
	"type" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"body" text NOT NULL,
	"hash" text NOT NULL,
	CONSTRAINT "upload_events_app_id_upload_id_revision_at_pk" PRIMARY KEY("app_id","upload_id","revision","at")
) PARTITION BY RANGE ("at");
--> statement-breakpoint
-- An event whose month has no partition yet: writing never fails.
CREATE TABLE "upload_events_default" PARTITION OF "upload_events" DEFAULT;
--> statement-breakpoint
DO $$
DECLARE month timestamp;
BEGIN
	FOR month IN SELECT DISTINCT date_trunc('month', "at" AT TIME ZONE 'UTC') FROM "upload_events_whole" LOOP
		EXECUTE format('CREATE TABLE %I PARTITION OF "upload_events" FOR VALUES FROM (%L) TO (%L)',
			'upload_events_' || to_char(month, 'YYYY_MM'),
			to_char(month, 'YYYY-MM-DD"T"00:00:00"Z"'),
			to_char(month + interval '1 month', 'YYYY-MM-DD"T"00:00:00"Z"'));
	END LOOP;
END $$;
--> statement-breakpoint
INSERT INTO "upload_events" ("app_id", "upload_id", "revision", "event_id", "type", "at", "body", "hash")
SELECT "app_id", "upload_id", "revision", "event_id", "type", "at", "body", "hash" FROM "upload_events_whole";
--> statement-breakpoint
DROP TABLE "upload_events_whole";
