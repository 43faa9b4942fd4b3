-- Parts may be checked for more than one completion that the store can take at any time: each is kept.
ALTER TABLE "uploads" ADD COLUMN "checked_crc64" text[];--> statement-breakpoint
UPDATE "uploads" u SET "checked_crc64" = ARRAY[u."listed_crc64"] FROM "apps" a
WHERE u."app_id" = a."app_id" AND u."listed_crc64" IS NOT NULL AND u."state" IN ('open', 'completing');
