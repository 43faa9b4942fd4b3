CREATE TABLE "storage_scans" (
	"app_id" text NOT NULL,
	"store" text NOT NULL,
	"next_at" timestamp (3) with time zone NOT NULL,
	"marker" jsonb,
	"foreign_so_far" integer DEFAULT 0 NOT NULL,
	"oldest_so_far" timestamp (3) with time zone,
	"scanned_at" timestamp (3) with time zone,
	"foreign_uploads" integer DEFAULT 0 NOT NULL,
	"oldest_foreign_at" timestamp (3) with time zone,
	CONSTRAINT "storage_scans_app_id_store_pk" PRIMARY KEY("app_id","store")
);
--> statement-breakpoint
DROP INDEX "uploads_due";--> statement-breakpoint
ALTER TABLE "uploads" ADD COLUMN "listed_crc64" text;--> statement-breakpoint
ALTER TABLE "uploads" ADD COLUMN "leftovers_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "storage_scans" ADD CONSTRAINT "storage_scans_app_id_apps_app_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("app_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "storage_scans_due" ON "storage_scans" USING btree ("app_id","next_at");--> statement-breakpoint
CREATE INDEX "uploads_by_storage_upload" ON "uploads" USING btree ("app_id","storage_upload_id") WHERE storage_upload_id is not null and storage_released_at is null;--> statement-breakpoint
CREATE INDEX "uploads_due" ON "uploads" USING btree ("app_id","sweep_at") WHERE storage_released_at is null or leftovers_at is not null;