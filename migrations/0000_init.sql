CREATE TABLE "api_keys" (
	"app_id" text NOT NULL,
	"key_id" text NOT NULL,
	"hash" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone,
	CONSTRAINT "api_keys_app_id_key_id_pk" PRIMARY KEY("app_id","key_id")
);
--> statement-breakpoint
CREATE TABLE "apps" (
	"app_id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"key_prefix" text NOT NULL,
	"allowed_origins" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "attempts" (
	"app_id" text NOT NULL,
	"delivery_id" text NOT NULL,
	"attempt_number" integer NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"status" integer,
	"latency_ms" integer NOT NULL,
	"reason" text,
	CONSTRAINT "attempts_app_id_delivery_id_attempt_number_pk" PRIMARY KEY("app_id","delivery_id","attempt_number")
);
--> statement-breakpoint
CREATE TABLE "callbacks" (
	"app_id" text NOT NULL,
	"upload_id" text NOT NULL,
	"request_id" text NOT NULL,
	"store" text NOT NULL,
	"body" jsonb NOT NULL,
	"received_at" timestamp (3) with time zone NOT NULL,
	"processed_at" timestamp (3) with time zone,
	"outcome" text,
	CONSTRAINT "callbacks_app_id_upload_id_request_id_pk" PRIMARY KEY("app_id","upload_id","request_id")
);
--> statement-breakpoint
CREATE TABLE "deliveries" (
	"app_id" text NOT NULL,
	"delivery_id" text NOT NULL,
	"event_id" text NOT NULL,
	"upload_id" text NOT NULL,
	"endpoint_id" text NOT NULL,
	"type" text NOT NULL,
	"body" text NOT NULL,
	"state" text NOT NULL,
	"attempt_count" integer DEFAULT 0 NOT NULL,
	"scheduled_attempts" integer DEFAULT 0 NOT NULL,
	"next_attempt_at" timestamp (3) with time zone,
	"lease_until" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "deliveries_app_id_delivery_id_pk" PRIMARY KEY("app_id","delivery_id")
);
--> statement-breakpoint
CREATE TABLE "grants" (
	"app_id" text NOT NULL,
	"grant_id" text NOT NULL,
	"subject" text NOT NULL,
	"policy" text NOT NULL,
	"use" text NOT NULL,
	"completion" text,
	"max_uploads" integer,
	"max_bytes" bigint,
	"used_uploads" integer DEFAULT 0 NOT NULL,
	"used_bytes" bigint DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone,
	CONSTRAINT "grants_app_id_grant_id_pk" PRIMARY KEY("app_id","grant_id")
);
--> statement-breakpoint
CREATE TABLE "issuers" (
	"app_id" text NOT NULL,
	"issuer_id" text NOT NULL,
	"issuer" text NOT NULL,
	"audience" text NOT NULL,
	"jwks_url" text,
	"public_keys" jsonb,
	"encrypted_secret" text,
	"algorithms" jsonb NOT NULL,
	"policies" jsonb NOT NULL,
	"subject_claim" text NOT NULL,
	"policy_claim" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "issuers_app_id_issuer_id_pk" PRIMARY KEY("app_id","issuer_id")
);
--> statement-breakpoint
CREATE TABLE "policies" (
	"app_id" text NOT NULL,
	"name" text NOT NULL,
	"document" jsonb NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "policies_app_id_name_pk" PRIMARY KEY("app_id","name")
);
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
	CONSTRAINT "upload_events_app_id_upload_id_revision_pk" PRIMARY KEY("app_id","upload_id","revision")
);
--> statement-breakpoint
CREATE TABLE "uploads" (
	"app_id" text NOT NULL,
	"upload_id" text NOT NULL,
	"subject" text NOT NULL,
	"credential" text NOT NULL,
	"grant_id" text,
	"policy_name" text NOT NULL,
	"policy" jsonb NOT NULL,
	"state" text NOT NULL,
	"method" text NOT NULL,
	"store" text NOT NULL,
	"object_key" text NOT NULL,
	"filename" text NOT NULL,
	"content_type" text NOT NULL,
	"size_bytes" bigint,
	"final_size_bytes" bigint,
	"part_size_bytes" bigint NOT NULL,
	"part_count" integer,
	"max_part_count" integer,
	"reserved_bytes" bigint NOT NULL,
	"fingerprint" text,
	"checksum" text,
	"metadata" jsonb,
	"storage_upload_id" text,
	"generation" integer DEFAULT 1 NOT NULL,
	"idempotency_key" text,
	"request_hash" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"active_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"lease_until" timestamp (3) with time zone,
	"attempt" integer DEFAULT 0 NOT NULL,
	"attempt_at" timestamp (3) with time zone,
	"prior_attempt_at" timestamp (3) with time zone,
	"missing_since" timestamp (3) with time zone,
	"direct" boolean DEFAULT false NOT NULL,
	"ended_at" timestamp (3) with time zone,
	"storage_released_at" timestamp (3) with time zone,
	"sweep_at" timestamp (3) with time zone NOT NULL,
	"object" jsonb,
	"failure" text,
	"revision" integer DEFAULT 0 NOT NULL,
	"log_hash" text DEFAULT '' NOT NULL,
	CONSTRAINT "uploads_app_id_upload_id_pk" PRIMARY KEY("app_id","upload_id")
);
--> statement-breakpoint
CREATE TABLE "usage" (
	"app_id" text NOT NULL,
	"subject" text NOT NULL,
	"open_uploads" integer NOT NULL,
	"reserved_bytes" bigint NOT NULL,
	"settled_bytes" bigint NOT NULL,
	"day" text NOT NULL,
	"day_bytes" bigint NOT NULL,
	CONSTRAINT "usage_app_id_subject_pk" PRIMARY KEY("app_id","subject")
);
--> statement-breakpoint
CREATE TABLE "webhook_endpoints" (
	"app_id" text NOT NULL,
	"endpoint_id" text NOT NULL,
	"url" text NOT NULL,
	"events" jsonb,
	"encrypted_secret" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"disabled_at" timestamp (3) with time zone,
	CONSTRAINT "webhook_endpoints_app_id_endpoint_id_pk" PRIMARY KEY("app_id","endpoint_id")
);
--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_app_id_apps_app_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("app_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "attempts" ADD CONSTRAINT "attempts_app_id_apps_app_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("app_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "attempts" ADD CONSTRAINT "attempts_app_id_delivery_id_deliveries_app_id_delivery_id_fk" FOREIGN KEY ("app_id","delivery_id") REFERENCES "public"."deliveries"("app_id","delivery_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "callbacks" ADD CONSTRAINT "callbacks_app_id_apps_app_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("app_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "callbacks" ADD CONSTRAINT "callbacks_app_id_upload_id_uploads_app_id_upload_id_fk" FOREIGN KEY ("app_id","upload_id") REFERENCES "public"."uploads"("app_id","upload_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "deliveries" ADD CONSTRAINT "deliveries_app_id_apps_app_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("app_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "deliveries" ADD CONSTRAINT "deliveries_app_id_endpoint_id_webhook_endpoints_app_id_endpoint_id_fk" FOREIGN KEY ("app_id","endpoint_id") REFERENCES "public"."webhook_endpoints"("app_id","endpoint_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "grants" ADD CONSTRAINT "grants_app_id_apps_app_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("app_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "issuers" ADD CONSTRAINT "issuers_app_id_apps_app_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("app_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "policies" ADD CONSTRAINT "policies_app_id_apps_app_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("app_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "upload_events" ADD CONSTRAINT "upload_events_app_id_apps_app_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("app_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "upload_events" ADD CONSTRAINT "upload_events_app_id_upload_id_uploads_app_id_upload_id_fk" FOREIGN KEY ("app_id","upload_id") REFERENCES "public"."uploads"("app_id","upload_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "uploads" ADD CONSTRAINT "uploads_app_id_apps_app_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("app_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "usage" ADD CONSTRAINT "usage_app_id_apps_app_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("app_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "webhook_endpoints" ADD CONSTRAINT "webhook_endpoints_app_id_apps_app_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("app_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_hash" ON "api_keys" USING btree ("app_id","hash");--> statement-breakpoint
CREATE INDEX "callbacks_unprocessed" ON "callbacks" USING btree ("app_id","received_at") WHERE processed_at is null;--> statement-breakpoint
CREATE UNIQUE INDEX "deliveries_once" ON "deliveries" USING btree ("app_id","endpoint_id","event_id");--> statement-breakpoint
CREATE INDEX "deliveries_due" ON "deliveries" USING btree ("app_id","next_attempt_at") WHERE state = 'pending';--> statement-breakpoint
CREATE INDEX "deliveries_by_endpoint" ON "deliveries" USING btree ("app_id","endpoint_id","delivery_id");--> statement-breakpoint
CREATE UNIQUE INDEX "issuers_issuer_audience" ON "issuers" USING btree ("app_id","issuer","audience");--> statement-breakpoint
CREATE INDEX "issuers_by_issuer" ON "issuers" USING btree ("issuer","audience");--> statement-breakpoint
CREATE UNIQUE INDEX "uploads_idempotency" ON "uploads" USING btree ("app_id","subject","credential","idempotency_key") WHERE idempotency_key is not null;--> statement-breakpoint
CREATE INDEX "uploads_unfinished" ON "uploads" USING btree ("app_id","subject","upload_id") WHERE state in ('initiating', 'open', 'completing');--> statement-breakpoint
CREATE INDEX "uploads_by_subject" ON "uploads" USING btree ("app_id","subject","upload_id");--> statement-breakpoint
CREATE INDEX "uploads_due" ON "uploads" USING btree ("app_id","sweep_at") WHERE storage_released_at is null;