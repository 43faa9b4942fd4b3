-- The event log becomes partitioned by month (docs/decisions/0004-event-log.md). Rows keep what they say; they go into the
-- default partition, from which the service moves them into months.
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
INSERT INTO "upload_events" ("app_id", "upload_id", "revision", "event_id", "type", "at", "body", "hash")
SELECT "app_id", "upload_id", "revision", "event_id", "type", "at", "body", "hash" FROM "upload_events_whole";
--> statement-breakpoint
DROP TABLE "upload_events_whole";
