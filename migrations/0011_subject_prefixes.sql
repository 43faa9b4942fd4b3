-- Issuers that are there keep the subjects that they have: without a prefix. Those to come name theirs.
ALTER TABLE "issuers" ADD COLUMN "subject_prefix" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "issuers" ALTER COLUMN "subject_prefix" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "issuers" ADD COLUMN "claims" jsonb;--> statement-breakpoint
ALTER TABLE "uploads" ADD COLUMN "issuer_id" text;--> statement-breakpoint
ALTER TABLE "uploads" ADD COLUMN "issuer_subject" text;--> statement-breakpoint
-- Warnings of a migration are logged (src/db/migrate.ts).
DO $$
DECLARE
  found record;
BEGIN
  FOR found IN
    SELECT a."app_id", string_agg(i."issuer_id" || ' (' || i."issuer" || ')', ', ' ORDER BY i."issuer_id") AS "issuers"
    FROM "apps" a JOIN "issuers" i ON i."app_id" = a."app_id"
    GROUP BY a."app_id" HAVING count(*) > 1 ORDER BY a."app_id"
  LOOP
    RAISE WARNING 'The app % has several issuers, whose equal subjects are one owner: %. See docs/security.md.',
      found."app_id", found."issuers";
  END LOOP;
  FOR found IN
    SELECT i."app_id", i."issuer_id", i."issuer" FROM "apps" a JOIN "issuers" i ON i."app_id" = a."app_id"
    WHERE regexp_replace(lower(i."issuer"), '^https?://|/$', '', 'g')
      IN ('token.actions.githubusercontent.com', 'gitlab.com', 'accounts.google.com')
    ORDER BY 1, 2
  LOOP
    RAISE WARNING 'The issuer % (%) of the app % is shared by everybody and has no claims. See docs/security.md.',
      found."issuer_id", found."issuer", found."app_id";
  END LOOP;
END $$;
