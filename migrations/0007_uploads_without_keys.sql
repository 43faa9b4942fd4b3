DROP INDEX "uploads_idempotency";--> statement-breakpoint
ALTER TABLE "uploads" DROP COLUMN "idempotency_key";--> statement-breakpoint
ALTER TABLE "uploads" DROP COLUMN "request_hash";
