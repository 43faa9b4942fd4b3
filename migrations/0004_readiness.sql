CREATE TABLE "readiness" (
	"app_id" text PRIMARY KEY NOT NULL,
	"writes" bigint NOT NULL
);
