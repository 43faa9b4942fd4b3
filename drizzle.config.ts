// For `npx drizzle-kit generate`: compares src/db/schema.ts with the last migration and writes the next one.
import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'postgresql',
  schema: './src/db/schema.ts',
  out: './migrations',
})
