-- Idempotency-Keys get a table of their own: a request that resumes has one, too, and its session may have been made with another.
CREATE TABLE "idempotency_keys" (
	"app_id" text NOT NULL,
	"subject" text NOT NULL,
	"credential" text NOT NULL,
	"idempotency_key" text NOT NULL,
	"upload_id" text NOT NULL,
	"request_hash" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "idempotency_keys_app_id_subject_credential_idempotency_key_pk" PRIMARY KEY("app_id","subject","credential","idempotency_key")
);
--> statement-breakpoint
ALTER TABLE "uploads" ADD COLUMN "prior_declared" jsonb;--> statement-breakpoint
ALTER TABLE "idempotency_keys" ADD CONSTRAINT "idempotency_keys_app_id_apps_app_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("app_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idempotency_keys_by_age" ON "idempotency_keys" USING btree ("app_id","created_at");--> statement-breakpoint
INSERT INTO "idempotency_keys" ("app_id", "subject", "credential", "idempotency_key", "upload_id", "request_hash", "created_at")
SELECT u."app_id", u."subject", u."credential", u."idempotency_key", u."upload_id", coalesce(u."request_hash", ''), u."created_at"
FROM "apps" a JOIN "uploads" u ON u."app_id" = a."app_id"
WHERE u."idempotency_key" IS NOT NULL;
