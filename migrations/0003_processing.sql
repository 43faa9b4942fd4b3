ALTER TABLE "deliveries" ALTER COLUMN "endpoint_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "deliveries" ADD COLUMN "target" text DEFAULT 'webhook' NOT NULL;--> statement-breakpoint
ALTER TABLE "deliveries" ADD COLUMN "rule" integer;--> statement-breakpoint
ALTER TABLE "deliveries" ADD COLUMN "progress" jsonb;--> statement-breakpoint
ALTER TABLE "uploads" ADD COLUMN "processing" jsonb;--> statement-breakpoint
CREATE UNIQUE INDEX "deliveries_rule_once" ON "deliveries" USING btree ("app_id","upload_id","rule") WHERE rule is not null;--> statement-breakpoint
CREATE INDEX "deliveries_running" ON "deliveries" USING btree ("app_id","next_attempt_at") WHERE state = 'running';--> statement-breakpoint
CREATE INDEX "deliveries_by_upload" ON "deliveries" USING btree ("app_id","upload_id","delivery_id");--> statement-breakpoint
ALTER TABLE "deliveries" ADD CONSTRAINT "deliveries_one_target" CHECK ((target = 'webhook') = (endpoint_id is not null) and (endpoint_id is null) = (rule is not null));