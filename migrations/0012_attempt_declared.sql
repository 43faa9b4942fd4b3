-- What an attempt declares gets a column of its own: "checksum" is again what binds the session.
ALTER TABLE "uploads" ADD COLUMN "attempt_declared" jsonb;--> statement-breakpoint
UPDATE "uploads" u SET
	"attempt_declared" = jsonb_strip_nulls(jsonb_build_object(
		'sizeBytes', u."final_size_bytes", 'checksum', u."checksum", 'attempt', u."prior_declared" -> 'attempt')),
	"checksum" = CASE WHEN u."prior_declared" IS NULL THEN u."checksum" ELSE u."prior_declared" ->> 'checksum' END
FROM "apps" a WHERE u."app_id" = a."app_id" AND (u."state" = 'completing' OR u."prior_declared" IS NOT NULL);--> statement-breakpoint
ALTER TABLE "uploads" DROP COLUMN "final_size_bytes";--> statement-breakpoint
ALTER TABLE "uploads" DROP COLUMN "prior_declared";--> statement-breakpoint
-- Each checked listing is written like a declared checksum, with its algorithm.
ALTER TABLE "uploads" RENAME COLUMN "checked_crc64" TO "checked_checksums";--> statement-breakpoint
UPDATE "uploads" u SET "checked_checksums" = ARRAY(
	SELECT 'crc64:' || c."value" FROM unnest(u."checked_checksums") WITH ORDINALITY c("value", "at") ORDER BY c."at")
FROM "apps" a WHERE u."app_id" = a."app_id" AND u."state" IN ('open', 'completing') AND u."checked_checksums" IS NOT NULL;
