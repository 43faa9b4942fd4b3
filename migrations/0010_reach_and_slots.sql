ALTER TABLE "grants" ADD COLUMN "reach" text;--> statement-breakpoint
CREATE INDEX "uploads_by_fingerprint" ON "uploads" USING btree ("app_id","fingerprint","subject","upload_id") WHERE state in ('initiating', 'open', 'completing') and fingerprint is not null;--> statement-breakpoint
CREATE INDEX "uploads_by_grant" ON "uploads" USING btree ("app_id","grant_id","upload_id") WHERE grant_id is not null;--> statement-breakpoint
-- An upload counts as open until its session ends, no longer until its storage is released. Nobody counts meanwhile.
LOCK TABLE "usage" IN EXCLUSIVE MODE;--> statement-breakpoint
UPDATE "usage" s SET "open_uploads" = (
	SELECT count(*) FROM "uploads" u
	WHERE u."app_id" = a."app_id" AND u."subject" = s."subject" AND u."state" IN ('initiating', 'open', 'completing'))
FROM "apps" a WHERE s."app_id" = a."app_id";
